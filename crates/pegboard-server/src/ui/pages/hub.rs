//! Plugins of every kind, and the sessions of those that are hung up from outside.

use super::{Page, may, must};

pub(super) const PAGES: &[Page] = &[
    Page {
        path: "/ui/plugins",
        template: "plugins/directory.html",
        section: "plugins",
        asks: &[must(
            "hub",
            "/api/v1/hub/plugins?scope={{ query.scope|default('available', true)|urlencode }}&limit=60\
             {% if query.type %}&type={{ query.type|urlencode }}{% endif %}{% if query.live %}&live={{ query.live|urlencode }}{% endif %}\
             {% if query.q %}&search={{ query.q|urlencode }}{% endif %}{% if query.after %}&after={{ query.after|urlencode }}{% endif %}",
        )],
    },
    Page {
        path: "/ui/plugins/development",
        template: "plugins/development.html",
        section: "plugins",
        asks: &[must(
            "hub",
            "/api/v1/hub/plugins?scope=own&limit=100{% if query.after %}&after={{ query.after|urlencode }}{% endif %}",
        )],
    },
    Page {
        path: "/ui/plugins/packages",
        template: "plugins/packages.html",
        section: "plugins",
        asks: &[must("installed", "/api/v1/plugins"), may("workers", "/api/v1/workers")],
    },
    Page {
        path: "/ui/plugins/packages/{name}",
        template: "plugins/package.html",
        section: "plugins",
        asks: &[
            must("plugin", "/api/v1/plugins/{{ name|urlencode }}"),
            must("workflows", "/api/v1/workflows"),
            may("runs", "/api/v1/runs?limit=50"),
        ],
    },
    Page {
        path: "/ui/plugins/panels",
        template: "plugins/panels.html",
        section: "plugins",
        asks: &[must("dashboard", "/api/v1/dashboard/plugins")],
    },
    Page {
        path: "/ui/plugins/panels/{id}",
        template: "plugins/panel.html",
        section: "plugins",
        asks: &[must("file", "/api/v1/dashboard/plugins/{{ id|urlencode }}")],
    },
    Page {
        path: "/ui/plugins/hub/{id}",
        template: "plugins/hub.html",
        section: "plugins",
        asks: &[
            must("plugin", "/api/v1/hub/plugins/{{ id|urlencode }}"),
            must("sessions", "/api/v1/hub/sessions?plugin={{ plugin.id }}&limit=12"),
            must("scripts", "/api/v1/hub/plugins/{{ plugin.id }}/scripts"),
            may("projects", "/api/v1/projects?limit=1000"),
            may("presets", "/api/v1/hub/presets?plugin={{ plugin.id }}"),
            may("printed", "{% if plugin.hosted %}/api/v1/hub/plugins/{{ plugin.id }}/host/log?limit=200{% endif %}"),
        ],
    },
    Page {
        path: "/ui/plugins/hub/{id}/run",
        template: "plugins/run.html",
        section: "plugins",
        asks: &[
            must("plugin", "/api/v1/hub/plugins/{{ id|urlencode }}"),
            must("projects", "/api/v1/projects?limit=1000"),
            may("again", "{% if query.again %}/api/v1/hub/sessions/{{ query.again|urlencode }}{% endif %}"),
            may(
                "project",
                "{% set chosen = query.project or again.project or (projects.projects[0].id if projects.projects|length == 1 else '') %}\
                 {% if chosen %}/api/v1/projects/{{ chosen|urlencode }}{% endif %}",
            ),
            may("presets", "{% if project %}/api/v1/hub/presets?project={{ project.id }}&plugin={{ plugin.id }}{% endif %}"),
            may(
                "assets",
                "{% if project and plugin.type == 'model' %}/api/v1/projects/{{ project.id }}/assets?limit=60{% endif %}",
            ),
            may(
                "storages",
                "{% if plugin.type in ['file_explorer', 'input', 'markdown_generator'] %}/api/v1/storages{% endif %}",
            ),
        ],
    },
    Page {
        path: "/ui/sessions",
        template: "sessions/list.html",
        section: "plugins",
        asks: &[
            must(
                "sessions",
                "/api/v1/hub/sessions?limit=50{% if query.plugin %}&plugin={{ query.plugin|urlencode }}{% endif %}\
                 {% if query.project %}&project={{ query.project|urlencode }}{% endif %}{% if query.state %}&state={{ query.state|urlencode }}{% endif %}\
                 {% if query.before %}&before={{ query.before|urlencode }}{% endif %}",
            ),
            may("hub", "/api/v1/hub/plugins?scope=available&limit=1000"),
            may("projects", "/api/v1/projects?limit=1000"),
        ],
    },
    Page {
        path: "/ui/sessions/{id}",
        template: "sessions/show.html",
        section: "plugins",
        asks: &[
            must("session", "/api/v1/hub/sessions/{{ id|urlencode }}"),
            must(
                "log",
                "/api/v1/hub/sessions/{{ id|urlencode }}/log?limit=400&last=true{% if query.earlier %}&before={{ query.earlier|urlencode }}{% endif %}",
            ),
            may("plugin", "/api/v1/hub/plugins/{{ session.plugin }}"),
            may("project", "{% if session.project %}/api/v1/projects/{{ session.project }}{% endif %}"),
            may(
                "found",
                "{% if project and session.type == 'model' and session.parameters.assetId %}\
                 /api/v1/projects/{{ session.project }}/assets/{{ session.parameters.assetId|urlencode }}{% endif %}",
            ),
        ],
    },
];
