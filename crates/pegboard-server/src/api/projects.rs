//! Projects: made, listed, given classes and stages, deleted.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_model::Project;
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::resources::{expected, versioned};
use super::shape::{BatchAnswer, BatchBody, ErrorAnswer, ProjectAnswer, ProjectBody, ProjectList};
use crate::access::Here;
use crate::ango::read_stages;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Most things on a page.
pub(super) const MOST: usize = 1000;

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// How many come before it.
    #[serde(default)]
    pub(super) skip: u64,
    /// How many are on it.
    #[serde(default)]
    pub(super) limit: Option<usize>,
    /// For tasks: only those in this stage.
    #[serde(default)]
    pub(super) stage: Option<String>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, MOST)
    }
}

/// With its revision as the version that an `If-Match` can name.
async fn answer(app: &App, project: &Project) -> Result<Response, ApiError> {
    let assets = app.labelling.count_assets(project.id).await?;
    let tasks = app.labelling.tasks_by_stage(project.id).await?;
    Ok(versioned(&project.revision.to_string(), ProjectAnswer::new(project, Some(assets), tasks)))
}

/// Which projects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectsQuery {
    #[serde(default)]
    skip: u64,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    name: Option<String>,
}

/// A page of projects.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects",
    params(("skip" = Option<u64>, Query, description = "How many come before the page"), ("limit" = Option<usize>, Query, description = "At most so many, 100 unless said"),
        ("name" = Option<String>, Query, description = "Only those with this text in name or description, letters large or small")),
    responses((status = 200, body = ProjectList)))]
pub(crate) async fn list(app: Here, Parameters(query): Parameters<ProjectsQuery>) -> Result<Json<ProjectList>, ApiError> {
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    let (found, total) = match query.name.as_deref().filter(|name| !name.trim().is_empty()) {
        None => app.labelling.projects(app.organization(), query.skip, limit).await?,
        Some(name) => app.labelling.projects_named(app.organization(), name.trim(), query.skip, limit).await?,
    };
    let mut projects = Vec::with_capacity(found.len());
    for project in &found {
        let assets = app.labelling.count_assets(project.id).await?;
        projects.push(ProjectAnswer::new(project, Some(assets), app.labelling.tasks_by_stage(project.id).await?));
    }
    Ok(Json(ProjectList { projects, total }))
}

/// Makes a project with the stages `Start`, `Label` and `Complete`.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = ProjectBody,
    responses((status = 200, body = ProjectAnswer), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn create(app: Here, JsonBody(body): JsonBody<ProjectBody>) -> Result<Response, ApiError> {
    let kind = body.kind.as_deref().unwrap_or("ango");
    let project = app.labelling.create_project(&body.name, &body.description, kind, app.user()).await?;
    answer(&app, &project).await
}

/// One project.
#[utoipa::path(get, path = "/api/v1/projects/{id}", tag = "projects", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = ProjectAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(app: Here, Path(id): Path<String>) -> Result<Response, ApiError> {
    let project = app.project(&id).await?;
    answer(&app, &project).await
}

/// What a delete says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    #[serde(default)]
    name: Option<String>,
}

/// Deletes a project with its assets, tasks and files.
#[utoipa::path(delete, path = "/api/v1/projects/{id}", tag = "projects",
    params(("id" = String, Path, description = "Its id"), ("name" = Option<String>, Query, description = "Its name, to say that it is meant: refused when it is another")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(
    app: Here,
    Path(id): Path<String>,
    Parameters(query): Parameters<DeleteQuery>,
) -> Result<Json<Json_>, ApiError> {
    let project = app.project(&id).await?;
    app.labelling.purge_project(project.id, query.name.as_deref().unwrap_or(&project.name)).await?;
    Ok(Json(json!({ "deleted": id })))
}

/// Replaces the classes: `tools`, `classifications`, `relations`. What has no `schemaId` gets one. With `If-Match` only when the project
/// still has the revision that the header names; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/projects/{id}/schema", tag = "projects",
    params(("id" = String, Path, description = "Its id"), ("If-Match" = Option<String>, Header, description = "The revision that the client saw")),
    request_body = Object, responses((status = 200, body = ProjectAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn set_schema(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Json_>,
) -> Result<Response, ApiError> {
    let (project, seen) = (app.project(&id).await?, expected(&headers)?);
    let project = app.labelling.set_schema(project.id, &body, seen).await?;
    answer(&app, &project).await
}

/// Replaces the stages: a list of objects with `id`, `type`, `name`, `next` and, for a plugin, `pluginId`. With `If-Match` only when the
/// project still has the revision that the header names; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/projects/{id}/stages", tag = "projects",
    params(("id" = String, Path, description = "Its id"), ("If-Match" = Option<String>, Header, description = "The revision that the client saw")),
    request_body = Vec<Object>, responses((status = 200, body = ProjectAnswer), (status = 400, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn set_stages(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Json_>,
) -> Result<Response, ApiError> {
    let (project, seen) = (app.project(&id).await?, expected(&headers)?);
    let project = app.labelling.set_stages(project.id, read_stages(&body)?, seen).await?;
    answer(&app, &project).await
}

/// Sends every task that is in a plugin stage now to its plugin, also those that failed or were put there by hand.
#[utoipa::path(post, path = "/api/v1/projects/{id}/stages/{stage}/rerun", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("stage" = String, Path, description = "The stage's id or name")),
    responses((status = 200, description = "`sent`: how many", body = Object), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn rerun(app: Here, Path((id, stage)): Path<(String, String)>) -> Result<Json<Json_>, ApiError> {
    let project = app.project(&id).await?;
    let sent = app.labelling.rerun_stage(&project, &stage).await?;
    Ok(Json(json!({ "sent": sent })))
}

/// Makes a batch; the one of that name when there is one.
#[utoipa::path(post, path = "/api/v1/projects/{id}/batches", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = BatchBody, responses((status = 200, body = BatchAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn create_batch(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<BatchBody>,
) -> Result<Json<BatchAnswer>, ApiError> {
    let project = app.project(&id).await?;
    let (_, batch) = app.labelling.create_batch(project.id, &body.name).await?;
    Ok(Json(BatchAnswer { id: batch.id.to_string(), name: batch.name }))
}
