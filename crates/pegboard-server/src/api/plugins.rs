//! Plugins: installed, upgraded, reloaded, removed. Installs answer as a stream and go on when the client leaves.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use pegboard_engine::InstallRequest;
use pegboard_model::{Error, PluginName, PluginRecord, PluginSource};
use serde_json::{Value as Json_, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::permissions;
use super::shape::{ErrorAnswer, ErrorBody, InstallBody, InstallNews, PluginAnswer, PluginList, Progress, UpgradeBody};
use super::workers::look_at_memory;
use crate::app::App;
use crate::directory;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// All plugins.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", responses((status = 200, body = PluginList)))]
pub(crate) async fn list(State(app): State<App>) -> Json<PluginList> {
    Json(PluginList { plugins: answers(&app) })
}

/// One plugin with its workers.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = PluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<PluginAnswer>, ApiError> {
    let record = find(&app, &name.parse()?)?;
    let bounds = app.engine.bounds(record.name.as_str());
    let mut answer = PluginAnswer::new(record, &app.engine.workers(), &app.engine.plugins());
    let processes: Vec<u32> = answer.workers.iter().filter_map(|worker| worker.process_id).collect();
    look_at_memory(&app, &mut answer.workers).await;
    let process = processes.first().copied();
    Ok(Json(PluginAnswer { permissions: Some(permissions::of(bounds, process).await), ..answer }))
}

/// Installs a plugin: makes its environment, finds what it contributes, loads it. The answer is a stream of JSON lines: `step`
/// as often as needed, then `done` or `error`. The install goes on when the client leaves.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins", request_body = InstallBody,
    responses((status = 200, description = "JSON lines", body = InstallNews, content_type = "application/x-ndjson"), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn install(State(app): State<App>, JsonBody(body): JsonBody<InstallBody>) -> Result<Response, ApiError> {
    if body.requirement.trim().is_empty() {
        return Err(Error::invalid("requirement", "the requirement is empty")
            .hint("name a package, a path, a wheel or a `git+` URL")
            .into());
    }
    let request = InstallRequest {
        requirement: body.requirement.trim().to_owned(),
        editable: body.editable,
        index_url: body.index_url.or_else(|| app.settings.engine.index_url.clone()),
        original_flowdapt: body.original_flowdapt,
    };
    Ok(streamed_install(app, request, false))
}

/// Installs a plugin's source anew, or another version. The old one serves until the new one has loaded, and goes on when it
/// does not. Answers like an install.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/upgrade", tag = "plugins", params(("name" = String, Path, description = "Its name")),
    request_body = UpgradeBody, responses(
        (status = 200, description = "JSON lines", body = InstallNews, content_type = "application/x-ndjson"), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn upgrade(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<UpgradeBody>,
) -> Result<Response, ApiError> {
    let record = find(&app, &name.parse()?)?;
    let PluginSource::Package { requirement, editable, index_url } = record.source else {
        return Err(Error::invalid("not-a-package", format!("`{name}` was not installed as a package"))
            .hint("a plugin of another kind changes with its source")
            .into());
    };
    let request = InstallRequest {
        requirement: body.requirement.unwrap_or(requirement),
        editable,
        index_url: body.index_url.or(index_url).or_else(|| app.settings.engine.index_url.clone()),
        original_flowdapt: false,
    };
    Ok(streamed_install(app, request, true))
}

/// Loads a plugin's code anew beside the old one, then swaps. When the new code does not load, the old one goes on serving
/// and the error says why.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/reload", tag = "plugins", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = PluginAnswer), (status = 404, body = ErrorAnswer), (status = 502, body = ErrorAnswer)))]
pub(crate) async fn reload(State(app): State<App>, Path(name): Path<String>) -> Result<Json<PluginAnswer>, ApiError> {
    let name = find(&app, &name.parse()?)?.name;
    let record = app.engine.reload(&name).await?;
    directory::follow(&app, &name).await?;
    Ok(Json(PluginAnswer::new(record, &app.engine.workers(), &app.engine.plugins())))
}

/// Drains and removes a plugin and its environment.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn uninstall(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    let name = find(&app, &name.parse()?)?.name;
    app.engine.uninstall(&name).await?;
    directory::follow(&app, &name).await?;
    Ok(Json(json!({ "deleted": name })))
}

/// All plugins by name, with their workers.
pub(crate) fn answers(app: &App) -> Vec<PluginAnswer> {
    let (workers, installed) = (app.engine.workers(), app.engine.plugins());
    let mut plugins: Vec<_> = installed.iter().map(|record| PluginAnswer::new(record.clone(), &workers, &installed)).collect();
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    plugins
}

fn find(app: &App, name: &PluginName) -> Result<PluginRecord, Error> {
    app.engine.plugins().into_iter().find(|record| record.name == *name).ok_or_else(|| {
        Error::not_found("plugin-not-found", format!("there is no plugin `{name}`"))
            .hint("`pegboard plugins` lists those installed; `pegboard install REQUIREMENT` adds one")
    })
}

fn streamed_install(app: App, request: InstallRequest, replace: bool) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel();
    let steps = sender.clone();
    let progress: pegboard_engine::Progress = Arc::new(move |step: &str, detail: &str| {
        // Nobody listens any more: the install goes on all the same.
        let _ = steps.send(InstallNews::Step(Progress { step: step.to_owned(), detail: detail.to_owned() }));
    });
    tokio::spawn(async move {
        let requirement = crate::config::without_password(&request.requirement);
        let news = match installed(&app, request, replace, progress).await {
            Ok(record) => {
                tracing::info!(plugin.name = %record.name, plugin.version = record.metadata.version, "plugin installed from `{requirement}`");
                InstallNews::Done { plugin: Box::new(PluginAnswer::new(record, &app.engine.workers(), &app.engine.plugins())) }
            }
            Err(error) => {
                tracing::info!(
                    error.code = error.code,
                    error.detail = error.detail.as_deref().unwrap_or_default(),
                    "cannot install `{requirement}`: {error}"
                );
                InstallNews::Error { error: ErrorBody::from(&error) }
            }
        };
        let _ = sender.send(news);
    });
    let lines = UnboundedReceiverStream::new(receiver).map(|news| {
        let mut line = serde_json::to_vec(&news)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn installed(
    app: &App,
    request: InstallRequest,
    replace: bool,
    progress: pegboard_engine::Progress,
) -> Result<PluginRecord, Error> {
    let record = app.engine.install(request, replace, progress).await?;
    directory::follow(app, &record.name).await?;
    Ok(record)
}
