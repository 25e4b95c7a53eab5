//! Streams of events end with what let their listener in.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt as _;
use pegboard_model::OrganizationRole;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::world::{Door, SETTINGS};

const PASSWORD: &str = "a sentence of my own";
/// Longest time from the end of a session to the end of what it opened: it is looked at every two seconds, and remembered for five.
const SOON: Duration = Duration::from_secs(10);

/// Opens a stream and follows it to its end, from when it has begun to say something.
async fn follow(door: &Door, path: &str, header: (&str, &str)) -> JoinHandle<()> {
    let request = Request::get(path).header("host", "localhost").header(header.0, header.1).body(Body::empty()).unwrap();
    let response = door.api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let mut stream = response.into_body().into_data_stream();
    let first = timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with(b"event: "), "{first:?}");
    tokio::spawn(async move { while stream.next().await.is_some_and(|part| part.is_ok()) {} })
}

async fn ends(stream: JoinHandle<()>, why: &str) {
    timeout(SOON, stream).await.unwrap_or_else(|_| panic!("the stream goes on, although {why}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session_its_key_and_its_role() {
    let door = Door::new().await;
    let admin = door.key(OrganizationRole::Admin).await;
    let boss = format!("Bearer {admin}");
    let goes_on = follow(&door, "/api/v1/news", ("authorization", &boss)).await;
    let open = async |cookie: &str| follow(&door, "/api/v1/news", ("cookie", cookie)).await;

    // Signed out; another session of the same person goes on until it is ended.
    let ann = door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await;
    let again = door.sign_in("ann@example.org", PASSWORD, "192.0.2.1").await.is(200);
    let (cookie, token) = (ann.cookie(), ann.csrf_token());
    let own = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    let (first, second) = (open(&ann.cookie()).await, open(&again.cookie()).await);
    door.ask("DELETE", "/api/v1/session", &own, Json::Null).await.is(200);
    ends(first, "its session was signed out").await;
    assert!(!second.is_finished(), "another session of the same person");
    let (cookie, token) = (again.cookie(), again.csrf_token());
    let own = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    door.ask("DELETE", "/api/v1/sessions", &own, Json::Null).await.is(200);
    ends(second, "all sessions were ended").await;

    // Another role, whatever it is: what is told may be other things from now on.
    let third = open(&door.sign_in("ann@example.org", PASSWORD, "192.0.2.2").await.is(200).cookie()).await;
    door.by_key(&admin, "PATCH", "/api/v1/users/ann@example.org", json!({ "role": "viewer" })).await.is(200);
    ends(third, "the role is another one").await;
    let fourth = open(&door.sign_in("ann@example.org", PASSWORD, "192.0.2.3").await.is(200).cookie()).await;
    door.by_key(&admin, "DELETE", "/api/v1/users/ann@example.org", Json::Null).await.is(200);
    ends(fourth, "the user was removed").await;

    // A key, and the stream of a run that goes on.
    let stages = json!([{ "name": "only", "target": "wait.for_ever" }]);
    let document = json!({ "kind": "workflow", "metadata": { "name": "long" }, "spec": { "stages": stages } });
    door.by_key(&admin, "POST", "/api/v1/apply", document).await.is(200);
    let run = door.by_key(&admin, "POST", "/api/v1/runs", json!({ "workflow": "long" })).await.is(200).body;
    let run = format!("/api/v1/runs/{}", run["uid"].as_str().unwrap());
    let key = door.by_key(&admin, "POST", "/api/v1/keys", json!({ "name": "k" })).await.is(200).body;
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let fifth = follow(&door, &format!("{run}/events"), ("authorization", &bearer)).await;
    door.by_key(&admin, "DELETE", &format!("/api/v1/keys/{}", key["id"].as_str().unwrap()), Json::Null).await.is(200);
    ends(fifth, "the key was revoked").await;
    let state = door.by_key(&admin, "GET", &run, Json::Null).await.is(200).body["state"].clone();
    assert_eq!(state, "running");
    assert!(!goes_on.is_finished(), "nothing was taken from this one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_no_session_alive() {
    for setting in ["server.session_lifetime", "server.session_idle"] {
        let door = Door { api: crate::api::Api::with(&[SETTINGS[0], (setting, "4s")]).await };
        let admin = door.key(OrganizationRole::Admin).await;
        let cookie = door.signed_up(&admin, "ann@example.org", "member", PASSWORD).await.cookie();
        let stream = follow(&door, "/api/v1/news", ("cookie", &cookie)).await;
        ends(follow_on(stream).await, &format!("`{setting}` is over")).await;
    }
}

/// The time that the session itself lasts.
async fn follow_on(stream: JoinHandle<()>) -> JoinHandle<()> {
    tokio::time::sleep(Duration::from_secs(4)).await;
    stream
}
