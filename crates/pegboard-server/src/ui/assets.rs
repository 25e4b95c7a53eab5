//! Style sheets, scripts and pictures of the pages, embedded. A page names them with a digest of what they hold, so a browser keeps
//! them for good and still has new ones at once.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;
use rust_embed::RustEmbed;

use crate::error::{ApiError, NOT_MODIFIED};

#[derive(RustEmbed)]
#[folder = "assets/ui/"]
struct Files;

/// Shared with the dashboard's pages.
const BOOTSTRAP: &[u8] = include_bytes!("../../assets/dashboard/bootstrap.min.css");

const FOREVER: &str = "public, max-age=31536000, immutable";

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn find(name: &str) -> Option<Cow<'static, [u8]>> {
    if name == "bootstrap.css" {
        return Some(BOOTSTRAP.into());
    }
    if cfg!(debug_assertions) && !name.contains(['/', '\\']) {
        // What is being worked on is shown as it is now.
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/ui").join(name);
        if let Ok(data) = std::fs::read(place) {
            return Some(data.into());
        }
    }
    Files::get(name).map(|file| file.data)
}

fn digest(data: &[u8]) -> String {
    blake3::hash(data).to_hex()[..12].to_owned()
}

/// Where a page finds a file: its path with the digest of its content. A name that is not known stays as it is.
pub(super) fn link(name: &str) -> String {
    match find(name) {
        Some(data) => format!("/ui/assets/{name}?v={}", digest(&data)),
        None => format!("/ui/assets/{name}"),
    }
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some(data) = find(&name) else {
        return Err(Error::not_found("route-not-found", format!("there is no file `{name}`")).into());
    };
    let tag = format!("\"{}\"", digest(&data));
    let cached = headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let headers = [
        (CONTENT_TYPE, media_type(&name).to_owned()),
        (CACHE_CONTROL, FOREVER.to_owned()),
        (ETAG, tag),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok(if cached { (NOT_MODIFIED, headers).into_response() } else { (headers, data.into_owned()).into_response() })
}
