//! The page that starts Dash's renderer in the browser.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::call::{cookies, theme};
use super::pages::address;
use super::suites::link;
use super::update::as_json;
use super::{PREFIX, Phase, Site};
use crate::app::App;
use crate::error::ApiError;
use crate::ui::{self, Viewer};

/// Before the first paint: what was chosen in this browser counts.
const REMEMBER: &str = r#"try { const chosen = localStorage.getItem("wb_theme");
if (chosen) { document.cookie = "wb_theme=" + chosen + "; path=/; max-age=31536000; samesite=lax"; } } catch (error) { /* no storage */ }"#;
const START: &str = "var renderer = new DashRenderer();";

/// Every page of the dashboard.
pub(crate) async fn index(State(app): State<App>, headers: HeaderMap, extensions: Extensions) -> Result<Response, ApiError> {
    let (cookies, viewer) = (cookies(&headers), Viewer::of(&extensions));
    let Some(site) = app.dashboard.site() else { return waiting(&app, &viewer, &headers) };
    let shell = ui::shell(&app, "inspect", &viewer, &headers)?;
    let text = page(&site, site.theme(theme(&cookies)), &shell);
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")], text).into_response())
}

/// `GET _dash-layout`.
pub(crate) async fn layout(State(app): State<App>, headers: HeaderMap) -> Response {
    let cookies = cookies(&headers);
    match app.dashboard.site() {
        Some(site) => as_json(site.layout(site.theme(theme(&cookies)))),
        None => as_json("{}"),
    }
}

/// `GET _dash-dependencies`.
pub(crate) async fn dependencies(State(app): State<App>) -> Response {
    as_json(app.dashboard.site().map_or_else(|| "[]".into(), |site| site.dependencies.clone()))
}

/// `GET _reload-hash`.
pub(crate) async fn reload_hash(State(app): State<App>) -> Response {
    let packages: Vec<String> =
        app.dashboard.site().map(|site| site.environment.files.keys().cloned().collect()).unwrap_or_default();
    as_json(json!({ "files": [], "hard": false, "packages": packages, "reloadHash": null }).to_string())
}

fn page(site: &Site, theme: &str, (links, shell): &(String, String)) -> String {
    let is_dark = site.environment.themes.iter().find(|one| one.name == theme).is_none_or(|theme| theme.dark);
    let bs_theme = if is_dark { "dark" } else { "light" };
    let mut head = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" data-bs-theme=\"{bs_theme}\" data-theme=\"{theme}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Dashboard</title>\n{links}"
    );
    let _ = writeln!(head, "<link rel=\"stylesheet\" href=\"{PREFIX}themes/dashboard.css\">");
    for (package, path) in &site.environment.styles {
        let _ = writeln!(head, "<link rel=\"stylesheet\" href=\"{}\">", escape(&link(site, package, path)));
    }
    let _ = writeln!(head, "<link rel=\"stylesheet\" href=\"{PREFIX}custom.css\">");
    for asset in site.assets.iter().filter(|asset| asset.is_style()) {
        let _ = writeln!(head, "<link rel=\"stylesheet\" href=\"{}\">", asset_link(&asset.name, asset.modified));
    }
    let dark: Vec<&str> = site.environment.themes.iter().filter(|theme| theme.dark).map(|theme| theme.name.as_str()).collect();
    let dark = safe(&json!(dark));
    let _ = write!(
        head,
        "<script>{REMEMBER}</script>\n</head>\n<body>\n{shell}<div id=\"toasts\" class=\"toasts\" role=\"status\" aria-live=\"polite\"></div>\n<div id=\"react-entry-point\"><div class=\"_dash-loading\">Loading…</div></div>\n<footer>\n<script>window.pegboardDarkThemes = {dark};</script>\n<script id=\"_dash-config\" type=\"application/json\">{}</script>\n",
        safe(&config(site))
    );
    let mut script = |url: String| {
        let _ = writeln!(head, "<script src=\"{}\"></script>", escape(&url));
    };
    let scripts = &site.environment;
    for (package, path) in scripts.before.iter().chain(&scripts.libraries) {
        script(link(site, package, path));
    }
    script(format!("{PREFIX}themes/dashboard.js"));
    for asset in site.assets.iter().filter(|asset| asset.is_script()) {
        script(asset_link(&asset.name, asset.modified));
    }
    for (package, path) in &scripts.after {
        script(link(site, package, path));
    }
    for inline in &site.inline_scripts {
        let _ = writeln!(head, "<script>{}</script>", inline.source.replace("</", "<\\/"));
    }
    let _ = write!(
        head,
        "<script id=\"_dash-renderer\" type=\"application/javascript\">{START}</script>\n</footer>\n</body>\n</html>\n"
    );
    head
}

fn config(site: &Site) -> Json {
    let version = |name: &str| site.environment.versions.get(name).cloned().flatten();
    json!({
        "url_base_pathname": null,
        "requests_pathname_prefix": PREFIX,
        "ui": false,
        "props_check": false,
        "disable_version_check": true,
        "show_undo_redo": false,
        "suppress_callback_exceptions": true,
        "update_title": "Updating...",
        "children_props": site.environment.children_props,
        "serve_locally": true,
        "dash_version": version("dash"),
        "python_version": version("python"),
        "plotly_version": version("plotly"),
        "dash_version_url": null,
        "ddk_version": null,
        "validate_callbacks": false,
        "csrf_token_name": "_csrf_token",
        "csrf_header_name": "X-CSRFToken",
        "plotly_cloud_installed": false,
    })
}

fn asset_link(name: &str, modified: u64) -> String {
    escape(&format!("{}?m={modified}", address(&format!("/assets/plugins/{name}"))))
}

/// JSON that no script element can be ended by.
fn safe(value: &Json) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('/', "\\u002f")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Until there is a site.
fn waiting(app: &App, viewer: &Viewer, headers: &HeaderMap) -> Result<Response, ApiError> {
    let failure = match app.dashboard.phase() {
        Phase::Failed(error) => {
            json!({ "code": error.code, "message": error.message, "hint": error.hint, "detail": error.detail })
        }
        _ => Json::Null,
    };
    ui::page_with(app, "dashboard-waiting.html", "inspect", viewer, headers, "failure", failure)
}
