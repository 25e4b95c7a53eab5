//! Sessions: asked for, watched, cancelled, tried again.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pegboard_hub::RunRequest;
use pegboard_model::{Error, HubId, SessionCause, SessionState};
use pegboard_store::SessionFilter;
use serde::Deserialize;

use super::super::shape::{ErrorAnswer, HubLogPage, HubRunBody, HubRunCheck, HubSessionAnswer, HubSessionList};
use super::{class_pairs, config_text};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Sessions of a page when the client says nothing.
const PAGE: usize = 50;
/// Lines of a page when the client says nothing.
const LINES: usize = 1000;
/// Longest time that an answer is held back.
const WAIT: Duration = Duration::from_secs(55);

/// Which sessions to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionParameters {
    /// Only sessions of this plugin: its id or name.
    plugin: Option<String>,
    /// Only sessions on this project: its id or name.
    project: Option<String>,
    /// Only sessions in this state.
    state: Option<String>,
    /// Only sessions made before this one: its id.
    before: Option<String>,
    /// At most so many, up to 1000.
    limit: Option<usize>,
}

/// Whether to wait.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitParameters {
    /// Answer at the session's end, or after so many seconds, at most 55.
    wait: Option<u64>,
}

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParameters {
    /// Only lines behind this one.
    after: Option<u64>,
    /// The last lines before this one.
    before: Option<u64>,
    /// The last lines instead of the first ones; they come oldest first all the same.
    #[serde(default)]
    last: bool,
    /// At most so many, up to 10000.
    limit: Option<usize>,
    /// When there is none: wait so many seconds for one, at most 55.
    wait: Option<u64>,
}

/// Runs a remote plugin: makes a session, which waits for its turn.
#[utoipa::path(post, path = "/api/v1/hub/plugins/{id}/sessions", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")), request_body = HubRunBody,
    responses((status = 200, body = HubSessionAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 503, description = "It is not connected", body = ErrorAnswer)))]
pub(crate) async fn run(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<HubRunBody>,
) -> Result<Json<HubSessionAnswer>, ApiError> {
    Ok(Json(app.hub.run(request(&app, &id, body).await?).await?.into()))
}

/// Looks at what a run would be without making it: config, classes, parameters and preset are checked as a run's are.
#[utoipa::path(post, path = "/api/v1/hub/plugins/{id}/check", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")), request_body = HubRunBody,
    responses((status = 200, body = HubRunCheck), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn check(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<HubRunBody>,
) -> Result<Json<HubRunCheck>, ApiError> {
    let request = request(&app, &id, body).await?;
    let live = app.hub.presence(request.plugin).is_some_and(|presence| presence.live);
    let session = app.hub.check_run(request).await?;
    Ok(Json(HubRunCheck {
        live,
        config: session.config,
        classes: session.classes.into_iter().map(|pair| (pair.model_class, pair.schema_id)).collect(),
        timeout_ms: session.timeout_ms,
    }))
}

/// What the body asks for, with what its preset says.
async fn request(app: &Here, id: &str, body: HubRunBody) -> Result<RunRequest, ApiError> {
    let plugin = app.plugin(id)?;
    let project = match &body.project {
        Some(word) => Some(app.project(word).await?),
        None => None,
    };
    let mut request = RunRequest {
        plugin: plugin.id,
        project: project.as_ref().map(|project| project.id),
        organization: app.organization(),
        run_by: app.user().id,
        cause: SessionCause::User,
        config: body.config.map(config_text),
        classes: class_pairs(body.classes, project.as_ref())?,
        parameters: body.parameters,
        timeout: body.timeout_ms.map(Duration::from_millis),
    };
    if let (Some(word), Some(project)) = (&body.preset, request.project) {
        let presets = app.hub.presets(project, Some(plugin.id)).await?;
        let found = presets.into_iter().find(|preset| preset.name == *word || preset.id.to_string() == *word);
        let preset = found.ok_or_else(|| {
            Error::not_found("preset-not-found", format!("the plugin has no preset `{word}` in this project"))
                .hint("`pegboard hub presets` lists them")
        })?;
        request.config = request.config.or(Some(preset.config));
        if request.classes.is_empty() {
            request.classes = preset.classes;
        }
        for (key, value) in preset.parameters {
            request.parameters.entry(key).or_insert(value);
        }
    }
    Ok(request)
}

/// Sessions, newest first.
#[utoipa::path(get, path = "/api/v1/hub/sessions", tag = "hub", params(SessionParameters), responses((status = 200, body = HubSessionList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    app: Here,
    Parameters(parameters): Parameters<SessionParameters>,
) -> Result<Json<HubSessionList>, ApiError> {
    let states =
        [SessionState::Queued, SessionState::Running, SessionState::Finished, SessionState::Failed, SessionState::Cancelled];
    let state = match &parameters.state {
        Some(word) => Some(states.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            Error::invalid("query", format!("`{word}` is no state of a session"))
                .hint("choose queued, running, finished, failed or cancelled")
        })?),
        None => None,
    };
    let project = match &parameters.project {
        Some(word) => Some(app.project(word).await?.id),
        None => None,
    };
    let limit = parameters.limit.unwrap_or(PAGE).clamp(1, 1000);
    let filter = SessionFilter {
        organization: Some(app.organization()),
        plugin: parameters.plugin.map(|word| app.plugin(&word)).transpose()?.map(|plugin| plugin.id),
        project,
        state,
        before: parameters.before.as_deref().map(str::parse).transpose()?,
        limit: limit + 1,
    };
    let mut sessions = app.hub.sessions(&filter).await?;
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    let next = sessions.last().filter(|_| more).map(|view| view.session.id.to_string());
    Ok(Json(HubSessionList { next, sessions: sessions.into_iter().map(HubSessionAnswer::from).collect() }))
}

/// One session.
#[utoipa::path(get, path = "/api/v1/hub/sessions/{id}", tag = "hub", params(("id" = String, Path, description = "Its id"), WaitParameters),
    responses((status = 200, body = HubSessionAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(
    app: Here,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<WaitParameters>,
) -> Result<Json<HubSessionAnswer>, ApiError> {
    let id: HubId = app.session(&id).await?.session.id;
    let view = match parameters.wait {
        Some(seconds) => {
            tokio::select! {
                view = app.hub.wait(id, Duration::from_secs(seconds).min(WAIT)) => view?,
                () = app.shutdown.begun() => app.hub.session(id).await?,
            }
        }
        None => app.hub.session(id).await?,
    };
    Ok(Json(view.into()))
}

/// Stops a session. The plugin is not told, because its clients know no such message: what it still answers is ignored.
#[utoipa::path(post, path = "/api/v1/hub/sessions/{id}/cancel", tag = "hub", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = HubSessionAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn cancel(app: Here, Path(id): Path<String>) -> Result<Json<HubSessionAnswer>, ApiError> {
    Ok(Json(app.hub.cancel(app.session(&id).await?.session.id).await?.into()))
}

/// Runs again what a session ran, as a new session.
#[utoipa::path(post, path = "/api/v1/hub/sessions/{id}/retry", tag = "hub", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = HubSessionAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn retry(app: Here, Path(id): Path<String>) -> Result<Json<HubSessionAnswer>, ApiError> {
    let id = app.session(&id).await?.session.id;
    Ok(Json(app.hub.retry(id, app.user().id).await?.into()))
}

/// What the plugin returned, as JSON; `null` when it returned nothing.
#[utoipa::path(get, path = "/api/v1/hub/sessions/{id}/result", tag = "hub", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn result(app: Here, Path(id): Path<String>) -> Result<Response, ApiError> {
    let view = app.session(&id).await?;
    let text = app.hub.result(&view.session).await?.unwrap_or(Bytes::from_static(b"null"));
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// A page of a session's log, oldest first: from the begin, or with `last` or `before` from the end.
#[utoipa::path(get, path = "/api/v1/hub/sessions/{id}/log", tag = "hub", params(("id" = String, Path, description = "Its id"), LogParameters),
    responses((status = 200, body = HubLogPage), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn log(
    app: Here,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<LogParameters>,
) -> Result<Json<HubLogPage>, ApiError> {
    let id: HubId = app.session(&id).await?.session.id;
    let (after, limit) = (parameters.after.unwrap_or(0), parameters.limit.unwrap_or(LINES).clamp(1, 10_000));
    if parameters.last || parameters.before.is_some() {
        return Ok(Json(end_of_log(&app, id, parameters.before, limit).await?));
    }
    let patience = Duration::from_secs(parameters.wait.unwrap_or(0)).min(WAIT);
    let waiting = async {
        loop {
            // Asked before the lines are read: what is over now has no lines behind those.
            let is_over = app.hub.session(id).await?.session.state.is_final();
            let lines = app.hub.session_log(id, after, limit).await?;
            if !lines.is_empty() || is_over {
                return Ok::<_, Error>((lines, is_over));
            }
            app.hub.next_change(id).await?;
        }
    };
    let (lines, is_over) = tokio::select! {
        biased;
        found = waiting => found?,
        () = tokio::time::sleep(patience) => (app.hub.session_log(id, after, limit).await?, false),
        () = app.shutdown.begun() => (Vec::new(), false),
    };
    let next = lines.last().map_or(after, |line| line.sequence);
    let over = is_over && lines.len() < limit;
    Ok(Json(HubLogPage { lines: lines.into_iter().map(Into::into).collect(), next, over, earlier: None }))
}

async fn end_of_log(app: &Here, id: HubId, before: Option<u64>, limit: usize) -> Result<HubLogPage, Error> {
    // Asked before the lines are read: what is over now has no lines behind those.
    let over = app.hub.session(id).await?.session.state.is_final() && before.is_none();
    // One more than asked for tells whether there are earlier ones.
    let mut lines = app.hub.session_log_end(id, before, limit + 1).await?;
    let is_more = lines.len() > limit;
    lines.drain(..usize::from(is_more));
    let earlier = lines.first().map(|line| line.sequence).filter(|_| is_more);
    let next = lines.last().map_or(0, |line| line.sequence);
    Ok(HubLogPage { lines: lines.into_iter().map(Into::into).collect(), next, over, earlier })
}
