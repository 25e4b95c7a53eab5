//! Projects, their assets and tasks.

use super::Page;

pub(super) const PAGES: &[Page] = &[];
