//! Pages, as a browser without scripts would be shown them.

mod every;
mod hub;
mod logs;
mod open;
mod origins;
mod projects;
mod story;
mod workflows;

use serde_json::Value as Json;

use crate::support::World;

/// A name that is markup, a script and a template at once.
const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ 7*7 }}";
/// As a page has to show it.
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;{{ 7*7 }}";

/// Asks with a JSON body; status and answer.
#[track_caller]
fn ask(world: &World, method: &str, path: &str, body: &Json) -> (u16, Json) {
    let body = body.to_string();
    let (status, _, answer) = world.http(&format!(
        "{method} {path} HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: {}\n\n{body}",
        body.len()
    ));
    (status, serde_json::from_str(&answer).unwrap_or(Json::Null))
}

/// The same for what has to be answered with 200.
#[track_caller]
fn well(world: &World, method: &str, path: &str, body: &Json) -> Json {
    let (status, answer) = ask(world, method, path, body);
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

/// A page's text: no page may hold anything that its content security policy forbids.
#[track_caller]
fn page(world: &World, path: &str) -> String {
    let (status, head, body) = world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
    assert_eq!(status, 200, "{path}: {body}");
    assert!(head.contains("content-security-policy") && !head.contains("unsafe"), "{head}");
    for never in [" style=\"", "<script>", " onclick", " onerror=\"", "\"javascript:", "{{ project"] {
        assert!(!body.contains(never), "{never} in {path}");
    }
    body
}
