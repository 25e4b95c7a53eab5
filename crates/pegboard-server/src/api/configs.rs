//! Configs: applied as text, listed, removed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_flow::Flow;
use pegboard_model::{Config, ConfigSpec, WorkflowSpec};
use serde_json::{Value as Json_, json};

use super::resources;
use super::shape::{AppliedResource, ApplyAnswer, ConfigAnswer, ConfigList, DocumentAnswer, ErrorAnswer};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::TextBody;

/// Stores the configs of a YAML or JSON text; one with a name that exists replaces it. Nothing is stored when one document
/// of the text is wrong.
#[utoipa::path(post, path = "/api/v1/configs", tag = "configs",
    request_body(content = String, content_type = "application/yaml", description = "One or several documents"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(State(app): State<App>, TextBody(text): TextBody) -> Result<Json<ApplyAnswer>, ApiError> {
    Ok(Json(resources::apply(&app, &text, Some("config")).await?))
}

/// Stores one config under this name. With `If-Match` only when it still is the version that the header names: the `ETag` of an
/// answer, or its `updated_at`; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/configs/{name}", tag = "configs", params(("name" = String, Path, description = "Its name"), ("If-Match" = Option<String>, Header, description = "The version that the client saw")),
    request_body(content = String, content_type = "application/yaml", description = "One document"),
    responses((status = 200, body = AppliedResource), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    TextBody(text): TextBody,
) -> Result<Response, ApiError> {
    resources::put(&app, "config", &name, &headers, &text).await
}

/// All configs.
#[utoipa::path(get, path = "/api/v1/configs", tag = "configs", responses((status = 200, body = ConfigList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<ConfigList>, ApiError> {
    let workflows = app.store.resources::<WorkflowSpec>().await?;
    let answer = |config: Config| {
        let met = workflows.iter().filter(|workflow| Flow::applies(&config.spec, workflow));
        let applies_to = met.map(|workflow| workflow.metadata.name.to_string()).collect();
        ConfigAnswer { applies_to: Some(applies_to), ..ConfigAnswer::from(config) }
    };
    let configs = app.store.resources::<ConfigSpec>().await?.into_iter().map(answer).collect();
    Ok(Json(ConfigList { configs }))
}

/// One config. Its `ETag` is the version that an `If-Match` can name.
#[utoipa::path(get, path = "/api/v1/configs/{name}", tag = "configs", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = ConfigAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let answer = ConfigAnswer::from(resources::find::<ConfigSpec>(&app, &name).await?);
    Ok(resources::versioned(&answer.updated_at.clone(), answer))
}

/// One config as a YAML document.
#[utoipa::path(get, path = "/api/v1/configs/{name}/document", tag = "configs", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = DocumentAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn document(State(app): State<App>, Path(name): Path<String>) -> Result<Json<DocumentAnswer>, ApiError> {
    Ok(Json(resources::document::<ConfigSpec>(&app, &name).await?))
}

/// Removes a config. Runs under way keep what they began with.
#[utoipa::path(delete, path = "/api/v1/configs/{name}", tag = "configs", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    resources::delete::<ConfigSpec>(&app, &name).await?;
    Ok(Json(json!({ "deleted": name })))
}
