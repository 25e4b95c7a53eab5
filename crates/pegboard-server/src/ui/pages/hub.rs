//! Plugins of every kind, and the sessions of those that are hung up from outside.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
