//! Workflows, their runs, triggers and configurations.

use super::{Page, must};

pub(super) const PAGES: &[Page] = &[Page {
    path: "/ui/runs/{id}",
    template: "runs/show.html",
    section: "workflows",
    asks: &[must("run", "/api/v1/runs/{{ id|urlencode }}"), must("log", "/api/v1/runs/{{ id|urlencode }}/log?limit=1000")],
}];
