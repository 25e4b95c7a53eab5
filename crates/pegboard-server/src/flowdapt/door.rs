//! The dialect's side of the door: redirects to the canonical path, CORS for the dashboard, one form for every refusal.
//!
//! It lies around the guard, so that what the guard says to an old client is said in words that the client can read.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN,
    TRANSFER_ENCODING, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use pegboard_model::Error;
use serde_json::{Value as Json, json};

use super::answer::{DISALLOWED, Refused, Spoken};
use crate::app::App;
use crate::error::ErrorBody;

/// Collections: with a slash at the end.
const COLLECTIONS: [&str; 4] = ["/workflows", "/configs", "/triggers", "/plugin"];
/// Single paths: without.
const SINGLE: [&str; 3] = ["/status", "/metrics", "/drain"];
/// Where somebody else's form holds.
const ELSEWHERE: [&str; 6] = ["/api", "/ui", "/-", "/v2", "/socket.io", "/files"];
/// Seconds that a browser may keep a preflight's answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
const YES: HeaderValue = HeaderValue::from_static("true");
/// What an error in plain text may take; they are one sentence.
const SENTENCE: usize = 16 << 10;

/// Whose path it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Dialect,
    Other,
    Nobody,
}

pub(crate) async fn door(State(app): State<App>, request: Request, next: Next) -> Response {
    let owner = owner(request.uri().path());
    if owner == Owner::Other {
        return next.run(request).await;
    }
    if let Some(path) = canonical(request.uri().path()) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        return Redirect::temporary(&format!("{path}{query}")).into_response();
    }
    if owner == Owner::Dialect
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && let Some(origin) = request.headers().get(ORIGIN)
    {
        return preflight(origin, request.headers());
    }
    let origin = request.headers().get(ORIGIN).filter(|origin| is_local(origin)).cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    if owner == Owner::Nobody {
        return both_forms(response);
    }
    app.flowdapt.request(begun.elapsed());
    let mut response = dialect_form(response).await;
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn owner(path: &str) -> Owner {
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if path == "/" || COLLECTIONS.iter().chain(&SINGLE).any(|prefix| below(prefix)) {
        Owner::Dialect
    } else if ELSEWHERE.iter().any(|prefix| below(prefix)) {
        Owner::Other
    } else {
        Owner::Nobody
    }
}

/// The path that is meant, when it is another one.
fn canonical(path: &str) -> Option<String> {
    if COLLECTIONS.contains(&path) {
        return Some(format!("{path}/"));
    }
    let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty() && !bare.ends_with('/'))?;
    let single = SINGLE.contains(&bare);
    let inside = COLLECTIONS.iter().any(|prefix| bare.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')));
    (single || inside).then(|| bare.to_owned())
}

/// `http://localhost` and `http://127.0.0.1`, any port.
fn is_local(origin: &HeaderValue) -> bool {
    let Some(authority) = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) else { return false };
    let (name, port) = authority.split_once(':').unwrap_or((authority, "0"));
    matches!(name, "localhost" | "127.0.0.1") && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn preflight(origin: &HeaderValue, asked: &HeaderMap) -> Response {
    let mut response =
        if is_local(origin) { "OK".into_response() } else { (DISALLOWED, "Disallowed CORS origin").into_response() };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
    if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if is_local(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

/// A refusal that another part of the server spoke, said again in the dialect's form.
async fn dialect_form(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || response.extensions().get::<Spoken>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let refused = match parts.extensions.remove::<Error>() {
        Some(error) => Refused::from(error),
        None => {
            let text = axum::body::to_bytes(body, SENTENCE).await.unwrap_or_default();
            Refused::bad(String::from_utf8_lossy(&text).into_owned())
        }
    };
    keep_headers(&parts.headers, refused.into_response())
}

/// Nobody's path: who asked is not known, so the answer can be read in both forms.
fn both_forms(response: Response) -> Response {
    let Some(error) = response.extensions().get::<Error>().cloned() else { return response };
    let body = ErrorBody::from(&error);
    let dialect = Refused::from(error);
    let detail = dialect.detail().to_owned();
    let status = response.status();
    let answer: Json = json!({ "detail": detail, "status_code": status.as_u16(), "error": body });
    let mut both = (status, axum::Json(answer)).into_response();
    *both.extensions_mut() = response.extensions().clone();
    keep_headers(response.headers(), both)
}

fn keep_headers(from: &HeaderMap, mut to: Response) -> Response {
    for (name, value) in from {
        if ![CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            to.headers_mut().insert(name.clone(), value.clone());
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_an_owner_and_one_form() {
        for (path, whose, meant) in [
            ("/", Owner::Dialect, None),
            ("/workflows", Owner::Dialect, Some("/workflows/")),
            ("/workflows/", Owner::Dialect, None),
            ("/workflows/a", Owner::Dialect, None),
            ("/workflows/a/", Owner::Dialect, Some("/workflows/a")),
            ("/workflows/a/run/", Owner::Dialect, Some("/workflows/a/run")),
            ("/workflows//", Owner::Dialect, None),
            ("/status/", Owner::Dialect, Some("/status")),
            ("/statuses", Owner::Nobody, None),
            ("/workflowsx/", Owner::Nobody, None),
            ("/api/v1/runs", Owner::Other, None),
            ("/ui/", Owner::Other, None),
            ("/-/health", Owner::Other, None),
            ("/nope", Owner::Nobody, None),
        ] {
            assert_eq!((owner(path), canonical(path).as_deref()), (whose, meant), "{path}");
        }
    }

    #[test]
    fn local_origins_only() {
        for (origin, local) in [
            ("http://localhost:3030", true),
            ("http://127.0.0.1:1", true),
            ("http://localhost", true),
            ("https://localhost:3030", false),
            ("http://localhost:", false),
            ("http://localhost.evil.example:80", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(is_local(&HeaderValue::from_static(origin)), local, "{origin}");
        }
    }
}
