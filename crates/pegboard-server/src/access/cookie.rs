//! The cookie of a browser that somebody signed in with.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// Its name.
const NAME: &str = "pegboard_session";

/// What `Set-Cookie` says when a session begins. No script reads it, no other site sends it along with what changes something.
pub(crate) fn session_cookie(token: &str, lifetime: Duration, is_https: bool) -> String {
    cookie(NAME, token, "/", lifetime, is_https)
}

/// What `Set-Cookie` says when it is over.
pub(crate) fn clear_cookie(is_https: bool) -> String {
    cookie(NAME, "", "/", Duration::ZERO, is_https)
}

/// Any cookie of ours.
pub(super) fn cookie(name: &str, value: &str, path: &str, lifetime: Duration, is_https: bool) -> String {
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={}; HttpOnly; SameSite=Lax{secure}", lifetime.as_secs())
}

/// The session's token, if the browser has one.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    value(headers, NAME)
}

/// The value of a cookie.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_and_what_is_read() {
        let text = session_cookie("abc", Duration::from_secs(60), true);
        assert_eq!(text, "pegboard_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(!session_cookie("abc", Duration::from_secs(60), false).contains("Secure"));
        assert!(clear_cookie(false).contains("Max-Age=0"));
        for (sent, expected) in [
            ("pegboard_session=abc", Some("abc")),
            ("a=b; pegboard_session=abc; c=d", Some("abc")),
            ("pegboard_session=", None),
            ("xpegboard_session=abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, sent.parse().unwrap());
            assert_eq!(session(&headers), expected, "{sent}");
        }
    }
}
