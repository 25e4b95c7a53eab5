//! Runs: started, followed, cancelled, looked up.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pegboard_model::{Error, LogLevel, Run, RunCause, RunState};
use pegboard_store::{LogFilter, RunFilter};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::shape::{ErrorAnswer, LogAnswer, LogPage, RunAnswer, RunBody, RunList};
use super::{stream, workflows};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Page size when none is asked for, and the most that one may ask for.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// Which runs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Only runs of this workflow.
    workflow: Option<String>,
    /// Only runs in this state.
    #[param(value_type = Option<String>)]
    state: Option<RunState>,
    /// At most so many, at least 1; 50 when absent, 1000 at most.
    limit: Option<usize>,
    /// Only runs older than this one.
    before: Option<String>,
}

/// Which lines to send.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParameters {
    /// Only lines with a sequence number above this one.
    #[serde(default)]
    after: u64,
    /// At most so many; 1000 when absent, which is the most.
    limit: Option<usize>,
    /// Only lines with a sequence number below this one: the last ones of them, unless `after` is given, too.
    before: Option<u64>,
    /// The last lines instead of the first ones; they come oldest first all the same.
    #[serde(default)]
    last: bool,
    /// Only lines of this stage.
    stage: Option<String>,
    /// Only lines of this level and above: `debug`, `info`, `warning` or `error`.
    #[param(value_type = Option<String>)]
    level: Option<LogLevel>,
}

/// Where a stream goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParameters {
    /// Only log lines with a sequence number above this one; the header `Last-Event-ID` says the same.
    after: Option<u64>,
}

/// Starts a run. It is recorded durably when the answer comes.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", request_body = RunBody,
    responses((status = 200, body = RunAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn start(State(app): State<App>, JsonBody(body): JsonBody<RunBody>) -> Result<Json<RunAnswer>, ApiError> {
    let workflow = workflows::find(&app, &body.workflow).await?;
    let run = app.flow.run(&workflow, body.input, body.namespace, RunCause::Api).await?;
    Ok(Json(run.into()))
}

/// Runs, newest first, without their stages.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(ListParameters), responses((status = 200, body = RunList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<RunList>, ApiError> {
    if parameters.limit == Some(0) {
        return Err(Error::invalid("query", "`limit` is 0: a page has at least one run")
            .hint("leave it out for pages of 50")
            .into());
    }
    let limit = parameters.limit.unwrap_or(PAGE).min(LARGEST_PAGE);
    let before = match parameters.before {
        Some(before) => Some(find(&app, &before).await?.uid),
        None => None,
    };
    // One more than asked for tells whether there is a next page.
    let filter = RunFilter { workflow: parameters.workflow, state: parameters.state, before, limit: limit + 1 };
    let mut runs = app.store.runs(&filter).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|run| run.uid.to_string());
    Ok(Json(RunList { runs: runs.into_iter().map(RunAnswer::from).collect(), next }))
}

/// One run with its stages.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, body = RunAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<RunAnswer>, ApiError> {
    Ok(Json(find(&app, &id).await?.into()))
}

/// Ends a run with everything of it that is under way, and answers when it has ended. One that is over stays as it is.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, body = RunAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Result<Json<RunAnswer>, ApiError> {
    let uid = find(&app, &id).await?.uid;
    Ok(Json(app.flow.cancel(uid).await?.into()))
}

/// Starts a new run where one was interrupted, cancelled or failed: same workflow, input and namespace. Stages that keep their
/// results (`cache`) take those of the old run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, description = "The new run", body = RunAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn resume(State(app): State<App>, Path(id): Path<String>) -> Result<Json<RunAnswer>, ApiError> {
    let uid = find(&app, &id).await?.uid;
    Ok(Json(app.flow.resume(uid).await?.into()))
}

/// The result as JSON, however large. 404 while the run is under way.
#[utoipa::path(get, path = "/api/v1/runs/{id}/result", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, description = "Any JSON", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn result(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let run = find(&app, &id).await?;
    if run.state != RunState::Finished {
        let message = format!("run `{}` is {} and has no result", run.name, run.state.as_str());
        return Err(Error::not_found("no-result", message).hint("only a finished run has a result").into());
    }
    let json = match &run.result_object {
        Some(key) => app.store.object(key).await?.ok_or_else(|| {
            Error::not_found("result-gone", format!("the result of run `{}` is not among the objects any more", run.name))
        })?,
        None => Bytes::from(run.result.to_string()),
    };
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

/// Lines of a run's log, oldest first: from the begin, or with `last` or `before` from the end.
#[utoipa::path(get, path = "/api/v1/runs/{id}/log", tag = "runs", params(("id" = String, Path, description = "Its uid or its name"), LogParameters),
    responses((status = 200, body = LogPage), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn log(
    State(app): State<App>,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<LogParameters>,
) -> Result<Json<LogPage>, ApiError> {
    let uid = find(&app, &id).await?.uid;
    let limit = parameters.limit.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let LogParameters { after, before, stage, level, last, .. } = parameters;
    let last = last || (before.is_some() && after == 0);
    // One more than asked for tells whether there are earlier ones.
    let filter = LogFilter { after, before, stage, level, last, limit: limit + usize::from(last) };
    let mut lines: Vec<_> = app.store.log_selected(uid, &filter).await?.into_iter().map(LogAnswer::from).collect();
    let mut earlier = None;
    if lines.len() > limit {
        lines.remove(0);
        earlier = lines.first().map(|line| line.sequence);
    }
    let last = lines.last().map_or(after, |line| line.sequence);
    Ok(Json(LogPage { lines, last, earlier }))
}

/// A run as it happens, as server-sent events: `run` (whole, at the begin and at the end; without stages in between), `stage`
/// (`position` and `stage`), `progress` (what a plugin says of its call: `position`, `done`, `total`, `message`), `log` (one line; its id is the sequence number), `end`. Resumes after the line named by
/// `Last-Event-ID` or `after`; ends when the run is over.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs", params(("id" = String, Path, description = "Its uid or its name"), StreamParameters),
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<StreamParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Listening begins before the run is read, so that nothing is lost in between.
    let news = app.flow.events();
    let run = find(&app, &id).await?;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(stream::run_events(app, run, news, resumed.or(parameters.after).unwrap_or(0)).into_response())
}

/// Removes a run that is over, its log with it.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, description = "`deleted`: its uid", body = Object), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Json_>, ApiError> {
    let run = find(&app, &id).await?;
    if !run.state.is_final() {
        return Err(Error::conflict("run-under-way", format!("run `{}` is {}", run.name, run.state.as_str()))
            .hint("cancel it first: `pegboard cancel RUN`")
            .into());
    }
    if let Some(key) = &run.result_object {
        app.store.delete_object(key).await?;
    }
    app.store.delete_run(run.uid).await?;
    Ok(Json(json!({ "deleted": run.uid })))
}

/// The run with this uid or name.
pub(crate) async fn find(app: &App, id: &str) -> Result<Run, ApiError> {
    Ok(app.flow.run_find(id).await?)
}
