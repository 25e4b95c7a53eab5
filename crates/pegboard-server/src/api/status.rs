//! The server about itself.

use axum::Json;
use axum::extract::State;
use serde_json::{Value as Json_, json};

use super::shape::StatusAnswer;
use crate::app::App;

/// What runs here and since when.
#[utoipa::path(get, path = "/api/v1/status", tag = "server", responses((status = 200, body = StatusAnswer)))]
pub(crate) async fn status(State(app): State<App>) -> Json<StatusAnswer> {
    Json(StatusAnswer {
        app: "pegboard".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.started.elapsed().as_secs(),
        process_id: std::process::id(),
        data_directory: app.settings.server.data.display().to_string(),
        plugins: app.engine.plugins().len(),
        workers: app.engine.workers().len(),
    })
}

/// Every setting with its value and origin; secrets masked.
#[utoipa::path(get, path = "/api/v1/settings", tag = "server", responses(
    (status = 200, description = "`settings`: list of key, value, text, origin, help", body = Object)))]
pub(crate) async fn settings(State(app): State<App>) -> Json<Json_> {
    Json(json!({ "settings": app.settings.listing }))
}
