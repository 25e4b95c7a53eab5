//! Projects, their assets and tasks.

use super::super::ask::Ask;
use super::{Page, may, must};

const PROJECT: Ask = must("project", "/api/v1/projects/{{ id|urlencode }}");
const PLUGINS: Ask = may("hub", "/api/v1/hub/plugins?limit=1000");

/// A page of a project: which template, and what it asks besides the project itself.
const fn page(path: &'static str, template: &'static str, asks: &'static [Ask]) -> Page {
    Page { path, template, section: "projects", asks }
}

pub(super) const PAGES: &[Page] = &[
    page(
        "/ui/projects",
        "projects/list.html",
        &[must(
            "projects",
            "/api/v1/projects?limit=24&skip={{ query.skip|default(0)|urlencode }}&name={{ query.name|default('')|urlencode }}",
        )],
    ),
    page(
        "/ui/projects/{id}",
        "projects/show.html",
        &[
            PROJECT,
            PLUGINS,
            may("assets", "/api/v1/projects/{{ id|urlencode }}/assets?limit=12&tasks=true"),
            may("sessions", "/api/v1/hub/sessions?limit=6&project={{ id|urlencode }}"),
        ],
    ),
    page(
        "/ui/projects/{id}/assets",
        "projects/assets.html",
        &[
            PROJECT,
            must(
                "assets",
                "/api/v1/projects/{{ id|urlencode }}/assets?limit=36&tasks=true&skip={{ query.skip|default(0)|urlencode }}\
                 &stage={{ query.stage|default('')|urlencode }}&batch={{ query.batch|default('')|urlencode }}\
                 &name={{ query.name|default('')|urlencode }}",
            ),
        ],
    ),
    page(
        "/ui/projects/{id}/assets/{asset_id}",
        "projects/asset.html",
        &[
            PROJECT,
            must("found", "/api/v1/projects/{{ id|urlencode }}/assets/{{ asset_id|urlencode }}"),
            may("models", "/api/v1/hub/plugins?scope=installed&type=model&live=true&limit=3"),
        ],
    ),
    page(
        "/ui/projects/{id}/tasks",
        "projects/tasks.html",
        &[
            PROJECT,
            must(
                "tasks",
                "/api/v1/projects/{{ id|urlencode }}/tasks?limit=50&skip={{ query.skip|default(0)|urlencode }}\
                 {% if query.stage %}&stage={{ query.stage|urlencode }}{% endif %}",
            ),
        ],
    ),
    page("/ui/projects/{id}/stages", "projects/stages.html", &[PROJECT, PLUGINS]),
    page("/ui/projects/{id}/schema", "projects/schema.html", &[PROJECT]),
    page("/ui/projects/{id}/batches", "projects/batches.html", &[PROJECT]),
    page("/ui/projects/{id}/exchange", "projects/exchange.html", &[PROJECT]),
    page("/ui/projects/{id}/plugins", "projects/plugins.html", &[PROJECT, PLUGINS]),
];
