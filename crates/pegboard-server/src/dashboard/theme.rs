//! Style sheets: Bootstrap's, ours, and a theme's own.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;

use super::call::{cookies, theme};
use super::compressed;
use crate::app::App;
use crate::error::{ApiError, NOT_MODIFIED};

/// Name, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("bootstrap.css", "text/css; charset=utf-8", include_str!("../../assets/dashboard/bootstrap.min.css")),
    ("dashboard.css", "text/css; charset=utf-8", include_str!("../../assets/dashboard/dashboard.css")),
    ("dashboard.js", "text/javascript; charset=utf-8", include_str!("../../assets/dashboard/dashboard.js")),
];

/// A file that is part of this program.
pub(crate) async fn own(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    // What themes name: all of them are Bootstrap here, light or dark by an attribute.
    let wanted = if name.ends_with(".css") && name != "dashboard.css" { "bootstrap.css" } else { name.as_str() };
    let Some((_, media_type, text)) = FILES.iter().find(|(known, ..)| *known == wanted) else {
        return Err(Error::not_found("route-not-found", format!("there is no file `{name}`")).into());
    };
    let is_packed = compressed::is_wanted(&headers, media_type, text.len() as u64);
    let tag = format!("\"{}{}\"", &blake3::hash(text.as_bytes()).to_hex()[..16], if is_packed { "-gz" } else { "" });
    let cached = headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let headers = [
        (CONTENT_TYPE, (*media_type).to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, tag.clone()),
        (VARY, "accept-encoding".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if cached {
        return Ok((NOT_MODIFIED, headers).into_response());
    }
    if is_packed && let Some(packed) = compressed::copy(&app, &tag, || Ok(text.as_bytes().to_vec())).await {
        return Ok((headers, [(CONTENT_ENCODING, "gzip")], packed).into_response());
    }
    Ok((headers, *text).into_response())
}

/// The style sheet that the viewer's theme brings, if it brings one.
pub(crate) async fn custom(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let cookies = cookies(&headers);
    let path = app.dashboard.site().and_then(|site| {
        let name = site.theme(theme(&cookies)).to_owned();
        site.environment.themes.iter().find(|theme| theme.name == name).and_then(|theme| theme.custom_css.clone())
    });
    let text = match path {
        Some(path) => tokio::fs::read_to_string(&path).await.unwrap_or_default(),
        None => String::new(),
    };
    Ok(([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], text).into_response())
}
