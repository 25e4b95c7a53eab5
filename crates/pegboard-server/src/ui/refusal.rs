//! A refusal as a page: who follows an old link in a browser sees words, not JSON.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use pegboard_model::{Error, ErrorKind};

use super::accepts_page;
use super::html::html;

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page<'a> {
    status: u16,
    title: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    version: &'static str,
}

/// Puts a page in place of a refusal of one of the pages, for those who take one.
pub(crate) async fn as_page(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = path.starts_with("/ui/") && accepts_page(request.headers());
    let response = next.run(request).await;
    match response.extensions().get::<Error>() {
        Some(error) if is_page => page(&response, error).unwrap_or(response),
        _ => response,
    }
}

fn page(refused: &Response, error: &Error) -> Option<Response> {
    let title = match error.kind {
        ErrorKind::NotFound => "There is nothing here",
        ErrorKind::Internal | ErrorKind::Exhausted => "Pegboard could not answer",
        _ => "This cannot be shown",
    };
    let status = refused.status();
    let page = Page {
        status: status.as_u16(),
        title,
        message: &error.message,
        // A browser's way on is the link below it.
        hint: error.hint.as_deref().filter(|_| error.code != "route-not-found"),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut response = html(&page).ok()?;
    *response.status_mut() = status;
    response.extensions_mut().insert(error.clone());
    Some(response)
}
