//! The dialect's envelope: `{"status": "success", "data": …}`, and refusals that every release of its clients can read.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pegboard_model::{Error, ErrorKind};
use pegboard_store::StoreError;
use serde_json::{Value, json};

use crate::error;

/// What a handler of the dialect answers.
pub(super) type Answer = Result<Json<Value>, Refused>;

/// Refusals whose status in the dialect is its own.
const BY_CODE: &[(&str, StatusCode)] = &[
    ("invalid-api-key", StatusCode::UNAUTHORIZED),
    ("project-not-found", StatusCode::BAD_REQUEST),
    ("key-for-another-project", StatusCode::FORBIDDEN),
    ("not-a-member", StatusCode::FORBIDDEN),
    ("admins-only", StatusCode::FORBIDDEN),
    ("viewers-only-look", StatusCode::FORBIDDEN),
    ("file-link", StatusCode::FORBIDDEN),
    ("not-offered", StatusCode::NOT_IMPLEMENTED),
];

/// It went well.
pub(super) fn success(data: Value) -> Answer {
    Ok(Json(json!({ "status": "success", "data": data })))
}

/// A refusal on its way to a client of the dialect.
#[derive(Debug)]
pub(super) struct Refused(Error);

impl Refused {
    fn status(&self) -> StatusCode {
        let own = BY_CODE.iter().find(|(code, _)| *code == self.0.code).map(|(_, status)| *status);
        own.unwrap_or_else(|| error::status(&self.0))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status();
        // What is our own fault has its inside in the log.
        let word = if status.is_server_error() { "error" } else { "fail" };
        let message = match &self.0.hint {
            Some(hint) if self.0.kind != ErrorKind::Internal => format!("{}; {hint}", self.0.message),
            _ => self.0.message.clone(),
        };
        let body = json!({ "status": word, "message": message, "code": self.0.code });
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

/// A refusal that another part of the server speaks, in the dialect's form.
pub(crate) fn refused(error: Error) -> Response {
    Refused(error).into_response()
}

/// Something that the original has and this server does not.
pub(super) fn not_offered(what: &str, why: &str) -> Refused {
    Refused(Error::invalid("not-offered", format!("{what} is not offered by this server: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_dialects_status() {
        for (error, status, word) in [
            (Error::invalid("invalid-api-key", "x"), 401, "fail"),
            (Error::not_found("project-not-found", "x"), 400, "fail"),
            (Error::not_found("task-not-found", "x"), 404, "fail"),
            (Error::conflict("task-elsewhere", "x"), 409, "fail"),
            (Error::invalid("not-offered", "x"), 501, "error"),
            (Error::internal("x", "x"), 500, "error"),
        ] {
            let refused = Refused(error);
            assert_eq!(refused.status().as_u16(), status);
            assert_eq!(if refused.status().is_server_error() { "error" } else { "fail" }, word);
        }
    }
}
