//! Every URL of the server, in one table.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn_with_state, map_request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use pegboard_model::Error;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{apply, configs, events, health, news, plugins, runs, status, triggers, workers, workflows};
use crate::app::App;
use crate::error::{ApiError, panicked};
use crate::guard::guard;
use crate::record::record;
use crate::{ango, flowdapt, hub, openapi, ui};

pub(crate) fn router(app: App) -> Router {
    let body_limit = app.settings.server.body_limit;
    let message_limit = app.settings.hub.message_limit;
    let routes = Router::new()
        .route("/", get(ui::door))
        .route("/ui/", get(ui::home::page))
        .route("/ui/home", get(ui::home::fragment))
        .route("/ui/runs/{id}", get(ui::run::page))
        .route("/ui/runs/{id}/state", get(ui::run::fragment))
        .route("/ui/assets/{name}", get(ui::assets::asset))
        .route("/ui", get(ui::slash))
        .route("/api/docs", get(ui::docs::page))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/settings", get(status::settings))
        .route("/api/v1/news", get(news::news))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/plugins", get(plugins::list).post(plugins::install))
        .route("/api/v1/plugins/{name}", get(plugins::show).delete(plugins::uninstall))
        .route("/api/v1/plugins/{name}/upgrade", post(plugins::upgrade))
        .route("/api/v1/plugins/{name}/reload", post(plugins::reload))
        .route("/api/v1/workers", get(workers::list))
        .route("/api/v1/workflows", get(workflows::list).post(workflows::apply))
        .route("/api/v1/workflows/{name}", get(workflows::show).put(workflows::put).delete(workflows::delete))
        .route("/api/v1/configs", get(configs::list).post(configs::apply))
        .route("/api/v1/configs/{name}", get(configs::show).put(configs::put).delete(configs::delete))
        .route("/api/v1/triggers", get(triggers::list).post(triggers::apply))
        .route("/api/v1/triggers/{name}", get(triggers::show).put(triggers::put).delete(triggers::delete))
        .route("/api/v1/apply", post(apply::apply))
        .route("/api/v1/runs", get(runs::list).post(runs::start))
        .route("/api/v1/runs/{id}", delete(runs::delete).get(runs::show))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/resume", post(runs::resume))
        .route("/api/v1/runs/{id}/result", get(runs::result))
        .route("/api/v1/runs/{id}/log", get(runs::log))
        .route("/api/v1/runs/{id}/events", get(runs::events))
        .route("/-/health", get(health::health))
        .route("/-/ready", get(health::ready))
        .route("/-/metrics", get(health::metrics))
        .merge(flowdapt::routes())
        .merge(hub::routes(message_limit))
        .merge(ango::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn_with_state(app.clone(), flowdapt::door))
        .layer(from_fn_with_state(app.clone(), record))
        .with_state(app);
    // Around the table, not in it: a path is made right before a route is looked up.
    Router::new().fallback_service(routes).layer(map_request(ango::one_slash))
}

async fn unknown(uri: Uri) -> Response {
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
