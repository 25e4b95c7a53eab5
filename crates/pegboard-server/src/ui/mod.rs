//! Pages for people. Each works without scripts, by reloading; the one script only fetches fragments anew when news come.
//! Text of plugins is escaped by the templates, and the content security policy lets nothing from elsewhere run.

pub(crate) mod assets;
pub(crate) mod docs;
pub(crate) mod home;
mod html;
pub(crate) mod refusal;
pub(crate) mod run;
mod words;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Redirect, Response};

/// `/`: a browser goes to the pages, anything else learns who is here.
pub(crate) async fn door(headers: HeaderMap) -> Response {
    if accepts_page(&headers) {
        return Redirect::temporary("/ui/").into_response();
    }
    crate::flowdapt::ping().into_response()
}

/// `/ui` means `/ui/`.
pub(crate) async fn slash() -> Redirect {
    Redirect::permanent("/ui/")
}

/// Whether it is a browser that asks.
fn accepts_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accepted| accepted.contains("text/html"))
}
