//! Pages for people. A page is a template over answers of the API: the table in [`pages`] says which paths it asks, in process and as
//! the viewer, and the template shows what came. So a page can do nothing that the API cannot, and access is decided in one place.
//! Templates escape what they show, and the content security policy lets nothing from elsewhere run. `docs/ui.md` is the guide.

mod ask;
mod assets;
mod docs;
mod drawing;
mod filters;
mod page;
mod pages;
pub(crate) mod refusal;
mod template;
mod words;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::access::{Access, Routes, get};

pub(crate) use page::{Viewer, page_with, shell};
pub(crate) use template::Pages;

/// The pages, over the routes that they ask. Each answer of the API is looked at for itself, so a page asks for no more than a viewer.
pub(crate) fn routes(api: &Router) -> Routes {
    let compressed = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let open = Routes::new().route("/", get(door)).route("/ui", get(slash)).route("/ui/assets/{name}", get(assets::asset));
    let open = pages::OPEN.iter().fold(open, |routes, page| routes.merge(page::route(page, api.clone()))).need(Access::Open);
    let known = Routes::new().route("/api/docs", get(docs::page));
    let pages = pages::AREAS.iter().copied().flatten();
    let known = pages.fold(known, |routes, page| routes.merge(page::route(page, api.clone())));
    open.merge(known).wrapped(|router| router.layer(compressed))
}

/// `/`: a browser goes to the pages, anything else learns who is here.
async fn door(headers: HeaderMap) -> Response {
    if accepts_page(&headers) {
        return Redirect::temporary("/ui/").into_response();
    }
    crate::flowdapt::ping().into_response()
}

/// `/ui` means `/ui/`.
async fn slash() -> Redirect {
    Redirect::permanent("/ui/")
}

/// Whether it is a browser that asks.
fn accepts_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accepted| accepted.contains("text/html"))
}
