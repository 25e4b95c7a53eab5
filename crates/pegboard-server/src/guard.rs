//! The door while there is no sign-in: only a client on this machine, speaking for itself, comes in.
//!
//! A web page elsewhere can make a browser send us requests. Its name may point at our address (rebinding: the Host header
//! tells), and its forms may post to us (the Origin header tells). Both are refused before any handler runs.

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;

use crate::app::App;
use crate::error::ApiError;

pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match check(request.method(), request.uri(), request.headers(), &app.settings.server.allowed_hosts) {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError(error).into_response(),
    }
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> Result<(), Error> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(HOST).or_else(|| uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
    if !is_ours(host, allowed) {
        return Err(Error::invalid("forbidden-host", format!("requests for host `{host}` are not answered here"))
            .hint("use localhost or 127.0.0.1; behind a reverse proxy, add the name to `server.allowed_hosts`"));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let from = origin.split_once("://").map(|(_, authority)| authority).unwrap_or_default();
    if reads || is_ours(from, allowed) {
        return Ok(());
    }
    Err(Error::invalid("forbidden-origin", format!("a page of `{origin}` may not change anything here"))
        .hint("open Pegboard's own pages, or use the command line"))
}

fn is_ours(authority: &str, allowed: &[String]) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => authority,
    };
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || allowed.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins() {
        let post = Method::POST;
        let get = Method::GET;
        for (method, host, origin, expected) in [
            (&get, "localhost:8480", None, Ok(())),
            (&get, "127.0.0.1", None, Ok(())),
            (&get, "[::1]:99", None, Ok(())),
            (&get, "LOCALHOST", None, Ok(())),
            (&get, "peg.example", None, Ok(())),
            (&get, "evil.example:8480", None, Err("forbidden-host")),
            (&get, "localhost.evil.example", None, Err("forbidden-host")),
            (&get, "127.0.0.1.evil.example", None, Err("forbidden-host")),
            (&get, "", None, Err("forbidden-host")),
            (&post, "localhost", Some("http://localhost:3000"), Ok(())),
            (&post, "localhost", Some("https://peg.example"), Ok(())),
            (&post, "localhost", Some("https://evil.example"), Err("forbidden-origin")),
            (&post, "localhost", Some("null"), Err("forbidden-origin")),
            (&get, "localhost", Some("https://evil.example"), Ok(())),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let answer = check(method, &Uri::from_static("/"), &headers, &["peg.example".to_owned()]);
            assert_eq!(answer.map_err(|error| error.code), expected.map_err(str::to_owned), "{method} {host} {origin:?}");
        }
    }
}
