//! Administration: how the server is, its settings, people, keys, storages, secrets, backups, and who did what.

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
    Page {
        path: "/ui/admin/people",
        template: "admin/people.html",
        section: "admin",
        asks: &[must("users", "/api/v1/users"), must("session", "/api/v1/session")],
    },
    Page {
        path: "/ui/admin/organizations",
        template: "admin/organizations.html",
        section: "admin",
        asks: &[must("organizations", "/api/v1/organizations")],
    },
    Page {
        path: "/ui/admin/audit",
        template: "admin/audit.html",
        section: "admin",
        asks: &[must("audit", "/api/v1/audit?limit=100{% if query.after %}&after={{ query.after|urlencode }}{% endif %}")],
    },
];
