//! Records of remote plugins: made, changed, installed, listed.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use pegboard_hub::{PluginEdit, PluginScope};
use pegboard_model::{Error, PluginType, RemotePlugin};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::resources::expected;
use super::super::shape::{ErrorAnswer, HubPluginAnswer, HubPluginBody, HubPluginList, HubPluginMade};
use super::config_text;
use crate::access::Here;
use crate::api::permissions;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};
use crate::hub::hosting;

/// Plugins of a page when the client says nothing.
const PAGE: usize = 100;

/// Which plugins to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PluginParameters {
    /// `own` (the default), `installed`, `directory`, or `available` (all three).
    scope: Option<String>,
    /// Only plugins of this type, such as `batch-model`.
    #[serde(rename = "type")]
    plugin_type: Option<String>,
    /// Only plugins whose light is on, or off.
    live: Option<bool>,
    /// Only plugins with this in their name or description, in any case.
    search: Option<String>,
    /// Only plugins behind this one.
    after: Option<String>,
    /// At most so many, up to 1000.
    limit: Option<usize>,
}

/// Remote plugins by name.
#[utoipa::path(get, path = "/api/v1/hub/plugins", tag = "hub", params(PluginParameters), responses((status = 200, body = HubPluginList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    app: Here,
    Parameters(parameters): Parameters<PluginParameters>,
) -> Result<Json<HubPluginList>, ApiError> {
    let organization = app.organization();
    let scope = match parameters.scope.as_deref().unwrap_or("own") {
        "own" => PluginScope::Own(organization),
        "installed" => PluginScope::Installed(organization),
        "directory" => PluginScope::Directory(organization),
        "available" => PluginScope::Available(organization),
        other => {
            return Err(Error::invalid("query", format!("`{other}` is no scope of plugins"))
                .hint("choose own, installed, directory or available")
                .into());
        }
    };
    let after = parameters.after.as_deref().map(str::parse).transpose()?;
    let limit = parameters.limit.unwrap_or(PAGE).clamp(1, 1000);
    let wanted = Wanted {
        plugin_type: parameters.plugin_type.as_deref().map(str::parse).transpose()?,
        live: parameters.live,
        search: parameters.search.unwrap_or_default().trim().to_lowercase(),
    };
    let most = if wanted.is_all() { limit + 1 } else { usize::MAX };
    let mut found = app.hub.plugins(scope, after, most);
    found.retain(|plugin| wanted.is(&app, plugin));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|plugin| plugin.id.to_string());
    Ok(Json(HubPluginList { plugins: found.into_iter().map(|plugin| answer(&app, plugin)).collect(), next }))
}

/// What a list is narrowed to.
struct Wanted {
    plugin_type: Option<PluginType>,
    live: Option<bool>,
    /// In small letters.
    search: String,
}

impl Wanted {
    fn is_all(&self) -> bool {
        self.plugin_type.is_none() && self.live.is_none() && self.search.is_empty()
    }

    fn is(&self, app: &Here, plugin: &RemotePlugin) -> bool {
        self.plugin_type.is_none_or(|wanted| wanted == plugin.plugin_type)
            && (self.search.is_empty()
                || plugin.name.to_lowercase().contains(&self.search)
                || plugin.description.to_lowercase().contains(&self.search))
            && self.live.is_none_or(|wanted| app.hub.presence(plugin.id).is_some_and(|presence| presence.live) == wanted)
    }
}

/// One remote plugin with its light, by id or name.
#[utoipa::path(get, path = "/api/v1/hub/plugins/{id}", tag = "hub", params(("id" = String, Path, description = "Its id, or its name")),
    responses((status = 200, body = HubPluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(app: Here, Path(id): Path<String>) -> Result<Json<HubPluginAnswer>, ApiError> {
    let plugin = app.plugin(&id)?;
    let (id, is_own) = (plugin.id, plugin.organization == app.organization());
    let mut answer = answer(&app, plugin);
    if let Some(hosted) = answer.hosted.as_ref().filter(|_| is_own) {
        let variables = hosting::variables(&app, id)();
        let bounds = app.engine.script_bounds(&id.to_string(), &variables);
        answer.permissions = Some(permissions::of(bounds, hosted.process_id).await);
    }
    Ok(Json(answer))
}

/// Makes a remote plugin and installs it. The answer has its secret, which is told this once.
#[utoipa::path(post, path = "/api/v1/hub/plugins", tag = "hub", request_body = HubPluginBody,
    responses((status = 200, body = HubPluginMade), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn create(
    app: Here,
    headers: HeaderMap,
    JsonBody(body): JsonBody<HubPluginBody>,
) -> Result<Json<HubPluginMade>, ApiError> {
    let plugin_type = body.plugin_type.as_deref().ok_or_else(|| {
        Error::invalid("plugin-type", "the plugin's type is missing")
            .hint("choose export, model, batch-model, file-explorer, markdown-generator or input")
    })?;
    let organization = app.organization();
    let (plugin, secret) = app.hub.create_plugin(organization, plugin_type.parse()?, edit(body)).await?;
    tracing::info!(plugin.id = %plugin.id, "remote plugin `{}` made", plugin.name);
    Ok(Json(made(&app, plugin, secret, &headers)))
}

/// Changes a remote plugin's record. What the body does not say stays. With `If-Match` only when it still is the version that the header
/// names, an answer's `updated_at`; else 409 `changed-meanwhile`.
#[utoipa::path(put, path = "/api/v1/hub/plugins/{id}", tag = "hub",
    params(("id" = String, Path, description = "Its id, or its name"), ("If-Match" = Option<String>, Header, description = "The version that the client saw")),
    request_body = HubPluginBody,
    responses((status = 200, body = HubPluginAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn update(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<HubPluginBody>,
) -> Result<Json<HubPluginAnswer>, ApiError> {
    if body.plugin_type.is_some() {
        return Err(Error::invalid("plugin-type", "the type of a plugin does not change").hint("make another plugin").into());
    }
    let id = app.own_plugin(&id)?.id;
    let plugin = app.hub.edit_plugin(id, edit(body), expected(&headers)?).await?;
    Ok(Json(answer(&app, plugin)))
}

/// Deletes a remote plugin. Its sessions that are under way fail; those that are over stay.
#[utoipa::path(delete, path = "/api/v1/hub/plugins/{id}", tag = "hub", params(("id" = String, Path, description = "Its id, or its name")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn remove(app: Here, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let plugin = app.own_plugin(&id)?;
    hosting::forget(&app, plugin.id).await?;
    app.hub.delete_plugin(plugin.id).await?;
    tracing::info!(plugin.id = %plugin.id, "remote plugin `{}` deleted", plugin.name);
    Ok(Json(json!({ "deleted": plugin.id })))
}

/// Gives a remote plugin a new secret, told this once. Who is connected with the old one gets no runs from its next beat on.
#[utoipa::path(post, path = "/api/v1/hub/plugins/{id}/secret", tag = "hub", params(("id" = String, Path, description = "Its id, or its name")),
    responses((status = 200, body = HubPluginMade), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn rotate(app: Here, Path(id): Path<String>, headers: HeaderMap) -> Result<Json<HubPluginMade>, ApiError> {
    let id = app.own_plugin(&id)?.id;
    let (plugin, secret) = app.hub.rotate_secret(id).await?;
    tracing::info!(plugin.id = %id, "remote plugin `{}` has a new secret", plugin.name);
    hosting::restart(&app, id).await?;
    Ok(Json(made(&app, plugin, secret, &headers)))
}

/// Installs a remote plugin of the directory in the organization.
#[utoipa::path(post, path = "/api/v1/hub/plugins/{id}/install", tag = "hub", params(("id" = String, Path, description = "Its id, or its name")),
    responses((status = 200, body = HubPluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn install(app: Here, Path(id): Path<String>) -> Result<Json<HubPluginAnswer>, ApiError> {
    let id = app.plugin(&id)?.id;
    let plugin = app.hub.install_plugin(app.organization(), id).await?;
    Ok(Json(answer(&app, plugin)))
}

/// Takes a remote plugin out of the organization. Its record stays.
#[utoipa::path(delete, path = "/api/v1/hub/plugins/{id}/install", tag = "hub", params(("id" = String, Path, description = "Its id, or its name")),
    responses((status = 200, body = HubPluginAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn uninstall(app: Here, Path(id): Path<String>) -> Result<Json<HubPluginAnswer>, ApiError> {
    let plugin = app.plugin(&id)?;
    if !app.hub.remove_plugin(app.organization(), plugin.id).await? {
        return Err(Error::not_found("plugin-not-installed", format!("plugin `{}` is not installed", plugin.name)).into());
    }
    Ok(Json(answer(&app, plugin)))
}

pub(super) fn answer(app: &Here, plugin: RemotePlugin) -> HubPluginAnswer {
    let presence = app.hub.presence(plugin.id);
    let installed = app.hub.is_installed(app.organization(), plugin.id);
    let hosted = super::hosting::hosted(app, &plugin.id.to_string());
    HubPluginAnswer { hosted, ..HubPluginAnswer::new(plugin, presence, installed) }
}

fn made(app: &Here, plugin: RemotePlugin, secret: String, headers: &HeaderMap) -> HubPluginMade {
    let scripts = super::scripts::of(app, &plugin, Some(&secret), headers);
    HubPluginMade { secret, scripts, plugin: answer(app, plugin) }
}

fn edit(body: HubPluginBody) -> PluginEdit {
    PluginEdit {
        name: body.name,
        description: body.description,
        details: body.details,
        banner_url: body.banner_url,
        class_names: body.class_names,
        public: body.public,
        listed: body.listed,
        default_config: body.default_config.map(config_text),
        config_schema: body.config_schema.map(|schema| if schema == Value::Bool(false) { Value::Null } else { schema }),
        rest_url: body.rest_url,
        sessions: body.sessions,
        tasks: body.tasks,
        timeout: body.timeout_ms.map(Duration::from_millis),
        old_export: body.old_export,
    }
}
