//! Request parts with our words for what is wrong with them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use pegboard_model::Error;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A JSON body. An empty one reads as `{}`, so that requests whose keys are all optional need none.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A form post from another site has no JSON type, a script's has one only after a preflight that we never grant.
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = body_bytes(request, state).await?;
        if !bytes.is_empty() && !media_type.starts_with("application/json") {
            return Err(Error::invalid("media-type", format!("cannot read a body of type `{media_type}`"))
                .hint("send JSON with `Content-Type: application/json`")
                .into());
        }
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map(Self).map_err(|error| {
            let reason = error.to_string();
            let hint = meant(&reason).unwrap_or_else(|| "see /api/docs".to_owned());
            Error::invalid("body", format!("the request's body is not what this takes: {reason}")).hint(hint).into()
        })
    }
}

/// A body of text in UTF-8.
pub(crate) struct TextBody(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = body_bytes(request, state).await?;
        String::from_utf8(bytes.into()).map(Self).map_err(|_| Error::invalid("body", "the request's body is not UTF-8").into())
    }
}

pub(crate) async fn body_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(failed)
            if failed.to_string().contains("limit") || failed.body_text().contains("limit") =>
        {
            Error::invalid("body-too-large", "the request's body is larger than the server takes")
                .hint("raise `server.body_limit`, or pass large data by reference")
                .into()
        }
        _ => Error::invalid("body", "the request's body broke off").into(),
    })
}

/// Query parameters.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|rejection| {
            let reason = rejection.body_text();
            let hint = meant(&reason).unwrap_or_else(|| "see /api/docs".to_owned());
            Error::invalid("query", format!("a query parameter is wrong: {reason}")).hint(hint).into()
        })
    }
}

/// What was probably meant, when serde's reason is a key that nobody knows: it lists those that there are.
fn meant(reason: &str) -> Option<String> {
    /// Less alike than this is no slip of the hand.
    const ALIKE: f64 = 0.8;
    let (_, rest) = reason.split_once("unknown field `")?;
    let mut names = rest.split('`').step_by(2);
    let given = names.next()?;
    let likeness = |name: &str| strsim::jaro_winkler(given, name);
    let nearest = names.filter(|name| likeness(name) >= ALIKE).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    Some(format!("did you mean `{nearest}`? See /api/docs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_that_was_meant() {
        for (reason, expected) in [
            ("unknown field `workflw`, expected one of `workflow`, `input`, `namespace` at line 1 column 10", Some("`workflow`")),
            (
                "Failed to deserialize query string: limt: unknown field `limt`, expected one of `workflow`, `limit`",
                Some("`limit`"),
            ),
            ("unknown field `afetr`, expected `after`", Some("`after`")),
            ("unknown field `colour`, expected one of `workflow`, `input`", None),
            ("missing field `workflow` at line 1", None),
        ] {
            let found = meant(reason);
            assert_eq!(found.is_some(), expected.is_some(), "{reason}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{reason}");
        }
    }
}
