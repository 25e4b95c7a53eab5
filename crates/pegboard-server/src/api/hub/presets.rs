//! Presets: saved settings of one plugin for one project.

use std::time::SystemTime;

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use pegboard_model::{Error, HubId, Preset};
use pegboard_store::Replaces;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::resources::expected;
use super::super::shape::{ErrorAnswer, HubPresetAnswer, HubPresetList};
use super::{class_pairs, config_text};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Whose presets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PresetParameters {
    /// Id or name of the project; left out: all projects, and `plugin` says which presets.
    project: Option<String>,
    /// Only those of this plugin: its id or name.
    plugin: Option<String>,
}

/// Presets of a project, of a plugin, or of both.
#[utoipa::path(get, path = "/api/v1/hub/presets", tag = "hub", params(PresetParameters), responses((status = 200, body = HubPresetList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    app: Here,
    Parameters(parameters): Parameters<PresetParameters>,
) -> Result<Json<HubPresetList>, ApiError> {
    let plugin = parameters.plugin.map(|word| app.plugin(&word)).transpose()?.map(|plugin| plugin.id);
    let presets = match (parameters.project, plugin) {
        (Some(word), plugin) => app.hub.presets(app.project(&word).await?.id, plugin).await?,
        (None, Some(plugin)) => app.hub.presets_of_plugin(app.organization(), plugin).await?,
        (None, None) => {
            return Err(Error::invalid("query", "neither a project nor a plugin is named")
                .hint("say `project`, `plugin` or both: presets belong to one plugin in one project")
                .into());
        }
    };
    Ok(Json(HubPresetList { presets: presets.into_iter().map(HubPresetAnswer::from).collect() }))
}

/// Stores a preset, in place of the one of that name for the same project and plugin. With `If-Match` only in place of the one with the id
/// that the header names, with `If-None-Match: *` only if there is none; else 409 `changed-meanwhile`.
#[utoipa::path(post, path = "/api/v1/hub/presets", tag = "hub",
    params(("If-Match" = Option<String>, Header, description = "The id of the preset that the client saw"), ("If-None-Match" = Option<String>, Header, description = "`*`: the client saw none")),
    request_body = HubPresetAnswer,
    responses((status = 200, body = HubPresetAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn put(
    app: Here,
    headers: HeaderMap,
    JsonBody(body): JsonBody<HubPresetAnswer>,
) -> Result<Json<HubPresetAnswer>, ApiError> {
    let replaces = match expected(&headers)? {
        Some(id) => Replaces::This(id),
        None if headers.contains_key(IF_NONE_MATCH) => Replaces::Nothing,
        None => Replaces::Anything,
    };
    let plugin = app.plugin(&body.plugin)?;
    let project = app.project(&body.project).await?;
    let preset = Preset {
        id: HubId::random(),
        project: project.id,
        plugin: plugin.id,
        name: body.name,
        config: if body.config.is_null() { plugin.default_config } else { config_text(body.config) },
        classes: class_pairs(body.classes, Some(&project))?,
        parameters: body.parameters,
        created_at: SystemTime::now().into(),
    };
    app.hub.put_preset(&preset, replaces).await?;
    Ok(Json(preset.into()))
}

/// Deletes a preset.
#[utoipa::path(delete, path = "/api/v1/hub/presets/{id}", tag = "hub", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn remove(app: Here, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let id: HubId = id.parse()?;
    if app.hub.delete_preset(app.organization(), id).await? {
        return Ok(Json(json!({ "deleted": id })));
    }
    Err(Error::not_found("preset-not-found", format!("there is no preset `{id}`"))
        .hint("`pegboard hub presets` lists those of a project")
        .into())
}
