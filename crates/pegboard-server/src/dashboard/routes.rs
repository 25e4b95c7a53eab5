//! The dashboard's URLs.

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect, Response};
use pegboard_model::Error;
use serde_json::json;

use super::update::{as_json, update};
use super::{Site, events, index, pages, suites, theme};
use crate::access::{Access, Routes, get, post};
use crate::app::App;
use crate::error::ApiError;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/ui/dash", get(|| async { Redirect::permanent(super::PREFIX) }))
        .route("/ui/dash/", get(index::index))
        .route("/ui/dash/_dash-layout", get(index::layout))
        .route("/ui/dash/_dash-dependencies", get(index::dependencies))
        .route("/ui/dash/_dash-update-component", post(update).get(index::index).needs(Access::Viewer))
        .route("/ui/dash/_dash-component-suites/{package}/{*path}", get(suites::suite))
        .route("/ui/dash/_favicon.ico", get(icon))
        .route("/ui/dash/_reload-hash", get(index::reload_hash))
        .route("/ui/dash/_events", get(events::events))
        .route("/ui/dash/_panels/{key}", get(panel))
        .route("/ui/dash/assets/{*path}", get(suites::asset))
        .route("/ui/dash/themes/{name}", get(theme::own))
        .route("/ui/dash/custom.css", get(theme::custom))
        .route("/ui/dash/health", get(|| async { "ok" }))
        .route("/ui/dash/{*path}", get(index::index))
        .of_the_server()
}

async fn icon() -> Response {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, include_str!("../../assets/ui/icon.svg")).into_response()
}

/// One panel as it is now, for a page that has an older one.
async fn panel(State(app): State<App>, Path(key): Path<String>) -> Result<Response, ApiError> {
    let missing = || Error::not_found("panel-not-found", format!("there is no panel `{key}`"));
    let site = app.dashboard.site().ok_or_else(missing)?;
    let panel = site.panel(&key).ok_or_else(missing)?;
    let body = json!({
        "wrapper": panel.wrapper(),
        "layout": panel.panel.layout,
        "notice": panel.trouble(),
        "edition": panel.edition,
    });
    Ok(as_json(body.to_string()))
}

/// Where a path leads that a plugin wrote as if the dashboard were all there is.
pub(crate) fn by_plain_path(site: &Site, path: &str) -> Option<String> {
    let is_ours = super::artifacts::PAGES.iter().any(|page| page.path == path);
    let is_asset = path.starts_with("/assets/plugins/");
    (is_ours || is_asset || pages::find(site, path).is_some()).then(|| pages::address(path))
}
