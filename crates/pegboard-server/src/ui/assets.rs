//! The script, the style sheet and the icon, embedded.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;

use crate::error::{ApiError, NOT_MODIFIED};

/// Name, media type, content.
const ASSETS: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", include_str!("../../assets/style.css")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("../../assets/live.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
];

/// Changes with every build of another version; within one a browser asks each time and gets 304.
const TAG: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");

pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some((_, media_type, text)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return Err(Error::not_found("route-not-found", format!("there is no file `{name}`")).into());
    };
    let cached = !cfg!(debug_assertions) && headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == TAG);
    let headers = [(CONTENT_TYPE, *media_type), (CACHE_CONTROL, "no-cache"), (ETAG, TAG), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok(if cached { (NOT_MODIFIED, headers).into_response() } else { (headers, *text).into_response() })
}
