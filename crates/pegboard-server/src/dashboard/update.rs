//! Callbacks: each goes to the worker that owns its output, and what goes wrong there is shown there.
//!
//! Invariant: an answer of a worker whose ids need no mark passes through unread.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pegboard_model::{Error, Failure, FailureKind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::artifacts::{ArtifactPage, PAGES};
use super::call::{self, cookies};
use super::node;
use super::site::{Owner, Site, SitePanel};
use super::told::{Called, PanelFailure, Values};
use super::{PanelFile, pages};
use crate::app::App;
use crate::error::{ApiError, NO_CONTENT, callback_status};
use crate::extract::body_bytes;

/// What all callbacks have; the rest is the owner's to read.
#[derive(Deserialize)]
struct Posted<'a> {
    #[serde(borrow)]
    output: std::borrow::Cow<'a, str>,
}

/// One value that a callback gets.
#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    id: Json,
    #[serde(default)]
    property: String,
    #[serde(default)]
    value: Json,
}

/// The values that a callback of ours gets.
#[derive(Deserialize)]
pub(crate) struct Request_ {
    #[serde(default)]
    inputs: Vec<Given>,
    #[serde(default)]
    state: Vec<Given>,
}

impl Request_ {
    /// The value of that property.
    pub(crate) fn value(&self, id: &str, property: &str) -> Option<&Json> {
        let mut all = self.inputs.iter().chain(&self.state);
        all.find(|given| given.id == id && given.property == property).map(|given| &given.value)
    }
}

/// `POST _dash-update-component`.
pub(crate) async fn update(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let cookies = cookies(request.headers());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = body_bytes(request, &()).await?;
    let posted: Posted<'_> = serde_json::from_slice(&body).map_err(|error| {
        Error::invalid("body", format!("this is no callback: {error}")).hint("the body is what Dash's renderer posts")
    })?;
    let Some(site) = app.dashboard.site() else {
        return Err(Error::unavailable("dashboard-preparing", "the dashboard is being prepared")
            .hint("reload the page in a moment")
            .into());
    };
    let Some(owner) = site.owners.get(posted.output.as_ref()) else {
        return Err(Error::not_found("callback-not-found", format!("no callback writes `{}`", posted.output))
            .hint("the page is older than the plugin: reload it")
            .into());
    };
    match owner {
        Owner::Worker { file, output, marked } => {
            forward(&app, &site, file, output.as_deref().filter(|_| *marked || output.is_some()), *marked, body, &query, cookies)
                .await
        }
        ours => {
            let request: Request_ =
                serde_json::from_slice(&body).map_err(|error| Error::invalid("body", format!("this is no callback: {error}")))?;
            match ours {
                Owner::Pages => pages::route(&app, &site, &request, cookies).await,
                Owner::Rows(page) => rows(&app, page, &posted.output).await,
                Owner::Update(position) => panel(&app, &site, *position, &request, cookies).await,
                Owner::Theme(position) => theme(&app, &site, *position, &request, cookies).await,
                Owner::Worker { .. } => Err(Error::internal("dashboard", "a callback lost its owner").into()),
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "called once, with what the request consists of")]
async fn forward(
    app: &App,
    site: &Site,
    file: &PanelFile,
    output: Option<&str>,
    marked: bool,
    body: Bytes,
    query: &str,
    cookies: Map<String, Json>,
) -> Result<Response, ApiError> {
    let text = if marked || output.is_some() {
        let mut posted: Json =
            serde_json::from_slice(&body).map_err(|error| Error::invalid("body", format!("this is no callback: {error}")))?;
        if marked {
            file.mark().remove(&mut posted);
        }
        if let Some(output) = output {
            posted["output"] = json!(output);
        }
        posted.to_string()
    } else {
        String::from_utf8_lossy(&body).into_owned()
    };
    let (query, cookies) = (json!(query), Json::Object(cookies));
    let payload = Bytes::from(format!(r#"{{"body":{text},"query":{query},"cookies":{cookies}}}"#));
    let deadline = app.settings.dashboard.callback_deadline;
    let answer = call::ask(app, file, "pegboard.panels.callback", payload, deadline).await;
    let called: Called = match answer.map(|answer| serde_json::from_slice(&answer)) {
        Ok(Ok(called)) => called,
        Ok(Err(error)) => return Ok(refused(site, file, strange(&error))),
        Err(failure) => return Ok(refused(site, file, explained(failure))),
    };
    if let Some(error) = called.error {
        return Ok(refused(site, file, error));
    }
    let mut response = if called.status == 204 {
        NO_CONTENT.into_response()
    } else {
        let text: String = called.body.map_or_else(|| "{}".to_owned(), |body| Box::<str>::from(body).into());
        if let Some(library) = node::strange_library(&text, &site.environment) {
            return Ok(refused(site, file, without_library(&library)));
        }
        let text = if marked { with_marks(file, text) } else { text };
        (callback_status(called.status), as_json(text)).into_response()
    };
    for cookie in called.set_cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    Ok(response)
}

fn with_marks(file: &PanelFile, text: String) -> String {
    match serde_json::from_str::<Json>(&text) {
        Ok(mut answer) => {
            file.mark().add_to_answer(&mut answer);
            answer.to_string()
        }
        Err(_) => text,
    }
}

/// The failure of a plugin's own callback: shown on the file's panels, and to the browser's console by the status.
fn refused(site: &Site, file: &PanelFile, failure: PanelFailure) -> Response {
    tracing::warn!(file = %file.path.display(), failure = failure.message, "a callback failed");
    let shown = site.panels.iter().filter(|panel| panel.file.key == file.key);
    let mut notices: Map<String, Json> = shown
        .map(|panel| (panel.notice(), json!({ "children": node::notice("A callback of this panel failed", &failure) })))
        .collect();
    if notices.is_empty() {
        // A page of a plugin: it has no place of its own for this.
        notices
            .insert(pages::NOTICES.to_owned(), json!({ "children": node::notice("A callback of this page failed", &failure) }));
    }
    as_json(json!({ "multi": true, "response": {}, "sideUpdate": notices }).to_string()).into_response()
}

async fn rows(app: &App, page: &ArtifactPage, output: &str) -> Result<Response, ApiError> {
    let rows = page.rows(app).await?;
    let id = output.trim_end_matches(".rowData");
    Ok(as_json(json!({ "multi": true, "response": { id: { "rowData": rows } } }).to_string()).into_response())
}

/// A row was selected, or a run chosen: the panel's values for it.
async fn panel(
    app: &App,
    site: &Site,
    position: usize,
    request: &Request_,
    cookies: Map<String, Json>,
) -> Result<Response, ApiError> {
    let one = site.panels.get(position).ok_or_else(|| Error::internal("dashboard", "a panel lost its place"))?;
    let page = PAGES.iter().find(|page| page.page == one.panel.page);
    let page = page.ok_or_else(|| Error::internal("dashboard", "a panel lost its page"))?;
    let selected = request.value(&page.table(), "selectedRows");
    let name = selected.and_then(|rows| rows.get(0)).and_then(|row| row.get("name")).and_then(Json::as_str);
    let Some(name) = name else { return Ok(NO_CONTENT.into_response()) };
    let mut options = Map::new();
    for given in request.inputs.iter().chain(&request.state) {
        let id = given.id.as_str().unwrap_or_default();
        match given.property.as_str() {
            "value" if id.ends_with("-dropdown") => options.insert("inference_run".to_owned(), given.value.clone()),
            "data" if id.ends_with("-model-name") => options.insert("previous_model_name".to_owned(), given.value.clone()),
            _ => None,
        };
    }
    let artifact = json!({ "type": page.page, "name": name });
    let payload = json!({ "class": one.panel.class, "artifact": artifact, "options": options, "cookies": cookies });
    let payload = Bytes::from(payload.to_string());
    let answer = ask(app, site, one, "pegboard.panels.update", payload.clone()).await;
    if matches!(&answer, Ok(values) if values.error.is_none()) {
        one.file.keep(&one.panel.class, payload);
    }
    Ok(values(one, answer, true))
}

async fn theme(
    app: &App,
    site: &Site,
    position: usize,
    request: &Request_,
    mut cookies: Map<String, Json>,
) -> Result<Response, ApiError> {
    let one = site.panels.get(position).ok_or_else(|| Error::internal("dashboard", "a panel lost its place"))?;
    let chosen = request.value("workbench-theme-store", "data").and_then(Json::as_str);
    let theme = site.theme(chosen).to_owned();
    cookies.insert("wb_theme".to_owned(), json!(theme));
    let payload = json!({ "class": one.panel.class, "theme": theme, "cookies": cookies });
    let answer = ask(app, site, one, "pegboard.panels.set_theme", Bytes::from(payload.to_string())).await;
    Ok(values(one, answer, false))
}

async fn ask(app: &App, site: &Site, one: &SitePanel, target: &str, payload: Bytes) -> Result<Values, PanelFailure> {
    let deadline = app.settings.dashboard.callback_deadline;
    let answer = call::ask(app, &one.file, target, payload, deadline).await.map_err(explained)?;
    let values: Values = serde_json::from_slice(&answer).map_err(|error| strange(&error))?;
    if let Some(library) = values.values.iter().find_map(|value| node::strange_library(value.get(), &site.environment)) {
        return Err(without_library(&library));
    }
    if values.values.len() == one.panel.properties.len() {
        return Ok(values);
    }
    Err(PanelFailure {
        message: format!("returned {} values, expected {}", values.values.len(), one.panel.properties.len()),
        ..PanelFailure::default()
    })
}

/// The answer to the browser: one value per property, and what went wrong above them.
fn values(one: &SitePanel, answer: Result<Values, PanelFailure>, with_notice: bool) -> Response {
    let mut by_id: Map<String, Json> = Map::new();
    let mut texts: Vec<(String, String, Box<RawValue>)> = Vec::new();
    let failure = match answer {
        Ok(answer) => {
            let failed = answer.error.is_some();
            for ((id, property), value) in one.panel.properties.iter().zip(answer.values) {
                // Of a failed update, nothing is no value: many components do not survive it.
                if failed && value.get() == "null" {
                    continue;
                }
                // As short as that, a look is cheap; figures are long.
                if value.get().len() < 64 && value.get().contains("_dash_no_update") {
                    continue;
                }
                texts.push((node::id_text(id), property.clone(), value));
            }
            answer.error
        }
        Err(failure) => {
            for (id, property) in &one.panel.properties {
                if let Some(value) = node::instead(property, &failure.message)
                    && let Ok(value) = serde_json::value::to_raw_value(&value)
                {
                    texts.push((node::id_text(id), property.clone(), value));
                }
            }
            Some(failure)
        }
    };
    if with_notice {
        let notice = match &failure {
            Some(failure) => Some(node::notice("This panel failed", failure)),
            None => one.trouble(),
        };
        by_id.insert(one.notice(), json!({ "children": notice }));
    }
    if let Some(failure) = &failure {
        tracing::warn!(panel = one.panel.class, failure = failure.message, "a panel failed");
    }
    let mut response = String::from(r#"{"multi":true,"response":{"#);
    let mut ids: Vec<&String> = Vec::new();
    for (id, ..) in &texts {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    for id in ids {
        let fields: Vec<String> = texts
            .iter()
            .filter(|(of, ..)| of == id)
            .map(|(_, property, value)| {
                let text = if one.file.is_marked() { marked_value(one, value) } else { value.get().to_owned() };
                format!("{}:{text}", json!(property))
            })
            .collect();
        response.push_str(&format!("{}:{{{}}},", json!(id), fields.join(",")));
    }
    for (id, value) in &by_id {
        response.push_str(&format!("{}:{value},", json!(id)));
    }
    if response.ends_with(',') {
        response.pop();
    }
    response.push_str("}}");
    as_json(response).into_response()
}

fn marked_value(one: &SitePanel, value: &RawValue) -> String {
    match serde_json::from_str::<Json>(value.get()) {
        Ok(mut tree) => {
            one.file.mark().add_to_tree(&mut tree);
            tree.to_string()
        }
        Err(_) => value.get().to_owned(),
    }
}

/// A component that the browser has no script for would take the whole page along.
fn without_library(library: &str) -> PanelFailure {
    PanelFailure {
        message: format!("returned a component of `{library}`, a library that browsers were not given"),
        hint: Some("import the library at the top of the plugin's file, not in a function, and save it again".to_owned()),
        ..PanelFailure::default()
    }
}

/// What the engine says, in words for whoever wrote the panel.
fn explained(failure: Failure) -> PanelFailure {
    let kind = failure.kind;
    let mut failure = PanelFailure::from(failure);
    if kind == FailureKind::Deadline {
        failure.hint =
            Some("its worker was started again; do less in the callback, or raise `dashboard.callback_deadline`".to_owned());
    }
    failure
}

fn strange(error: &serde_json::Error) -> PanelFailure {
    PanelFailure { message: format!("the worker's answer cannot be read: {error}"), ..PanelFailure::default() }
}

/// JSON text as an answer.
pub(crate) fn as_json(text: impl Into<Body>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, text.into()).into_response()
}
