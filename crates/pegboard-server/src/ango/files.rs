//! Our own files: links to put and to get them, and the bytes themselves. A file's link is its key; no other is asked for.
//! Nothing is ever unpacked: an archive stays the file that it is.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use pegboard_hub::labelling::FileKind;
use pegboard_hub::labelling::links::{FilePlace, LinkVerb};
use pegboard_model::{Error, HubId};
use serde_json::{Value, json};

use super::answer::{Answer, Refused, success};
use super::asked::Asked;
use crate::app::App;
use crate::error::ApiError;

/// Types that a browser may show; everything else is downloaded, and nothing of it is run.
const SHOWN: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("bmp", "image/bmp"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain; charset=utf-8"),
    ("json", "application/json"),
    ("zip", "application/zip"),
];

/// A link to put a file.
pub(super) async fn upload_url(asked: Asked) -> Answer {
    asked.caller.may_change()?;
    let name = asked.query.text("name").ok_or_else(|| Error::invalid("query", "the parameter `name` is missing"))?;
    let (owner, kind) = owner(&asked, name).await?;
    let (_, link) = place_and_link(&asked.app, &asked.base, owner, kind, name)?;
    success(json!({ "uploadUrl": link }))
}

/// A new place for a file, and the link to put it.
pub(crate) fn place_and_link(
    app: &App,
    base: &str,
    owner: HubId,
    kind: FileKind,
    name: &str,
) -> Result<(FilePlace, String), Error> {
    let place = FilePlace::new(owner, kind, name)?;
    let link = app.labelling.link(base, &place, LinkVerb::Write);
    Ok((place, link))
}

/// A link to get a file. It is asked for before the file is there, so it is not looked for.
pub(super) async fn signed_url(asked: Asked) -> Answer {
    let url = asked.query.text("name").or(asked.query.text("url"));
    let url = url.ok_or_else(|| Error::invalid("query", "the parameter `name` is missing"))?;
    let place = asked.app.labelling.own(&asked.base, url);
    let Some(place) = place else {
        // A file elsewhere: what could sign it is its storage, and a public one needs no signature.
        return success(json!({ "signedUrl": url }));
    };
    if place.owner() != asked.organization().to_string() {
        asked.project(place.owner()).await?;
    }
    success(json!({ "signedUrl": asked.app.labelling.link(&asked.base, &place, LinkVerb::Read) }))
}

/// Whose file it will be, and what for. Old clients say the project in the name, or not at all.
async fn owner(asked: &Asked, name: &str) -> Result<(HubId, FileKind), Refused> {
    let parts: Vec<&str> = name.split('/').collect();
    let in_name = match parts[..] {
        [project, kind, _] if project.parse::<HubId>().is_ok() => FileKind::asked(kind).map(|kind| (project, kind)),
        _ => None,
    };
    let kind = match asked.query.text("type") {
        None => in_name.map_or(FileKind::Asset, |(_, kind)| kind),
        Some(word) => FileKind::asked(word).ok_or_else(|| {
            Error::invalid("file-type", format!("`{word}` is not a type of file"))
                .hint("one of assets, brushes, medicalBrushes, exports, instructions and segmentationModels")
        })?,
    };
    match asked.query.text("project").or(in_name.map(|(project, _)| project)) {
        Some(project) => Ok((asked.project(project).await?.id, kind)),
        None => match asked.caller.project {
            Some(only) => Ok((only, kind)),
            None => Ok((asked.organization(), kind)),
        },
    }
}

/// Puts a file. The body goes to the store as it comes.
pub(super) async fn write(State(app): State<App>, Path(_): Path<String>, request: Request) -> Result<Response, ApiError> {
    let place = allowed(&app, request.uri(), LinkVerb::Write)?;
    let limit = app.settings.server.upload_limit as u64;
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit).into());
    }
    take(&app, &place, request.into_body()).await?;
    Ok(Json::<Value>(json!({ "status": "success" })).into_response())
}

/// Takes a body into the store, up to the limit; how long it was.
pub(crate) async fn take(app: &App, place: &FilePlace, body: Body) -> Result<u64, Error> {
    let limit = app.settings.server.upload_limit as u64;
    let mut object = app.store.write_object(&place.key()).await?;
    let (mut pieces, mut length) = (body.into_data_stream(), 0_u64);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Error::invalid("body", "the request's body broke off"))?;
        length += piece.len() as u64;
        if length > limit {
            return Err(too_large(limit));
        }
        object.write(piece).await?;
    }
    object.finish().await?;
    Ok(length)
}

/// Gets a file.
pub(super) async fn read(State(app): State<App>, Path(_): Path<String>, uri: Uri) -> Result<Response, ApiError> {
    let place = allowed(&app, &uri, LinkVerb::Read)?;
    let Some((length, pieces)) = app.store.read_object(&place.key()).await? else {
        return Err(Error::not_found("file-not-found", format!("the file `{}` is not there, or not yet", place.name())).into());
    };
    let ending = place.name().rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let shown = SHOWN.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind);
    let mut response = Body::from_stream(pieces).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_LENGTH, length.into());
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or("application/octet-stream")));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if shown.is_none() || ending == "zip" {
        let plain: String =
            place.name().chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect();
        if let Ok(value) = format!("attachment; filename=\"{plain}\"").parse() {
            answer.insert(CONTENT_DISPOSITION, value);
        }
    }
    Ok(response)
}

/// The place that the URL names, when its link allows this.
fn allowed(app: &App, uri: &Uri, verb: LinkVerb) -> Result<FilePlace, Error> {
    let refused = || Error::invalid("file-link", "this link to a file is wrong or over").hint("ask for a new one");
    let path = uri.path().strip_prefix("/files/").ok_or_else(refused)?;
    let place = FilePlace::from_path(path).ok_or_else(refused)?;
    let wanted = format!("{}=", verb.parameter());
    let value = uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix(wanted.as_str()));
    if value.is_some_and(|value| app.labelling.allows(&place, verb, value)) { Ok(place) } else { Err(refused()) }
}

fn too_large(limit: u64) -> Error {
    Error::invalid("body-too-large", format!("the file is larger than the {limit} bytes that the server takes"))
        .hint("raise `server.upload_limit`, or import the file by its URL")
}
