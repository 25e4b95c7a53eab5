//! Coming in, and what is one's own.

use super::{Page, must};

/// Pages for those who are not known yet.
pub(super) const OPEN: &[Page] = &[
    Page { path: "/ui/sign-in", template: "people/sign-in.html", section: "", asks: &[must("session", "/api/v1/session")] },
    Page {
        path: "/ui/link/{token}",
        template: "people/link.html",
        section: "",
        asks: &[must("link", "/api/v1/links/{{ token|urlencode }}")],
    },
];

pub(super) const PAGES: &[Page] = &[Page {
    path: "/ui/account",
    template: "people/account.html",
    section: "",
    asks: &[
        must("session", "/api/v1/session"),
        must("sessions", "/api/v1/sessions"),
        must("keys", "/api/v1/keys"),
    ],
}];
