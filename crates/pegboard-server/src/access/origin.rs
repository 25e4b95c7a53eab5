//! Whether a request may be what a web page of somebody else made a browser send.
//!
//! Its page's name may point at our address (rebinding: the Host header tells), and its forms may post to us (the Origin header tells).
//! Where sign-in is needed, any host name is answered: a page that rebinds its name has no cookie of ours.

use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{Method, Uri};
use pegboard_model::Error;

use crate::config::ServerSettings;

/// Whether it changes nothing.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// # Errors
/// `forbidden-host` and, for what changes something, `forbidden-origin`.
pub(super) fn check(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    settings: &ServerSettings,
    needs_sign_in: bool,
) -> Result<(), Error> {
    let host = host(uri, headers);
    if !needs_sign_in && !is_this_machine(host, &settings.allowed_hosts) {
        return Err(Error::invalid("forbidden-host", format!("requests for host `{host}` are not answered here"))
            .hint("use localhost or 127.0.0.1; behind a reverse proxy, add the name to `server.allowed_hosts`"));
    }
    let Some(origin) = text(headers, ORIGIN.as_str()) else { return Ok(()) };
    if reads(method) || is_ours(origin, uri, headers, settings, needs_sign_in) {
        return Ok(());
    }
    Err(Error::invalid("forbidden-origin", format!("a page of `{origin}` may not change anything here"))
        .hint("open Pegboard's own pages, or use the command line; behind a reverse proxy, set `server.public_url`"))
}

/// Whether the request names a page that is none of ours, so that its cookie does not count.
pub(super) fn is_foreign(uri: &Uri, headers: &HeaderMap, settings: &ServerSettings) -> bool {
    text(headers, ORIGIN.as_str()).is_some_and(|origin| !is_ours(origin, uri, headers, settings, true))
}

/// Whether the browser says that a page of ours asks: `Sec-Fetch-Site`, or, where it does not send that (plain HTTP beyond this machine),
/// an Origin, which is known to be ours when we come here. No page can write either.
pub(super) fn is_said_to_be_ours(headers: &HeaderMap) -> bool {
    match text(headers, "sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.contains_key(ORIGIN),
    }
}

fn is_ours(origin: &str, uri: &Uri, headers: &HeaderMap, settings: &ServerSettings, needs_sign_in: bool) -> bool {
    let authority = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let from = authority(origin);
    if !needs_sign_in {
        return is_this_machine(&from, &settings.allowed_hosts);
    }
    let public = settings.public_url.as_deref().map(authority);
    let public = public.as_deref().map(|rest| rest.split('/').next().unwrap_or_default());
    let is_allowed = settings.allowed_hosts.iter().any(|host| host.eq_ignore_ascii_case(name(&from)));
    !from.is_empty()
        && (from.eq_ignore_ascii_case(host(uri, headers))
            || public.is_some_and(|public| public.eq_ignore_ascii_case(&from))
            || is_allowed)
}

fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    text(headers, HOST.as_str()).or_else(|| uri.authority().map(|authority| authority.as_str())).unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// An authority without its port.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn is_this_machine(authority: &str, allowed: &[String]) -> bool {
    let name = name(authority).to_ascii_lowercase();
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || allowed.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::Settings;

    fn settings() -> ServerSettings {
        let sources = Sources::default()
            .flag("--set", "server.allowed_hosts", Some("peg.example".to_owned()))
            .flag("--set", "server.public_url", Some("https://public.example:444/x".to_owned()));
        Settings::load(&sources).unwrap().server
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_sign_in_only_this_machine_is_answered() {
        let (post, get) = (Method::POST, Method::GET);
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
            let headers = match origin {
                Some(origin) => headers(&[("host", host), ("origin", origin)]),
                None => headers(&[("host", host)]),
            };
            let answer = check(method, &Uri::from_static("/"), &headers, &settings(), false);
            assert_eq!(answer.map_err(|error| error.code), expected.map_err(str::to_owned), "{method} {host} {origin:?}");
        }
    }

    #[test]
    fn with_sign_in_a_page_must_be_of_the_very_same_host() {
        for (origin, ours) in [
            ("http://10.0.0.5:8480", true),
            ("http://10.0.0.5", false),
            ("http://10.0.0.5:3000", false),
            ("http://localhost:8480", false),
            ("https://public.example:444", true),
            ("https://peg.example", true),
            ("null", false),
            ("http://", false),
        ] {
            let headers = headers(&[("host", "10.0.0.5:8480"), ("origin", origin)]);
            let answer = check(&Method::POST, &Uri::from_static("/"), &headers, &settings(), true);
            assert_eq!(answer.is_ok(), ours, "{origin}");
            assert_eq!(is_foreign(&Uri::from_static("/"), &headers, &settings()), !ours, "{origin}");
        }
        let from_anywhere = headers(&[("host", "any.example")]);
        assert!(check(&Method::POST, &Uri::from_static("/"), &from_anywhere, &settings(), true).is_ok());
    }

    #[test]
    fn a_browser_says_whose_page_asks() {
        for (pairs, ours) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "same-site"), ("origin", "http://h")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("origin", "http://h")], true),
            (vec![], false),
        ] {
            assert_eq!(is_said_to_be_ours(&headers(&pairs)), ours, "{pairs:?}");
        }
    }
}
