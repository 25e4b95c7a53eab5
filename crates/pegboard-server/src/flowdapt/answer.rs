//! Answers and refusals in the dialect's form. With `error.rs`, the only place that names a status code.

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use pegboard_model::{Error, ErrorKind};
use pegboard_store::StoreError;
use serde::Serialize;
use serde_json::json;

use super::version::{Kind, Version};
use crate::error;

const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");

/// What a request for something that is not there is told; the clients' exceptions show it.
const NOT_FOUND: &str = "Resource not found";

/// A refusal: `{"detail": …, "status_code": …}`.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    status: StatusCode,
    /// The same for the log.
    error: Box<Error>,
    detail: String,
}

/// Marks an answer that has the dialect's form already.
#[derive(Clone, Copy)]
pub(super) struct Spoken;

impl Refused {
    fn new(status: StatusCode, kind: ErrorKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, error: Box::new(Error::new(kind, "flowdapt-refused", detail.clone())), detail }
    }

    /// The request is wrong.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidInput, detail)
    }

    /// What it names does not exist.
    pub(super) fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorKind::NotFound, NOT_FOUND)
    }

    /// No new runs now.
    pub(super) fn draining() -> Self {
        let detail = "Service is draining, no new workflow runs accepted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable, detail)
    }

    /// What it says.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// A byte range that the file does not have.
    pub(super) fn range(length: u64) -> Response {
        let refused =
            Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorKind::InvalidInput, "the file has no such range of bytes");
        let mut response = refused.into_response();
        if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
            response.headers_mut().insert(axum::http::header::CONTENT_RANGE, value);
        }
        response
    }
}

/// A part of a file.
pub(super) const PARTIAL: StatusCode = StatusCode::PARTIAL_CONTENT;

/// A preflight from an origin that may not.
pub(super) const DISALLOWED: StatusCode = StatusCode::BAD_REQUEST;

impl From<Error> for Refused {
    /// The dialect has no 409: what exists already is a bad request to it.
    fn from(error: Error) -> Self {
        let status = match (error.kind, error.code.as_str()) {
            (ErrorKind::Conflict, _) => StatusCode::BAD_REQUEST,
            _ => error::status(&error),
        };
        let detail = match (error.code.as_str(), error.kind) {
            ("route-not-found", _) => "Not Found".to_owned(),
            ("method-not-allowed", _) => "Method Not Allowed".to_owned(),
            (_, ErrorKind::Internal) => "Internal Server Error".to_owned(),
            ("run-not-found" | "workflow-not-found" | "plugin-not-found", _) => NOT_FOUND.to_owned(),
            _ => match &error.hint {
                Some(hint) => format!("{}; {hint}", error.message),
                None => error.message.clone(),
            },
        };
        Self { status, error: Box::new(error), detail }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "detail": self.detail, "status_code": self.status.as_u16() });
        let mut response = (self.status, axum::Json(body)).into_response();
        response.extensions_mut().insert(*self.error);
        response.extensions_mut().insert(Spoken);
        response
    }
}

/// A versioned answer.
pub(super) fn answer(kind: Kind, version: Version, body: &impl Serialize) -> Result<Response, Refused> {
    let json = serde_json::to_vec(body)
        .map_err(|error| Error::internal("flowdapt-refused", format!("an answer has no JSON form: {error}")))?;
    let version = version.as_str();
    let media_type = HeaderValue::from_str(&kind.media_type(version)).unwrap_or(HeaderValue::from_static("application/json"));
    let headers = [(CONTENT_TYPE, media_type), (API_VERSION, HeaderValue::from_static(version))];
    Ok((headers, json).into_response())
}
