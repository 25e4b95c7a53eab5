//! Workflows, their runs, triggers and configurations, and where artifacts come from.

use super::{Page, may, must};

pub(super) const PAGES: &[Page] = &[
    Page {
        path: "/ui/workflows",
        template: "workflows/list.html",
        section: "workflows",
        asks: &[must("workflows", "/api/v1/workflows?runs=20"), must("triggers", "/api/v1/triggers")],
    },
    Page {
        path: "/ui/workflows/{name}",
        template: "workflows/show.html",
        section: "workflows",
        asks: &[
            must("workflow", "/api/v1/workflows/{{ name|urlencode }}"),
            must("preview", "/api/v1/workflows/{{ name|urlencode }}/preview"),
            must("document", "/api/v1/workflows/{{ name|urlencode }}/document"),
            must(
                "runs",
                "/api/v1/runs?limit=20&workflow={{ name|urlencode }}{% if query.before %}&before={{ query.before|urlencode }}{% endif %}",
            ),
            must("triggers", "/api/v1/triggers"),
        ],
    },
    Page {
        path: "/ui/runs",
        template: "runs/list.html",
        section: "workflows",
        asks: &[
            must(
                "runs",
                "/api/v1/runs?limit=50{% if query.workflow %}&workflow={{ query.workflow|urlencode }}{% endif %}\
                 {% if query.state %}&state={{ query.state|urlencode }}{% endif %}{% if query.before %}&before={{ query.before|urlencode }}{% endif %}",
            ),
            must("workflows", "/api/v1/workflows"),
        ],
    },
    Page {
        path: "/ui/runs/{id}",
        template: "runs/show.html",
        section: "workflows",
        asks: &[
            must("run", "/api/v1/runs/{{ id|urlencode }}"),
            may(
                "log",
                "/api/v1/runs/{{ id|urlencode }}/log?limit=400&last=true{% if query.stage %}&stage={{ query.stage|urlencode }}{% endif %}\
                 {% if query.level %}&level={{ query.level|urlencode }}{% endif %}{% if query.earlier %}&before={{ query.earlier|urlencode }}{% endif %}",
            ),
            must("artifacts", "/api/v1/runs/{{ id|urlencode }}/artifacts"),
            may("workflow", "/api/v1/workflows/{{ run.workflow|urlencode }}"),
        ],
    },
    Page {
        path: "/ui/triggers",
        template: "triggers/list.html",
        section: "workflows",
        asks: &[must("triggers", "/api/v1/triggers")],
    },
    Page {
        path: "/ui/configs",
        template: "configs/list.html",
        section: "workflows",
        asks: &[must("configs", "/api/v1/configs")],
    },
    Page {
        path: "/ui/edit/{kind}",
        template: "workflows/edit.html",
        section: "workflows",
        asks: &[
            // Refuses words that are no kind.
            must(
                "all",
                "/api/v1/{% if kind in ['workflow', 'config', 'trigger'] %}{{ kind }}s{% else %}documents/{{ kind|urlencode }}{% endif %}",
            ),
            may("document", "{% if query.from %}/api/v1/{{ kind|urlencode }}s/{{ query.from|urlencode }}/document{% endif %}"),
        ],
    },
    Page {
        path: "/ui/edit/{kind}/{name}",
        template: "workflows/edit.html",
        section: "workflows",
        asks: &[must("document", "/api/v1/{{ kind|urlencode }}s/{{ name|urlencode }}/document")],
    },
    Page {
        path: "/ui/artifacts/{kind}/{name}",
        template: "artifacts/show.html",
        section: "inspect",
        asks: &[
            must(
                "artifact",
                "/api/v1/catalog/{{ kind|urlencode }}/{{ name|urlencode|replace('/', '%2F') }}\
                 {% if query.version %}?version={{ query.version|urlencode }}{% endif %}",
            ),
            must("relatives", "/api/v1/catalog/{{ kind|urlencode }}/{{ name|urlencode|replace('/', '%2F') }}/lineage"),
            may("run", "{% if artifact.origin.run %}/api/v1/runs/{{ artifact.origin.run|urlencode }}{% endif %}"),
            may(
                "session",
                "{% if artifact.origin.session %}/api/v1/hub/sessions/{{ artifact.origin.session|urlencode }}{% endif %}",
            ),
            may("project", "{% if session.project %}/api/v1/projects/{{ session.project }}{% endif %}"),
        ],
    },
];
