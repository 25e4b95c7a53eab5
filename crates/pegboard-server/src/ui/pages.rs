//! The table of pages, an area to a file.

mod hub;
mod overview;
mod people;
mod projects;
mod workflows;

use super::ask::{Ask, Refused};
use super::page::Page;

/// Every area's pages.
pub(super) const AREAS: &[&[Page]] = &[overview::PAGES, hub::PAGES, workflows::PAGES, projects::PAGES, people::PAGES];

/// Pages for those who are not known yet.
pub(super) const OPEN: &[Page] = people::OPEN;

/// An answer without which there is no page.
const fn must(name: &'static str, path: &'static str) -> Ask {
    Ask { name, path, refused: Refused::Ends }
}

/// An answer that a page can do without.
const fn may(name: &'static str, path: &'static str) -> Ask {
    Ask { name, path, refused: Refused::Shows }
}
