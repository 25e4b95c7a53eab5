//! Hosted plugins: a script that this server runs itself.

use axum::Json;
use axum::extract::Path;
use pegboard_model::{Error, Script};
use serde::Deserialize;

use super::super::shape::{ErrorAnswer, HubHostBody, HubHostLog, HubHosted, HubPluginAnswer};
use super::plugins::answer;
use crate::access::Here;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};
use crate::hub::hosting;

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HostLogParameters {
    /// At most so many, the newest.
    limit: Option<usize>,
}

/// Runs a plugin's script here, in an environment of its own and for as long as the server runs. Takes the place of the one before.
#[utoipa::path(put, path = "/api/v1/hub/plugins/{id}/host", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")), request_body = HubHostBody,
    responses((status = 200, body = HubPluginAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn host(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<HubHostBody>,
) -> Result<Json<HubPluginAnswer>, ApiError> {
    let plugin = app.own_plugin(&id)?;
    let script = Script { file_name: body.file_name, text: body.script, requirements: body.requirements };
    app.engine.scripts().host(&plugin.id.to_string(), script, hosting::variables(&app, plugin.id)).await?;
    tracing::info!(plugin.id = %plugin.id, "remote plugin `{}` is hosted", plugin.name);
    Ok(Json(answer(&app, plugin)))
}

/// Ends a plugin's script and forgets it.
#[utoipa::path(delete, path = "/api/v1/hub/plugins/{id}/host", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")),
    responses((status = 200, body = HubPluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn unhost(app: Here, Path(id): Path<String>) -> Result<Json<HubPluginAnswer>, ApiError> {
    let plugin = app.own_plugin(&id)?;
    if !hosting::forget(&app, plugin.id).await? {
        return Err(not_hosted(&plugin.name).into());
    }
    tracing::info!(plugin.id = %plugin.id, "remote plugin `{}` is no longer hosted", plugin.name);
    Ok(Json(answer(&app, plugin)))
}

/// Starts a plugin's script anew.
#[utoipa::path(post, path = "/api/v1/hub/plugins/{id}/host/restart", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")),
    responses((status = 200, body = HubPluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn restart(app: Here, Path(id): Path<String>) -> Result<Json<HubPluginAnswer>, ApiError> {
    let plugin = app.own_plugin(&id)?;
    if app.engine.scripts().status(&plugin.id.to_string()).is_none() {
        return Err(not_hosted(&plugin.name).into());
    }
    hosting::restart(&app, plugin.id).await?;
    Ok(Json(answer(&app, plugin)))
}

/// What a plugin's script printed last, and what happened to it.
#[utoipa::path(get, path = "/api/v1/hub/plugins/{id}/host/log", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name"), HostLogParameters),
    responses((status = 200, body = HubHostLog), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn log(
    app: Here,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<HostLogParameters>,
) -> Result<Json<HubHostLog>, ApiError> {
    let plugin = app.own_plugin(&id)?;
    let key = plugin.id.to_string();
    let hosted = hosted(&app, &key).ok_or_else(|| not_hosted(&plugin.name))?;
    let mut lines = app.engine.scripts().lines(&key);
    if let Some(surplus) = parameters.limit.and_then(|limit| lines.len().checked_sub(limit)) {
        lines.drain(..surplus);
    }
    // A script may print its own surroundings.
    let secret = app.hub.secret(plugin.id).unwrap_or_default();
    if !secret.is_empty() {
        lines
            .iter_mut()
            .filter(|line| line.text.contains(&secret))
            .for_each(|line| line.text = line.text.replace(&secret, "***"));
    }
    Ok(Json(HubHostLog::new(hosted, lines)))
}

/// How the script is, when there is one.
pub(super) fn hosted(app: &App, key: &str) -> Option<HubHosted> {
    app.engine.scripts().status(key).map(HubHosted::from)
}

fn not_hosted(name: &str) -> Error {
    Error::not_found("script-not-found", format!("plugin `{name}` is not hosted here"))
        .hint("host it with `pegboard hub host PLUGIN SCRIPT`")
}
