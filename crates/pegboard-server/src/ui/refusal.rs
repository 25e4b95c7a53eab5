//! A refusal as a page: who follows an old link in a browser sees words, not JSON.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use pegboard_model::{Error, ErrorKind};
use serde_json::json;

use super::accepts_page;
use super::page::{Viewer, frame};
use super::template::html;
use crate::access::Identity;
use crate::app::App;

/// Puts a page in place of a refusal of one of the pages, for those who take one.
pub(crate) async fn as_page(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = path.starts_with("/ui/") && accepts_page(request.headers());
    let (headers, viewer) = (request.headers().clone(), Viewer::of(request.extensions()));
    let response = next.run(request).await;
    match response.extensions().get::<Error>() {
        Some(error) if is_page => page(&app, &viewer, &headers, &response, error).unwrap_or(response),
        _ => response,
    }
}

/// The same for what the door refuses, to somebody whom it may know.
pub(crate) fn shown(app: &App, known: Option<Identity>, headers: &HeaderMap, response: Response) -> Response {
    let error = response.extensions().get::<Error>().cloned();
    error.and_then(|error| page(app, &Viewer::from(known), headers, &response, &error)).unwrap_or(response)
}

fn page(app: &App, viewer: &Viewer, headers: &HeaderMap, refused: &Response, error: &Error) -> Option<Response> {
    let title = match error.kind {
        ErrorKind::NotFound => "There is nothing here",
        ErrorKind::Internal | ErrorKind::Exhausted => "Pegboard could not answer",
        _ => "This cannot be shown",
    };
    let status = refused.status();
    let mut known = frame(app, "", viewer, headers);
    known.insert("status".to_owned(), json!(status.as_u16()));
    known.insert("title".to_owned(), json!(title));
    known.insert("message".to_owned(), json!(error.message));
    // A browser's way on is the link below it.
    known.insert("hint".to_owned(), json!(error.hint.as_deref().filter(|_| error.code != "route-not-found")));
    let mut response = html(app, "refusal.html", &known).ok()?;
    *response.status_mut() = status;
    response.extensions_mut().insert(error.clone());
    Some(response)
}
