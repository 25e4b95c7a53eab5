//! Trigger rules: applied as text, listed, removed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_model::TriggerSpec;
use serde_json::{Value as Json_, json};

use super::resources;
use super::shape::{AppliedResource, ApplyAnswer, DocumentAnswer, ErrorAnswer, TriggerAnswer, TriggerList};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::TextBody;

/// Stores the trigger rules of a YAML or JSON text; one with a name that exists replaces it. Nothing is stored when one document
/// of the text is wrong.
#[utoipa::path(post, path = "/api/v1/triggers", tag = "triggers",
    request_body(content = String, content_type = "application/yaml", description = "One or several documents"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(State(app): State<App>, TextBody(text): TextBody) -> Result<Json<ApplyAnswer>, ApiError> {
    Ok(Json(resources::apply(&app, &text, Some("trigger")).await?))
}

/// Stores one trigger under this name. With `If-Match` only when it still is the version that the header names: the `ETag` of an
/// answer, or its `updated_at`; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/triggers/{name}", tag = "triggers", params(("name" = String, Path, description = "Its name"), ("If-Match" = Option<String>, Header, description = "The version that the client saw")),
    request_body(content = String, content_type = "application/yaml", description = "One document"),
    responses((status = 200, body = AppliedResource), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    TextBody(text): TextBody,
) -> Result<Response, ApiError> {
    resources::put(&app, "trigger", &name, &headers, &text).await
}

/// All trigger rules.
#[utoipa::path(get, path = "/api/v1/triggers", tag = "triggers", responses((status = 200, body = TriggerList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<TriggerList>, ApiError> {
    Ok(Json(TriggerList { triggers: answers(&app).await? }))
}

/// One trigger. Its `ETag` is the version that an `If-Match` can name.
#[utoipa::path(get, path = "/api/v1/triggers/{name}", tag = "triggers", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = TriggerAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let answer = resources::trigger_answer(&app, resources::find::<TriggerSpec>(&app, &name).await?);
    Ok(resources::versioned(&answer.updated_at.clone(), answer))
}

/// One trigger as a YAML document.
#[utoipa::path(get, path = "/api/v1/triggers/{name}/document", tag = "triggers", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = DocumentAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn document(State(app): State<App>, Path(name): Path<String>) -> Result<Json<DocumentAnswer>, ApiError> {
    Ok(Json(resources::document::<TriggerSpec>(&app, &name).await?))
}

/// Removes a trigger. Runs that it started go on.
#[utoipa::path(delete, path = "/api/v1/triggers/{name}", tag = "triggers", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    resources::delete::<TriggerSpec>(&app, &name).await?;
    Ok(Json(json!({ "deleted": name })))
}

/// All trigger rules, with how they fared.
pub(crate) async fn answers(app: &App) -> Result<Vec<TriggerAnswer>, ApiError> {
    let (known, now) = (app.flow.trigger_status(), resources::now());
    let rules = app.store.resources::<TriggerSpec>().await?;
    Ok(rules.into_iter().map(|rule| TriggerAnswer::new(rule, &known, now)).collect())
}
