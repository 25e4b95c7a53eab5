//! Home, notices, and what is said of the whole house.

use super::{Page, may, must};

/// Packages, workflows and runs are the server's own: people of other organizations see their hub plugins, sessions and projects.
pub(super) const PAGES: &[Page] = &[Page {
    path: "/ui/",
    template: "home.html",
    section: "home",
    asks: &[
        may("plugins", "/api/v1/plugins"),
        must("hub", "/api/v1/hub/plugins"),
        may("runs", "/api/v1/runs?limit=12"),
        may("running", "/api/v1/runs?limit=1000&state=running"),
        must("sessions", "/api/v1/hub/sessions?limit=8"),
        may("triggers", "/api/v1/triggers"),
        may("workers", "/api/v1/workers?memory=false"),
        must("projects", "/api/v1/projects"),
        may("dashboard", "/api/v1/dashboard/plugins"),
        may("models", "/api/v1/catalog/model?limit=100"),
    ],
}];
