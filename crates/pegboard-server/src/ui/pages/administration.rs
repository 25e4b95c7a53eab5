//! Administration: how the server is, its settings, storages, secrets, keys and backups.

use super::{Page, may, must};

pub(super) const PAGES: &[Page] = &[
    Page {
        path: "/ui/admin",
        template: "admin/status.html",
        section: "admin",
        asks: &[
            must("status", "/api/v1/status"),
            must("details", "/api/v1/status/details"),
            must("workers", "/api/v1/workers"),
            may("environments", "/api/v1/environments"),
        ],
    },
    Page {
        path: "/ui/admin/settings",
        template: "admin/settings.html",
        section: "admin",
        asks: &[must("settings", "/api/v1/settings")],
    },
    Page {
        path: "/ui/admin/storages",
        template: "admin/storages.html",
        section: "admin",
        asks: &[must("storages", "/api/v1/storages")],
    },
    Page {
        path: "/ui/admin/secrets",
        template: "admin/secrets.html",
        section: "admin",
        asks: &[must("secrets", "/api/v1/secrets"), must("plugins", "/api/v1/plugins"), must("hub", "/api/v1/hub/plugins")],
    },
    Page {
        path: "/ui/admin/keys",
        template: "admin/keys.html",
        section: "admin",
        asks: &[must("keys", "/api/v1/keys"), may("projects", "/api/v1/projects")],
    },
    Page {
        path: "/ui/admin/backup",
        template: "admin/backup.html",
        section: "admin",
        asks: &[must("details", "/api/v1/status/details")],
    },
];
