//! Lies around all routes: finds out who asks, compares with what the route asks for, and records what was changed.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use pegboard_model::Error;
use url::form_urlencoded;

use super::client::Client;
use super::identity::{Identity, for_another_project, sign_in_needed};
use super::routes::{Route, Table, rule};
use super::rule::{Access, Realm};
use super::streams::{self, Listener};
use super::{origin, token};
use crate::app::App;
use crate::error::ApiError;
use crate::ui::refusal;

/// The header, and the form's field, with what a page says beside its cookie.
const HEADER: &str = "x-csrf-token";
const FIELD: &str = "csrf_token";
/// Longest form.
const FORM: usize = 1 << 20;
/// What keys for one project may be used for.
const OF_PROJECT: &str = "/api/v1/projects/{id}";
/// Where a browser signs in.
const SIGN_IN: &str = "/ui/sign-in";
/// Changes nothing, although it is a POST: panels compute what they show.
const CALLBACK: &str = "/ui/dash/_dash-update-component";

/// What the gate knows.
#[derive(Clone)]
pub(crate) struct Gate {
    app: App,
    table: Arc<Table>,
}

impl Gate {
    pub(crate) fn new(app: App, table: Table) -> Self {
        Self { app, table: Arc::new(table) }
    }

    /// What the path's route asks for; None for a path that nobody serves.
    ///
    /// # Errors
    /// `route-not-listed` for one that was added past the table.
    fn route(&self, request: &Request) -> Result<Option<&Route>, Error> {
        let Some(pattern) = request.extensions().get::<MatchedPath>() else { return Ok(None) };
        match rule(&self.table, pattern.as_str(), request.method()) {
            Some(route) => Ok(Some(route)),
            // Another method than the path takes: told only to those whom we know.
            None if self.table.contains_key(pattern.as_str()) => Ok(None),
            None => Err(Error::internal("route-not-listed", format!("nothing says who may ask for `{}`", pattern.as_str()))),
        }
    }

    /// Who asks.
    async fn identify(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Identity>, Error> {
        let app = &self.app;
        if app.needs_sign_in { app.credentials.find(app, uri, headers).await } else { app.credentials.local(app).await.map(Some) }
    }

    /// The request as it may go on, or why not.
    async fn admit(&self, mut request: Request, client: &Client) -> Result<(Request, Option<Identity>), Error> {
        let settings = &self.app.settings.server;
        origin::check(request.method(), request.uri(), request.headers(), settings, self.app.needs_sign_in)?;
        let (access, realm) =
            self.route(&request)?.map_or((Access::Viewer, Realm::Organization), |route| (route.access, route.realm));
        let identity = match access {
            Access::OwnCheck => None,
            // Who is known is told; who is not, is let in all the same.
            Access::Open => self
                .identify(request.uri(), request.headers())
                .await
                .or_else(|error| if is_ours(&error) { Err(error) } else { Ok(None) })?,
            _ => {
                let identity = self.identify(request.uri(), request.headers()).await?.ok_or_else(sign_in_needed)?;
                self.may(&identity, access, realm, &request)?;
                Some(identity)
            }
        };
        if let Some(identity) = identity.as_ref().filter(|identity| identity.csrf_token.is_some() && access != Access::Open)
            && !origin::reads(request.method())
        {
            request = check_token(request, identity.csrf_token.as_deref().unwrap_or_default()).await?;
        }
        if let Some(identity) = &identity {
            request.extensions_mut().insert(identity.clone());
        }
        request.extensions_mut().insert(client.clone());
        Ok((request, identity))
    }

    fn may(&self, identity: &Identity, access: Access, realm: Realm, request: &Request) -> Result<(), Error> {
        if realm == Realm::Server && identity.organization() != self.app.labelling.organization().id {
            return Err(Error::invalid(
                "other-organization",
                "this belongs to the server's own organization, which you are not in",
            )
            .hint("projects and remote plugins of your organization are yours; for the rest ask an admin of the server"));
        }
        if access.role().is_some_and(|least| identity.role < least) {
            let role = access.role().map_or("", |role| role.as_str());
            return Err(Error::invalid(
                "role-too-low",
                format!("this takes the role {role}, and yours is {}", identity.role.as_str()),
            )
            .hint("ask one of the organization's admins"));
        }
        let pattern = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let below = pattern.strip_prefix(OF_PROJECT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if identity.project.is_some() && !below {
            return Err(for_another_project());
        }
        Ok(())
    }
}

/// Where a handler that looks for itself says whom it has found, for the record.
#[derive(Clone, Default)]
pub(crate) struct Found(Arc<OnceLock<Identity>>);

impl Found {
    /// It is this one.
    pub(crate) fn tell(&self, identity: Identity) {
        self.0.get_or_init(|| identity);
    }
}

/// Lets a request in, or answers it.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let client = Client::of(&gate.app.settings.server, request.extensions(), request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let pattern = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let page = page_asked_for(&request);
    let (uri, headers) = match &method {
        &Method::GET => (request.uri().clone(), request.headers().clone()),
        _ => (Uri::default(), HeaderMap::new()),
    };
    let (mut request, identity) = match gate.admit(request, &client).await {
        Ok(admitted) => admitted,
        Err(error) if error.code == "sign-in-needed" && page.is_some() => {
            return Redirect::to(&format!("{SIGN_IN}?next={}", page.unwrap_or_default())).into_response();
        }
        Err(error) if page.is_some() => {
            let known = if gate.app.needs_sign_in { gate.identify(&uri, &headers).await.ok().flatten() } else { None };
            return refusal::shown(&gate.app, known, &headers, ApiError(error).into_response());
        }
        Err(error) => return ApiError(error).into_response(),
    };
    let found = Found::default();
    if identity.is_none() {
        request.extensions_mut().insert(found.clone());
    }
    let response = next.run(request).await;
    let identity = identity.or_else(|| found.0.get().cloned());
    if let (Some(identity), Some(pattern)) = (&identity, pattern)
        && !origin::reads(&method)
        && pattern != CALLBACK
        && !(response.status().is_client_error() || response.status().is_server_error())
    {
        gate.app.audit.did(identity, &client, format!("{method} {pattern}"), path);
    }
    match identity {
        Some(identity) if gate.app.needs_sign_in && streams::is_stream(&response) => {
            streams::ending_with(gate.app.clone(), Listener { uri, headers, identity }, response)
        }
        _ => response,
    }
}

/// The same for what a page asks in process: whoever looks is known already, and nothing is changed.
pub(crate) async fn inner_gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().cloned();
    let allowed = match gate.route(&request) {
        Ok(Some(Route { access: Access::Open, .. })) | Ok(None) => Ok(()),
        Ok(Some(route)) => {
            identity.ok_or_else(sign_in_needed).and_then(|identity| gate.may(&identity, route.access, route.realm, &request))
        }
        Err(error) => Err(error),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError(error).into_response(),
    }
}

/// The place that a browser wanted to see, ready to stand in a query.
fn page_asked_for(request: &Request) -> Option<String> {
    let wants_page = |headers: &HeaderMap| {
        headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accepted| accepted.contains("text/html"))
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let is_page = path.starts_with("/ui/") || path.starts_with("/api/docs");
    (*request.method() == Method::GET && is_page && wants_page(request.headers()))
        .then(|| form_urlencoded::byte_serialize(path.as_bytes()).collect())
}

/// A request that changes something and comes with a cookie has to come from a page of ours: the page says so by a token, or, where it says
/// none, the browser does.
async fn check_token(request: Request, expected: &str) -> Result<Request, Error> {
    let refused = || {
        Error::invalid("csrf-token", "the request does not show that it comes from one of Pegboard's own pages").hint(format!(
            "reload the page; programs send a key, or the header `{HEADER}` with the `csrf_token` of GET /api/v1/session"
        ))
    };
    let check = |said: &str| if token::same(said, expected) { Ok(()) } else { Err(refused()) };
    if let Some(said) = request.headers().get(HEADER) {
        check(said.to_str().unwrap_or_default())?;
        return Ok(request);
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let (parts, body) = request.into_parts();
        let bytes: Bytes = axum::body::to_bytes(body, FORM)
            .await
            .map_err(|_| Error::invalid("body-too-large", "the form is larger than the server takes").hint("send it in parts"))?;
        let said = form_urlencoded::parse(&bytes).find(|(name, _)| name == FIELD).map(|(_, value)| value.into_owned());
        match said {
            Some(said) => check(&said)?,
            None if origin::is_said_to_be_ours(&parts.headers) => {}
            None => return Err(refused()),
        }
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    }
    if origin::is_said_to_be_ours(request.headers()) { Ok(request) } else { Err(refused()) }
}

/// Whether it is the server's fault, and no matter of who asks.
fn is_ours(error: &Error) -> bool {
    matches!(error.kind, pegboard_model::ErrorKind::Internal | pegboard_model::ErrorKind::Unavailable)
}
