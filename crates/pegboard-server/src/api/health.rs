//! For load balancers and Prometheus, under `/-/`.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;
use pegboard_store::RunFilter;
use serde_json::{Value as Json_, json};

use crate::app::App;
use crate::error::ApiError;

/// The process answers.
#[utoipa::path(get, path = "/-/health", tag = "operations", responses((status = 200, description = "The process answers")))]
pub(crate) async fn health() -> Json<Json_> {
    Json(json!({ "status": "ok" }))
}

/// The store answers and the server is not about to stop.
#[utoipa::path(get, path = "/-/ready", tag = "operations", responses(
    (status = 200, description = "It takes work"),
    (status = 503, description = "It does not", body = crate::error::ErrorAnswer)))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Json_>, ApiError> {
    if app.shutdown.has_begun() {
        return Err(Error::unavailable("stopping", "the server is about to stop").hint("try again in a moment").into());
    }
    app.store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await?;
    Ok(Json(json!({ "status": "ready" })))
}

/// Numbers in Prometheus' text form.
#[utoipa::path(get, path = "/-/metrics", tag = "operations", responses((status = 200, description = "OpenMetrics text", body = String)))]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let text = app.metrics.text(&app.engine.statistics());
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
