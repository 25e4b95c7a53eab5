//! Every route of the table, tried by everybody.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use pegboard_model::OrganizationRole;
use pegboard_server::{Access, Realm, Route, listed_routes};
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::world::{Answer, Door};

/// What the door itself refuses with.
const REFUSALS: [&str; 5] = ["sign-in-needed", "invalid-api-key", "role-too-low", "other-organization", "csrf-token"];
/// Longest time for a route that waits for news: one that waits has let in.
const PATIENCE: Duration = Duration::from_secs(5);

/// The route's pattern with something in the place of each name.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{kind}" => "data_source",
        part if part.starts_with("{*") => "some/where",
        part if part.starts_with('{') => "64e5b8f1a2c3d4e5f6012345",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Refusals have the form of the dialect that the path belongs to: what they say is the same.
fn code(answer: &Answer) -> &'static str {
    if answer.status < 400 {
        return "";
    }
    let said = answer.code();
    let text = answer.body.to_string();
    let by_words = [
        ("answers only those whom it knows", "sign-in-needed"),
        ("the key is unknown, revoked or over", "invalid-api-key"),
        ("this takes the role", "role-too-low"),
        ("the server's own organization", "other-organization"),
    ];
    let known = REFUSALS.iter().find(|code| **code == said).copied();
    known.or_else(|| by_words.iter().find(|(words, _)| text.contains(words)).map(|(_, code)| *code)).unwrap_or("")
}

async fn try_it(door: &Door, route: &Route, key: Option<&str>) -> (u16, &'static str) {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    // A body that no route takes: what is let in does no harm.
    let body = if route.method == "GET" { Json::Null } else { json!("{]") };
    match timeout(PATIENCE, door.ask(route.method.as_str(), &path(route), &headers, body)).await {
        Ok(answer) => (answer.status, code(&answer)),
        Err(_) => (0, ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_the_table_says() {
    let door = Door::new().await;
    let stranger = door.stranger("elsewhere").await;
    let admin = door.admin().await;
    let keys = [
        ("nobody", None, None),
        ("wrong key", Some("wrong".to_owned()), None),
        ("ended key", Some(door.key_of(&admin, Some(0)).await), None),
        ("another organization's admin", Some(door.key_of(&stranger, None).await), Some(OrganizationRole::Admin)),
        ("viewer", Some(door.key(OrganizationRole::Viewer).await), Some(OrganizationRole::Viewer)),
        ("member", Some(door.key(OrganizationRole::Member).await), Some(OrganizationRole::Member)),
        ("admin", Some(door.key(OrganizationRole::Admin).await), Some(OrganizationRole::Admin)),
    ];
    let routes = listed_routes();
    let (mut counts, mut problems) = (BTreeMap::<_, usize>::new(), Vec::new());
    for route in &routes {
        for (who, key, role) in &keys {
            let (status, code) = try_it(&door, route, key.as_deref()).await;
            let expected = match (route.access, role) {
                (Access::Open | Access::OwnCheck, _) => "",
                (_, None) if key.is_none() => "sign-in-needed",
                (_, None) => "invalid-api-key",
                (_, Some(_)) if route.realm == Realm::Server && who.starts_with("another") => "other-organization",
                (access, Some(role)) if access.role().is_some_and(|least| *role < least) => "role-too-low",
                _ => "",
            };
            // What looks for itself refuses in its own words; a wrong key never gets through it either.
            let holds = match route.access {
                Access::OwnCheck => !(200..300).contains(&status) || role.is_some(),
                // A page shows what the API answers to its viewer, refusals too.
                _ if route.path.starts_with("/ui/") && code == "other-organization" => who.starts_with("another"),
                _ => code == expected && status != 500 && (status != 401 || !code.is_empty()),
            };
            if !holds {
                problems.push(format!("{} {} by {who}: {status} {code:?}, not {expected:?}", route.method, route.path));
            }
            let verdict = match (route.access, code) {
                (Access::OwnCheck, _) if (400..500).contains(&status) => "refused by its own check",
                (_, "") => "let in",
                (_, code) => code,
            };
            *counts.entry((*who, verdict)).or_default() += 1;
        }
    }
    let mut table = format!("{} routes\n", routes.len());
    for ((who, verdict), count) in &counts {
        table.push_str(&format!("{who:<30} {verdict:<26} {count:>4}\n"));
    }
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("access-matrix.txt"), &table).unwrap();
    println!("{table}");
    assert!(problems.is_empty(), "{}\n{table}", problems.join("\n"));
    assert!(routes.len() > 150 && counts.values().sum::<usize>() == routes.len() * keys.len(), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_nobody_serves_tell_strangers_nothing() {
    let door = Door::new().await;
    for (method, path) in [("GET", "/nope"), ("POST", "/api/v1/nope"), ("PATCH", "/api/v1/runs"), ("GET", "/ui/nope")] {
        let answer = door.ask(method, path, &[], Json::Null).await;
        assert_eq!((answer.status, code(&answer)), (401, "sign-in-needed"), "{method} {path}");
    }
    let viewer = door.key(OrganizationRole::Viewer).await;
    door.by_key(&viewer, "GET", "/api/v1/nope", Json::Null).await.is(404);
    door.by_key(&viewer, "PATCH", "/api/v1/runs", Json::Null).await.is(405);
    door.ask("HEAD", "/api/v1/runs", &[], Json::Null).await.is(401);
    door.by_key(&viewer, "HEAD", "/api/v1/runs", Json::Null).await.is(200);
    let page = door.ask("GET", "/ui/?x=1", &[("accept", "text/html")], Json::Null).await.is(303);
    assert_eq!(page.headers["location"], "/ui/sign-in?next=%2Fui%2F%3Fx%3D1");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_need_everybody_here_is_the_first_admin() {
    let api = crate::api::Api::with(&[]).await;
    let door = Door { api };
    let session = door.ask("GET", "/api/v1/session", &[], Json::Null).await.is(200).body;
    assert_eq!(
        (&session["sign_in_needed"], &session["how"], &session["role"]),
        (&json!(false), &json!("local"), &json!("admin"))
    );
    door.ask("GET", "/api/v1/users", &[("authorization", "Bearer wrong")], Json::Null).await.is(200);
    door.ask("GET", "/api/v1/users", &[("host", "evil.example")], Json::Null).await.refuses(403, "forbidden-host");
}

/// A route that was added past the table would be added with axum's own words.
#[test]
fn routes_are_made_in_one_place() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    let (mut found, mut looked) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&source).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap_or_default();
            looked += 1;
            let makes = ["axum::routing", "Router::new()", "MethodRouter::new()", ".nest("];
            let times: usize = makes.iter().map(|word| text.matches(word).count()).sum();
            // One router lies around the table, so that paths are made right before a route is looked up; an empty one stands in for the
            // API where only the table is asked for.
            let allowed = match name.as_str() {
                "access/routes.rs" => times,
                "router.rs" => 2,
                _ => 0,
            };
            if times > allowed {
                found.push(name);
            }
        }
    }
    assert!(looked > 100 && found.is_empty(), "{found:?}");
}
