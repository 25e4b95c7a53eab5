//! Asks the API in process: no socket, no second look at who the viewer is.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::ACCEPT;
use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};
use tower::ServiceExt as _;

use super::Viewer;
use crate::app::App;
use crate::error::ApiError;

/// Most that an answer to a page may be, bytes. Lists are paged, so none comes near.
const MOST: usize = 32 * 1024 * 1024;

/// One thing that a page wants to know.
pub(super) struct Ask {
    /// Under which name the template finds the answer.
    pub(super) name: &'static str,
    /// A template of the API's path; it knows what the page's path and query say, and earlier answers. Empty: not asked.
    pub(super) path: &'static str,
    /// What happens when the API refuses.
    pub(super) refused: Refused,
}

/// What becomes of a page when one of its answers is a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The refusal is the page.
    Ends,
    /// The answer is null; the template finds the refusal as `NAME_refused`.
    Shows,
}

/// Asks in order, since a later path may name what an earlier answer said.
pub(super) async fn ask(
    api: &Router,
    app: &App,
    viewer: &Viewer,
    asks: &[Ask],
    known: &mut Map<String, Json>,
) -> Result<(), ApiError> {
    for ask in asks {
        let path = app.pages.text(ask.path, known)?;
        if path.is_empty() {
            known.insert(ask.name.to_owned(), Json::Null);
            continue;
        }
        match get(api, viewer, &path).await {
            Ok(answer) => {
                known.insert(ask.name.to_owned(), answer);
            }
            Err(error) if ask.refused == Refused::Shows => {
                known.insert(ask.name.to_owned(), Json::Null);
                let refusal = json!({ "code": error.code, "message": error.message, "hint": error.hint, "detail": error.detail });
                known.insert(format!("{}_refused", ask.name), refusal);
            }
            Err(error) => return Err(ApiError(error)),
        }
    }
    Ok(())
}

async fn get(api: &Router, viewer: &Viewer, path: &str) -> Result<Json, Error> {
    let broken = |error: String| Error::internal("page", format!("the page cannot ask `{path}`")).detail(error);
    let mut request =
        Request::get(path).header(ACCEPT, "application/json").body(Body::empty()).map_err(|e| broken(e.to_string()))?;
    viewer.enter(request.extensions_mut());
    let Ok(response) = api.clone().oneshot(request).await;
    if let Some(error) = response.extensions().get::<Error>() {
        return Err(error.clone());
    }
    if !response.status().is_success() {
        // Nobody's refusal: the path itself, made of words of the page's path, is none.
        return Err(Error::not_found("route-not-found", format!("there is nothing at `{path}`")));
    }
    let body = to_bytes(response.into_body(), MOST).await.map_err(|error| broken(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| broken(error.to_string()))
}
