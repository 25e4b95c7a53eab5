//! Scripts of component libraries, from the environment's own packages, and assets of plugins.
//!
//! Invariant: only files that the environment has named, or that lie in an `assets` folder, are served.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;

use super::site::Site;
use super::{PREFIX, compressed};
use crate::app::App;
use crate::error::{ApiError, NOT_MODIFIED};

/// A year.
const FOR_EVER: &str = "max-age=31536000";

/// URL of a package's file, with a fingerprint.
pub(crate) fn link(site: &Site, package: &str, path: &str) -> String {
    let file = site.environment.files.get(package).and_then(|files| files.get(path));
    let Some(file) = file else { return format!("{PREFIX}_dash-component-suites/{package}/{path}") };
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let version: String = file.version.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{PREFIX}_dash-component-suites/{package}/{folder}{slash}{first}.v{version}m{}.{rest}", file.modified)
}

/// The path without its fingerprint, and whether it had one.
fn without_fingerprint(path: &str) -> (String, bool) {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let pieces: Vec<&str> = name.split('.').collect();
    let is_print = |piece: &str| {
        let Some((version, time)) = piece.strip_prefix('v').and_then(|rest| rest.rsplit_once('m')) else { return false };
        let is_word = version.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) && !version.is_empty();
        is_word && !time.is_empty() && time.chars().all(|c| c.is_ascii_hexdigit())
    };
    if pieces.len() <= 2 || !is_print(pieces[1]) {
        return (path.to_owned(), false);
    }
    let name = [&pieces[..1], &pieces[2..]].concat().join(".");
    (if folder.is_empty() { name } else { format!("{folder}/{name}") }, true)
}

/// `GET _dash-component-suites/{package}/{path}`.
pub(crate) async fn suite(
    State(app): State<App>,
    Path((package, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let missing = || Error::not_found("route-not-found", format!("package `{package}` has no file `{path}` for browsers"));
    let site = app.dashboard.site().ok_or_else(missing)?;
    let (plain, is_fixed) = without_fingerprint(&path);
    let files = site.environment.files.get(&package).ok_or_else(missing)?;
    let file = files.get(&plain).or_else(|| files.get(&path)).ok_or_else(missing)?;
    let caching = if is_fixed { FOR_EVER } else { "no-cache" };
    let served = Served { path: &file.path, bytes: file.bytes, modified: file.modified, caching, is_kept: true };
    serve(&app, &plain, served, &headers).await
}

/// `GET assets/{path}`.
pub(crate) async fn asset(State(app): State<App>, Path(path): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let missing = || Error::not_found("route-not-found", format!("no plugin has an asset `{path}`"));
    let site = app.dashboard.site().ok_or_else(missing)?;
    let name = path.strip_prefix("plugins/").unwrap_or(&path);
    let asset = site.assets.iter().find(|asset| asset.name == name).ok_or_else(missing)?;
    // It changes too often to keep compressed copies of it.
    let served = Served { path: &asset.path, bytes: asset.bytes, modified: asset.modified, caching: "no-cache", is_kept: false };
    serve(&app, name, served, &headers).await
}

/// A file, and how it is served.
struct Served<'a> {
    path: &'a std::path::Path,
    bytes: u64,
    /// Seconds.
    modified: u64,
    caching: &'a str,
    /// A compressed copy of it is kept.
    is_kept: bool,
}

async fn serve(app: &App, name: &str, served: Served<'_>, headers: &HeaderMap) -> Result<Response, ApiError> {
    let Served { path, bytes, modified, caching, is_kept } = served;
    let is_packed = is_kept && compressed::is_wanted(headers, media_type(name), bytes);
    let tag = format!("\"{bytes:x}-{modified:x}{}\"", if is_packed { "-gz" } else { "" });
    let common = [
        (CACHE_CONTROL, caching.to_owned()),
        (ETAG, tag.clone()),
        (CONTENT_TYPE, media_type(name).to_owned()),
        (VARY, "accept-encoding".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.to_str().is_ok_and(|known| known.contains(&tag))) {
        return Ok((NOT_MODIFIED, common).into_response());
    }
    if is_packed {
        let source = path.to_owned();
        let key = format!("{} {tag}", path.display());
        if let Some(packed) = compressed::copy(app, &key, move || std::fs::read(source)).await {
            return Ok((common, [(CONTENT_ENCODING, "gzip")], packed).into_response());
        }
    }
    let content = tokio::fs::read(path).await.map_err(|error| {
        Error::not_found("route-not-found", format!("`{name}` cannot be read: {error}")).hint("reload the page")
    })?;
    Ok((common, content).into_response())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("wasm") => "application/wasm",
        Some("txt" | "md" | "csv") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_come_off() {
        for (path, plain, is_fixed) in [
            ("deps/react@18.v4_2_0m1795197578.3.1.min.js", "deps/react@18.3.1.min.js", true),
            ("dcc/async-graph.js", "dcc/async-graph.js", false),
            ("dash_ag_grid.v35_2_0m17.min.js", "dash_ag_grid.min.js", true),
            ("a.versatile.js", "a.versatile.js", false),
            ("a.vm1.js", "a.vm1.js", false),
        ] {
            assert_eq!(without_fingerprint(path), (plain.to_owned(), is_fixed), "{path}");
        }
    }
}
