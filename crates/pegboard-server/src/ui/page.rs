//! From a row of the table to a route.

use std::collections::HashMap;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::Response;
use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};

use super::ask::{Ask, ask};
use super::template::{WITH_MEDIA, html};
use crate::access::{Access, How, Identity, Routes, get};
use crate::app::App;
use crate::dashboard::{cookies, theme};
use crate::error::ApiError;

/// How long the page took, for the browser's developer tools and for our own benchmark.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A page: where it is, what it asks, how it looks.
pub(super) struct Page {
    /// Path as the router takes it; its parameters are known to asks and template by their names.
    pub(super) path: &'static str,
    /// File below `pages/`.
    pub(super) template: &'static str,
    /// Which entry of the navigation is marked.
    pub(super) section: &'static str,
    /// What is asked of the API before it is shown.
    pub(super) asks: &'static [Ask],
}

/// Who looks, as the routes of the API want to know it.
#[derive(Clone, Default)]
pub(crate) struct Viewer(Option<Identity>);

impl Viewer {
    /// What the door found out about a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<Identity>().cloned())
    }

    /// Makes a request the viewer's.
    pub(crate) fn enter(&self, extensions: &mut Extensions) {
        if let Some(identity) = &self.0 {
            extensions.insert(identity.clone());
        }
    }

    /// What every template knows of the viewer. Nobody has no role.
    fn told(&self) -> Json {
        let Some(identity) = &self.0 else { return json!({ "name": null, "role": null, "how": null }) };
        // Whoever did not have to sign in has no name to show.
        let name = (identity.how != How::Local).then_some(&identity.user.email);
        json!({
            "name": name,
            "role": identity.role.as_str(),
            "organization": identity.organization().to_string(),
            "how": identity.how.as_str(),
            "csrf": identity.csrf_token,
        })
    }
}

pub(super) fn route(page: &'static Page, api: Router) -> Routes {
    let handler = move |State(app): State<App>,
                        Path(parameters): Path<HashMap<String, String>>,
                        Query(query): Query<HashMap<String, String>>,
                        uri: Uri,
                        headers: HeaderMap,
                        extensions: Extensions| async move {
        show(page, &app, &api, Viewer::of(&extensions), parameters, query, &uri, &headers).await
    };
    // Of an administrator's pages nothing could be shown to anybody else.
    let access = if page.section == "admin" { Access::Admin } else { Access::Viewer };
    Routes::new().route(page.path, get(handler).needs(access))
}

#[expect(clippy::too_many_arguments, reason = "what a request is made of, taken apart once")]
async fn show(
    page: &Page,
    app: &App,
    api: &Router,
    viewer: Viewer,
    parameters: HashMap<String, String>,
    query: HashMap<String, String>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let mut known = frame(page.section, &viewer, headers);
    known.insert("url".to_owned(), json!(uri.path_and_query().map_or(uri.path(), |whole| whole.as_str())));
    known.insert("query".to_owned(), json!(query));
    known.extend(parameters.into_iter().map(|(name, value)| (name, Json::String(value))));
    ask(api, app, &viewer, page.asks, &mut known).await?;
    let asked = begun.elapsed();
    let mut response = html(app, page.template, &known)?;
    if page.section == "projects" {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(WITH_MEDIA));
    }
    let timing =
        format!("ask;dur={:.2}, show;dur={:.2}", asked.as_secs_f64() * 1e3, (begun.elapsed() - asked).as_secs_f64() * 1e3);
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    Ok(response)
}

/// What the shell around every page wants to know.
pub(super) fn frame(section: &str, viewer: &Viewer, headers: &HeaderMap) -> Map<String, Json> {
    let cookies = cookies(headers);
    let chosen = theme(&cookies);
    let mut known = Map::new();
    known.insert("section".to_owned(), json!(section));
    known.insert("theme".to_owned(), json!(chosen));
    known.insert("viewer".to_owned(), viewer.told());
    known.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    known
}

/// What is around every page, for those that are made elsewhere: what belongs into the head, and the bar at the top.
pub(crate) fn shell(app: &App, section: &str, viewer: &Viewer, headers: &HeaderMap) -> Result<(String, String), Error> {
    let known = frame(section, viewer, headers);
    Ok((app.pages.render("parts/head.html", &known)?, app.pages.render("parts/shell.html", &known)?))
}

/// A page whose content is not asked of the API, with one thing that its template knows.
pub(crate) fn page_with(
    app: &App,
    template: &str,
    section: &str,
    viewer: &Viewer,
    headers: &HeaderMap,
    name: &str,
    value: Json,
) -> Result<Response, ApiError> {
    let mut known = frame(section, viewer, headers);
    known.insert(name.to_owned(), value);
    html(app, template, &known)
}
