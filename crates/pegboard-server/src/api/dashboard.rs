//! Plugin files of the dashboard: how they stand, and loading one again.

use axum::Json;
use axum::extract::{Path, State};
use pegboard_engine::Bounds;

use super::permissions;
use super::shape::{ErrorAnswer, PluginLimit};
use crate::app::App;
use crate::config::print_duration;
use crate::dashboard::{self, DashboardPlugin, DashboardPlugins};
use crate::error::ApiError;

/// The dashboard's plugin files with state, memory and last error.
#[utoipa::path(get, path = "/api/v1/dashboard/plugins", tag = "dashboard",
    responses((status = 200, description = "Every plugin file", body = DashboardPlugins)))]
pub(crate) async fn list(State(app): State<App>) -> Json<DashboardPlugins> {
    Json(dashboard::overview(&app).await)
}

/// One of the dashboard's plugin files.
#[utoipa::path(get, path = "/api/v1/dashboard/plugins/{id}", tag = "dashboard",
    params(("id" = String, Path, description = "Id of the file")),
    responses((status = 200, body = DashboardPlugin), (status = 404, description = "No such file", body = ErrorAnswer)))]
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<DashboardPlugin>, ApiError> {
    let found = dashboard::overview(&app).await.plugins.into_iter().find(|plugin| plugin.id == id);
    let mut plugin = found.ok_or_else(|| dashboard::no_such_file(&id))?;
    let name = dashboard::worker_name(&app, &id).unwrap_or_default();
    // It has one worker, and its callbacks a deadline of their own.
    let bounds = Bounds { workers: None, ..app.engine.bounds(&name) };
    let mut permissions = permissions::of(bounds, plugin.process_id).await;
    permissions.limits.push(PluginLimit {
        name: "time of a callback".to_owned(),
        setting: "dashboard.callback_deadline".to_owned(),
        value: Some(print_duration(app.settings.dashboard.callback_deadline)),
        enforced_by: Some("server".to_owned()),
        in_force: None,
    });
    plugin.permissions = Some(permissions);
    Ok(Json(plugin))
}

/// Loads a plugin file again, although it did not change. What is loaded goes on until the new one serves.
#[utoipa::path(post, path = "/api/v1/dashboard/plugins/{id}/reload", tag = "dashboard",
    params(("id" = String, Path, description = "Id of the file")),
    responses((status = 200, description = "It is being loaded", body = DashboardPlugins), (status = 404, description = "No such file", body = ErrorAnswer)))]
pub(crate) async fn reload(State(app): State<App>, Path(id): Path<String>) -> Result<Json<DashboardPlugins>, ApiError> {
    dashboard::reload(&app, &id)?;
    Ok(Json(dashboard::overview(&app).await))
}
