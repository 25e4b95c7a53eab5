//! Workflows: applied as text, listed, removed.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_flow::Flow;
use pegboard_model::{Workflow, WorkflowSpec};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::shape::{
    AppliedConfigAnswer, AppliedResource, ApplyAnswer, DocumentAnswer, ErrorAnswer, ParametersAnswer, PreviewAnswer,
    PreviewStage, RecentRun, StagePluginAnswer, WorkflowAnswer, WorkflowList,
};
use super::{parameters, resources};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Parameters, TextBody};

/// Most runs that are told with each workflow.
const MOST_RUNS: usize = 50;

/// What to tell of each workflow.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Adds so many of its last runs to each; none when absent, 50 at most.
    #[serde(default)]
    runs: usize,
}

/// Stores the workflows of a YAML or JSON text; one with a name that exists replaces it. Nothing is stored when one document
/// of the text is wrong.
#[utoipa::path(post, path = "/api/v1/workflows", tag = "workflows",
    request_body(content = String, content_type = "application/yaml", description = "One or several documents"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(State(app): State<App>, TextBody(text): TextBody) -> Result<Json<ApplyAnswer>, ApiError> {
    Ok(Json(resources::apply(&app, &text, Some("workflow")).await?))
}

/// Stores one workflow under this name. With `If-Match` only when it still is the version that the header names: the `ETag` of an
/// answer, or its `updated_at`; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name"), ("If-Match" = Option<String>, Header, description = "The version that the client saw")),
    request_body(content = String, content_type = "application/yaml", description = "One document"),
    responses((status = 200, body = AppliedResource), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    TextBody(text): TextBody,
) -> Result<Response, ApiError> {
    resources::put(&app, "workflow", &name, &headers, &text).await
}

/// All workflows.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows", params(ListParameters), responses((status = 200, body = WorkflowList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<WorkflowList>, ApiError> {
    let mut workflows: Vec<_> = app.store.resources::<WorkflowSpec>().await?.into_iter().map(WorkflowAnswer::from).collect();
    let places: HashMap<String, usize> =
        workflows.iter().enumerate().map(|(place, workflow)| (workflow.name.clone(), place)).collect();
    for run in app.store.recent_runs(parameters.runs.min(MOST_RUNS)).await? {
        if let Some(place) = places.get(&run.workflow) {
            workflows[*place].recent.push(RecentRun::from(run));
        }
    }
    Ok(Json(WorkflowList { workflows }))
}

/// One workflow as a YAML document.
#[utoipa::path(get, path = "/api/v1/workflows/{name}/document", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = DocumentAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn document(State(app): State<App>, Path(name): Path<String>) -> Result<Json<DocumentAnswer>, ApiError> {
    Ok(Json(resources::document::<WorkflowSpec>(&app, &name).await?))
}

/// What a run would meet that begins now: who serves each stage, and which configs apply.
#[utoipa::path(get, path = "/api/v1/workflows/{name}/preview", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = PreviewAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn preview(State(app): State<App>, Path(name): Path<String>) -> Result<Json<PreviewAnswer>, ApiError> {
    let workflow = find(&app, &name).await?;
    let configs = app.flow.configs_of(&workflow).await?;
    let stages = workflow.spec.stages.iter().map(|stage| PreviewStage {
        name: stage.name.clone(),
        plugin: app.flow.plugin_of(stage.target.trim()).map(StagePluginAnswer::from),
    });
    Ok(Json(PreviewAnswer {
        executor: app.flow.executor().to_owned(),
        stages: stages.collect(),
        config: configs.iter().filter_map(|config| config.data.clone()).flatten().collect(),
        configs: configs.into_iter().map(AppliedConfigAnswer::from).collect(),
        warnings: Flow::check(&workflow.spec),
    }))
}

/// Which keys the input of a run may have: the parameters of the stages that take them, as their plugins' code says it.
#[utoipa::path(get, path = "/api/v1/workflows/{name}/parameters", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = ParametersAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn parameters(State(app): State<App>, Path(name): Path<String>) -> Result<Json<ParametersAnswer>, ApiError> {
    let workflow = find(&app, &name).await?;
    Ok(Json(parameters::of(&app, &workflow.spec).await))
}

/// One workflow. Its `ETag` is the version that an `If-Match` can name.
#[utoipa::path(get, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = WorkflowAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let answer = WorkflowAnswer::from(find(&app, &name).await?);
    Ok(resources::versioned(&answer.updated_at.clone(), answer))
}

/// Removes a workflow. Its runs stay, and those under way go on.
#[utoipa::path(delete, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    resources::delete::<WorkflowSpec>(&app, &name).await?;
    Ok(Json(json!({ "deleted": name })))
}

/// The stored workflow of this name.
pub(crate) async fn find(app: &App, name: &str) -> Result<Workflow, ApiError> {
    resources::find(app, name).await
}
