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
            Error::invalid("body", format!("the request's body is not what this takes: {error}")).hint("see /api/docs").into()
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
            Error::invalid("query", format!("a query parameter is wrong: {}", rejection.body_text())).hint("see /api/docs").into()
        })
    }
}
