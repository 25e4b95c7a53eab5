//! Pages, as a browser without scripts would be shown them.

mod hub;
mod projects;
mod story;
mod workflows;
