//! From refusals to answers. The only file that names a status code, with `flowdapt/answer` and `ango/answer`, which have the dialects': one table by kind, and the few codes that HTTP itself
//! has a status for. The answer carries its [`Error`] as an extension, so that the one log line is written by `record`.

use axum::Json;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use pegboard_model::{Error, ErrorKind};
use pegboard_store::StoreError;
use serde::{Deserialize, Serialize};

/// Kinds and their status.
const BY_KIND: &[(ErrorKind, StatusCode)] = &[
    (ErrorKind::InvalidInput, StatusCode::BAD_REQUEST),
    (ErrorKind::NotFound, StatusCode::NOT_FOUND),
    (ErrorKind::Conflict, StatusCode::CONFLICT),
    (ErrorKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    (ErrorKind::PluginFailed, StatusCode::BAD_GATEWAY),
    (ErrorKind::Exhausted, StatusCode::INSUFFICIENT_STORAGE),
    (ErrorKind::Internal, StatusCode::INTERNAL_SERVER_ERROR),
];

/// Codes that HTTP has a status of its own for.
const BY_CODE: &[(&str, StatusCode)] = &[
    ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED),
    ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE),
    ("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ("forbidden-host", StatusCode::FORBIDDEN),
    ("forbidden-origin", StatusCode::FORBIDDEN),
    ("file-link", StatusCode::FORBIDDEN),
    ("sign-in-needed", StatusCode::UNAUTHORIZED),
    ("invalid-api-key", StatusCode::UNAUTHORIZED),
    ("wrong-password", StatusCode::UNAUTHORIZED),
    ("csrf-token", StatusCode::FORBIDDEN),
    ("role-too-low", StatusCode::FORBIDDEN),
    ("other-organization", StatusCode::FORBIDDEN),
    ("key-for-another-project", StatusCode::FORBIDDEN),
    ("openid-refused", StatusCode::FORBIDDEN),
    ("too-many-tries", StatusCode::TOO_MANY_REQUESTS),
    ("account-locked", StatusCode::TOO_MANY_REQUESTS),
];

/// For a file that the browser has already.
pub(crate) const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;

/// For a callback that changes nothing.
pub(crate) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

/// What a panel's worker answered with, in Dash's own numbers.
pub(crate) fn callback_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A refusal on its way to a client.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(pub(crate) Error);

/// What a client gets: `{"error": {…}}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorAnswer {
    /// The refusal.
    pub error: ErrorBody,
}

/// A refusal as it is sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// Stable, kebab-case; each is explained in the documentation.
    pub code: String,
    /// What happened to what.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// More, when there is more: a traceback, a tool's own words.
    pub detail: Option<String>,
}

impl From<&Error> for ErrorBody {
    fn from(error: &Error) -> Self {
        // What our own faults say inside may name paths and statements: it stays in the log.
        let detail = if error.kind == ErrorKind::Internal { None } else { error.detail.clone() };
        Self { code: error.code.clone(), message: error.message.clone(), hint: error.hint.clone(), detail }
    }
}

pub(crate) fn status(error: &Error) -> StatusCode {
    let by_code = BY_CODE.iter().find(|(code, _)| *code == error.code).map(|(_, status)| *status);
    let by_kind = || BY_KIND.iter().find(|(kind, _)| *kind == error.kind).map(|(_, status)| *status);
    by_code.or_else(by_kind).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let answer = ErrorAnswer { error: ErrorBody::from(&self.0) };
        let mut response = (status(&self.0), Json(answer)).into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.0);
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

/// A panic in a handler, as an answer. The panic itself went to the log through the panic hook.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    ApiError(Error::internal("panic", "the server failed while it answered this request").hint("look at the server's log"))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        for (kind, expected) in [
            (ErrorKind::InvalidInput, 400),
            (ErrorKind::NotFound, 404),
            (ErrorKind::Conflict, 409),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::PluginFailed, 502),
            (ErrorKind::Exhausted, 507),
            (ErrorKind::Internal, 500),
        ] {
            assert_eq!(status(&Error::new(kind, "x", "x")).as_u16(), expected, "{kind:?}");
        }
        assert_eq!(panicked(Box::new("why")).status().as_u16(), 500);
        assert_eq!(BY_KIND.len(), 7);
        for (code, expected) in
            [("method-not-allowed", 405), ("body-too-large", 413), ("media-type", 415), ("forbidden-host", 403)]
        {
            assert_eq!(status(&Error::invalid(code, "x")).as_u16(), expected, "{code}");
        }
    }

    #[test]
    fn our_own_faults_keep_their_inside_to_the_log() {
        let error = Error::internal("x", "x").detail("/secret/path");
        let response = ApiError(error.clone()).into_response();
        assert_eq!(response.extensions().get::<Error>(), Some(&error));
        assert_eq!(ErrorBody::from(&error).detail, None);
        assert_eq!(ErrorBody::from(&Error::invalid("x", "x").detail("kept")).detail.as_deref(), Some("kept"));
    }
}
