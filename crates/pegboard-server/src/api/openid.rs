//! Signing in by another server: there and back.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::session::refused;
use crate::access::{Client, Returned, begin_openid, finish_openid};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Parameters;

/// Where the browser wants to be in the end.
#[derive(Debug, Deserialize)]
pub(crate) struct NextParameters {
    next: Option<String>,
}

/// Sends the browser to the provider.
pub(crate) async fn begin(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Parameters(parameters): Parameters<NextParameters>,
) -> Result<Response, ApiError> {
    if let Err(refusal) = app.accounts.admit(client.address) {
        return Ok(refused(refusal));
    }
    Ok(begin_openid(&app, &client, &headers, parameters.next.as_deref()).await?)
}

/// Takes it back, and lets in whom the provider vouches for.
pub(crate) async fn finish(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Parameters(returned): Parameters<Returned>,
) -> Result<Response, ApiError> {
    if let Err(refusal) = app.accounts.admit(client.address) {
        return Ok(refused(refusal));
    }
    match finish_openid(&app, &client, &headers, returned).await {
        Ok(response) => Ok(response),
        Err(error) => {
            let organization = app.labelling.organization().id;
            app.audit.tried(organization, "", &client, "sign-in-failed", error.message.clone());
            Err(error.into())
        }
    }
}
