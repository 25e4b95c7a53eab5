//! Every URL of the server, in one table.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse as _, Redirect, Response};
use pegboard_model::Error;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::{Access, Gate, Route, Routes, delete, gate, get, inner_gate, post, put};
use crate::api::hub::{follow, hosting, plugins as plugins_of_hub, presets, preview, scripts, sessions};
use crate::api::{
    administration, apply, assets, audit, catalog, configs, dashboard as dashboard_api, events, health, keys, labelling, lineage,
    news, notices, openid, organizations, plugins, projects, reading, runs, search, session, status, triggers, users, workers,
    workflows,
};
use crate::app::App;
use crate::error::{ApiError, panicked};
use crate::record::record;
use crate::remainder::read_remainder;
use crate::{ango, dashboard, flowdapt, hub, openapi, ui};

/// Our own API: what the pages ask, too.
fn api() -> Routes {
    Routes::new().merge(of_the_server()).merge(of_organizations()).merge(people())
}

/// Every route, and who may ask for it. `asked` is what the pages ask.
fn routes(message_limit: usize, asked: &Router) -> Routes {
    api()
        .merge(ui::routes(asked))
        .merge(dashboard::routes())
        .merge(flowdapt::routes())
        .merge(hub::routes(message_limit))
        .merge(ango::routes())
}

/// What each route asks for, in the order in which they were added.
pub fn listed() -> Vec<Route> {
    routes(0, &Router::new()).table().to_vec()
}

/// What the server itself has, which is its first organization's.
fn of_the_server() -> Routes {
    Routes::new()
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/settings", get(status::settings).needs(Access::Admin))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/plugins", get(plugins::list).post(plugins::install))
        .route("/api/v1/plugins/{name}", get(plugins::show).delete(plugins::uninstall))
        .route("/api/v1/plugins/{name}/upgrade", post(plugins::upgrade))
        .route("/api/v1/plugins/{name}/reload", post(plugins::reload))
        .route("/api/v1/workers", get(workers::list))
        .route("/api/v1/workflows", get(workflows::list).post(workflows::apply))
        .route("/api/v1/workflows/{name}", get(workflows::show).put(workflows::put).delete(workflows::delete))
        .route("/api/v1/workflows/{name}/document", get(workflows::document))
        .route("/api/v1/workflows/{name}/preview", get(workflows::preview))
        .route("/api/v1/workflows/{name}/parameters", get(workflows::parameters))
        .route("/api/v1/configs", get(configs::list).post(configs::apply))
        .route("/api/v1/configs/{name}", get(configs::show).put(configs::put).delete(configs::delete))
        .route("/api/v1/configs/{name}/document", get(configs::document))
        .route("/api/v1/triggers", get(triggers::list).post(triggers::apply))
        .route("/api/v1/triggers/{name}", get(triggers::show).put(triggers::put).delete(triggers::delete))
        .route("/api/v1/triggers/{name}/document", get(triggers::document))
        .route("/api/v1/apply", post(apply::apply))
        .route("/api/v1/runs", get(runs::list).post(runs::start))
        .route("/api/v1/runs/{id}", delete(runs::delete).get(runs::show))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/runs/{id}/result", get(runs::result))
        .route("/api/v1/runs/{id}/artifacts", get(lineage::of_run))
        .route("/api/v1/runs/{id}/log", get(runs::log))
        .route("/api/v1/runs/{id}/events", get(runs::events))
        .route("/api/v1/catalog/query", post(catalog::query).needs(Access::Viewer))
        .route("/api/v1/catalog/uploads", post(catalog::upload))
        .route("/api/v1/catalog/{kind}", get(catalog::list))
        .route(
            "/api/v1/catalog/{kind}/{name}",
            get(catalog::show).post(catalog::create).patch(catalog::amend).delete(catalog::delete),
        )
        .route("/api/v1/catalog/{kind}/{name}/lineage", get(lineage::lineage))
        .route("/api/v1/catalog/{kind}/{name}/rows", get(catalog::rows))
        .route("/api/v1/catalog/{kind}/{name}/statistics", get(catalog::statistics))
        .route("/api/v1/catalog/{kind}/{name}/outliers", get(catalog::outliers))
        .route("/api/v1/catalog/{kind}/{name}/files/{role}", get(catalog::file))
        .route("/api/v1/dashboard/plugins", get(dashboard_api::list))
        .route("/api/v1/dashboard/plugins/{id}", get(dashboard_api::show))
        .route("/api/v1/dashboard/plugins/{id}/reload", post(dashboard_api::reload))
        .route("/api/v1/backups", post(administration::back_up).needs(Access::Admin))
        .route("/api/v1/secrets", get(administration::secrets).needs(Access::Admin))
        .route(
            "/api/v1/secrets/{name}",
            put(administration::set_secret).delete(administration::delete_secret).needs(Access::Admin),
        )
        .route("/api/v1/environments", get(administration::environments).needs(Access::Admin))
        .route("/api/v1/environments/prune", post(administration::prune_environments).needs(Access::Admin))
        .route("/api/v1/status/details", get(administration::details).needs(Access::Admin))
        .route("/-/metrics", get(health::metrics))
        .of_the_server()
        .route("/-/health", get(health::health).needs(Access::Open))
        .route("/-/ready", get(health::ready).needs(Access::Open))
}

/// What belongs to the organization of whoever asks.
fn of_organizations() -> Routes {
    Routes::new()
        .route("/api/v1/news", get(news::news))
        .route("/api/v1/notices", get(notices::list))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/hub/plugins", get(plugins_of_hub::list).post(plugins_of_hub::create))
        .route("/api/v1/hub/plugins/{id}", get(plugins_of_hub::show).put(plugins_of_hub::update).delete(plugins_of_hub::remove))
        .route("/api/v1/hub/plugins/{id}/secret", post(plugins_of_hub::rotate))
        .route("/api/v1/hub/plugins/{id}/install", post(plugins_of_hub::install).delete(plugins_of_hub::uninstall))
        .route("/api/v1/hub/plugins/{id}/host", put(hosting::host).delete(hosting::unhost))
        .route("/api/v1/hub/plugins/{id}/host/restart", post(hosting::restart))
        .route("/api/v1/hub/plugins/{id}/host/log", get(hosting::log))
        .route("/api/v1/hub/plugins/{id}/sessions", post(sessions::run))
        .route("/api/v1/hub/plugins/{id}/check", post(sessions::check))
        .route("/api/v1/hub/plugins/{id}/scripts", get(scripts::scripts))
        .route("/api/v1/hub/preview", post(preview::preview).needs(Access::Viewer))
        .route("/api/v1/hub/sessions", get(sessions::list))
        .route("/api/v1/hub/sessions/{id}", get(sessions::show))
        .route("/api/v1/hub/sessions/{id}/cancel", post(sessions::cancel))
        .route("/api/v1/hub/sessions/{id}/retry", post(sessions::retry))
        .route("/api/v1/hub/sessions/{id}/result", get(sessions::result))
        .route("/api/v1/hub/sessions/{id}/log", get(sessions::log))
        .route("/api/v1/hub/sessions/{id}/events", get(follow::events))
        .route("/api/v1/hub/presets", get(presets::list).post(presets::put))
        .route("/api/v1/hub/presets/{id}", delete(presets::remove))
        .route("/api/v1/projects", get(projects::list).post(projects::create))
        .route("/api/v1/projects/{id}", get(projects::show).delete(projects::delete))
        .route("/api/v1/projects/{id}/schema", put(projects::set_schema))
        .route("/api/v1/projects/{id}/stages", put(projects::set_stages))
        .route("/api/v1/projects/{id}/stages/{stage}/rerun", post(projects::rerun))
        .route("/api/v1/projects/{id}/batches", post(projects::create_batch))
        .route("/api/v1/projects/{id}/assets", get(assets::list).post(labelling::import_assets))
        .route("/api/v1/projects/{id}/assets/{asset}", get(assets::show).delete(assets::delete))
        .route("/api/v1/projects/{id}/batches/{batch}/assets", post(assets::assign))
        .route("/api/v1/projects/{id}/read", post(reading::read))
        .route("/api/v1/projects/{id}/labels", post(labelling::import_labels))
        .route("/api/v1/projects/{id}/tasks", get(labelling::tasks))
        .route("/api/v1/projects/{id}/uploads", post(labelling::upload))
        .route("/api/v1/projects/{id}/exports", post(labelling::export))
        .route("/api/v1/keys", get(keys::list).post(keys::create).needs(Access::Viewer))
        .route("/api/v1/keys/{id}", delete(keys::revoke).needs(Access::Viewer))
        .route("/api/v1/storages", get(keys::storages).post(keys::create_storage).needs(Access::Admin))
        .route("/api/v1/storages/{id}", delete(keys::delete_storage).needs(Access::Admin))
        .route("/api/v1/storages/{id}/test", post(administration::test_storage).needs(Access::Admin))
}

/// Coming in, and people.
fn people() -> Routes {
    Routes::new()
        .route(
            "/api/v1/session",
            get(session::show).post(session::sign_in).needs(Access::Open).and(delete(session::sign_out).needs(Access::Viewer)),
        )
        .route("/api/v1/session/password", put(session::change_password).needs(Access::Viewer))
        .route("/api/v1/sessions", get(session::list).delete(session::end_all).needs(Access::Viewer))
        .route("/api/v1/sessions/{id}", delete(session::end).needs(Access::Viewer))
        .route("/ui/openid", get(openid::begin).needs(Access::Open))
        .route("/ui/openid/callback", get(openid::finish).needs(Access::Open))
        .route("/api/v1/links/{token}", get(session::link).post(session::redeem).needs(Access::Open))
        .route("/api/v1/users", get(users::list).post(users::create).needs(Access::Admin))
        .route("/api/v1/users/{email}", get(users::show).patch(users::change).delete(users::remove).needs(Access::Admin))
        .route("/api/v1/users/{email}/link", post(users::link).needs(Access::Admin))
        .route("/api/v1/audit", get(audit::list).needs(Access::Admin))
        .merge(
            Routes::new()
                .route("/api/v1/organizations", get(organizations::list).post(organizations::create).needs(Access::Admin))
                .of_the_server(),
        )
}

pub(crate) fn router(app: App) -> Router {
    let body_limit = app.settings.server.body_limit;
    // Pages ask in process, past the door: whoever looks at a page may see in it what they may ask for themselves.
    let (asked, table) = api().into_parts();
    let asked = asked.layer(from_fn_with_state(Gate::new(app.clone(), table), inner_gate)).with_state(app.clone());
    let (routes, table) = routes(app.settings.hub.message_limit, &asked).into_parts();
    let routes = routes
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), ui::refusal::as_page))
        .layer(from_fn_with_state(Gate::new(app.clone(), table), gate))
        .layer(from_fn_with_state(app.clone(), flowdapt::door))
        .layer(from_fn_with_state(app.clone(), record))
        .layer(from_fn(read_remainder))
        .with_state(app);
    // Around the table, not in it: a path is made right before a route is looked up.
    Router::new().fallback_service(routes).layer(map_request(ango::one_slash))
}

async fn unknown(State(app): State<App>, method: Method, uri: Uri) -> Response {
    // Plugins of the dashboard write links and assets as if they were alone at the root.
    let site = if method == Method::GET { app.dashboard.loaded_site() } else { None };
    if let Some(place) = site.and_then(|site| dashboard::by_plain_path(&site, uri.path())) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Redirect::temporary(&format!("{place}{query}")).into_response();
    }
    let error = Error::not_found("route-not-found", format!("there is nothing at `{}`", uri.path())).hint("see /api/docs");
    in_the_form_of(&uri, error)
}

/// A dialect's client gets refusals in its form, also from paths that nobody serves.
fn in_the_form_of(uri: &Uri, error: Error) -> Response {
    if uri.path().starts_with("/v2/") { ango::refused(error) } else { ApiError(error).into_response() }
}

/// The Allow header is axum's.
async fn not_allowed(method: Method, uri: Uri) -> Response {
    let error = Error::invalid("method-not-allowed", format!("`{}` cannot be asked with {method}", uri.path()))
        .hint("the header Allow says with what; see /api/docs");
    in_the_form_of(&uri, error)
}
