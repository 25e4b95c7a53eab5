//! Workflows: applied as text, listed, removed.

use axum::Json;
use axum::extract::{Path, State};
use pegboard_flow::{Document, Flow};
use pegboard_model::{Error, Resource, ResourceSpec, Workflow, WorkflowSpec};
use serde_json::{Value as Json_, json};

use super::shape::{AppliedResource, AppliedWorkflow, ApplyAnswer, ErrorAnswer, WorkflowAnswer, WorkflowList};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::TextBody;

/// Stores the workflows, configs and trigger rules of a YAML or JSON text; one with a name that exists replaces it. Nothing is stored when one document
/// of the text is wrong.
#[utoipa::path(post, path = "/api/v1/workflows", tag = "workflows",
    request_body(content = String, content_type = "application/yaml", description = "One or several documents"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(State(app): State<App>, TextBody(text): TextBody) -> Result<Json<ApplyAnswer>, ApiError> {
    let documents = Flow::parse(&text)?;
    for document in &documents {
        if let Document::Trigger(document) = document {
            app.flow.check_trigger(&document.spec)?;
        }
    }
    let mut answer = ApplyAnswer { applied: Vec::with_capacity(documents.len()), resources: Vec::new() };
    for document in documents {
        match document {
            Document::Workflow(document) => {
                let mut warnings = document.warnings.clone();
                warnings.extend(Flow::check(&document.spec));
                let (workflow, created) = app.flow.apply(document).await?;
                answer.applied.push(AppliedWorkflow { created, warnings, workflow: workflow.into() });
            }
            Document::Config(document) => {
                let warnings = document.warnings.clone();
                answer.resources.push(applied(app.flow.apply(document).await?, warnings));
            }
            Document::Trigger(document) => {
                let warnings = document.warnings.clone();
                answer.resources.push(applied(app.flow.apply(document).await?, warnings));
            }
        }
    }
    Ok(Json(answer))
}

fn applied<S: ResourceSpec>((resource, created): (Resource<S>, bool), warnings: Vec<String>) -> AppliedResource {
    let metadata = resource.metadata;
    let (name, uid) = (metadata.name.to_string(), metadata.uid.to_string());
    AppliedResource { kind: S::KIND.to_owned(), name, uid, created, warnings }
}

/// All workflows.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows", responses((status = 200, body = WorkflowList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<WorkflowList>, ApiError> {
    let workflows = app.store.resources::<WorkflowSpec>().await?.into_iter().map(WorkflowAnswer::from).collect();
    Ok(Json(WorkflowList { workflows }))
}

/// One workflow.
#[utoipa::path(get, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = WorkflowAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<WorkflowAnswer>, ApiError> {
    Ok(Json(find(&app, &name).await?.into()))
}

/// Removes a workflow. Its runs stay.
#[utoipa::path(delete, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    let workflow = find(&app, &name).await?;
    app.store.delete::<WorkflowSpec>(workflow.metadata.uid).await?;
    Ok(Json(json!({ "deleted": name })))
}

/// The stored workflow of this name.
pub(crate) async fn find(app: &App, name: &str) -> Result<Workflow, ApiError> {
    let found = app.store.by_name(&name.parse()?).await?;
    found.ok_or_else(|| {
        Error::not_found("workflow-not-found", format!("there is no workflow `{name}`"))
            .hint("`pegboard apply FILE` stores one; `GET /api/v1/workflows` lists them")
            .into()
    })
}
