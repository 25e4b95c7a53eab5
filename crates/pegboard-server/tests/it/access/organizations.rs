//! What belongs to an organization is its own.

use pegboard_model::OrganizationRole;
use serde_json::{Value as Json, json};

use super::world::Door;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_found() {
    let door = Door::new().await;
    let ours = door.key(OrganizationRole::Admin).await;
    let made = door
        .by_key(&ours, "POST", "/api/v1/organizations", json!({ "name": "Other", "admin": "boss@other.example" }))
        .await
        .is(200);
    assert!(made.body["admin"]["link"].as_str().unwrap().contains("/ui/link/"));
    door.by_key(&ours, "POST", "/api/v1/organizations", json!({ "name": "Third", "admin": "boss@other.example" }))
        .await
        .refuses(409, "user-exists");
    let boss = door.api.labelling.user_called("boss@other.example").await.unwrap().unwrap();
    let theirs = door.key_of(&boss, None).await;
    door.by_key(&theirs, "GET", "/api/v1/organizations", Json::Null).await.refuses(403, "other-organization");
    let all = door.by_key(&ours, "GET", "/api/v1/organizations", Json::Null).await.is(200).body;
    assert_eq!(all["organizations"].as_array().unwrap().len(), 2);
    assert_eq!(all["organizations"][0]["first"], true);

    // Things of theirs.
    let project = door.by_key(&theirs, "POST", "/api/v1/projects", json!({ "name": "secret" })).await.is(200).body;
    let id = project["id"].as_str().unwrap();
    assert_eq!(project["organization"], boss.organization.to_string());
    let plugin = json!({ "name": "theirs", "type": "export" });
    let plugin = door.by_key(&theirs, "POST", "/api/v1/hub/plugins", plugin).await.is(200).body;
    let plugin = plugin["plugin"]["id"].as_str().or(plugin["id"].as_str()).unwrap().to_owned();
    let storage = json!({ "name": "s", "provider": "LOCAL", "folder": "/tmp/nowhere" });
    let storage = door.by_key(&theirs, "POST", "/api/v1/storages", storage).await.is(200).body;
    let storage = storage["id"].as_str().unwrap();
    let preset = json!({ "name": "p", "project": id, "plugin": plugin, "config": {} });
    let preset = door.by_key(&theirs, "POST", "/api/v1/hub/presets", preset).await.is(200).body;
    let preset = preset["id"].as_str().unwrap();

    // By id and by name they are not there for us.
    for (method, path, body) in [
        ("GET", format!("/api/v1/projects/{id}"), Json::Null),
        ("GET", "/api/v1/projects/secret".to_owned(), Json::Null),
        ("DELETE", format!("/api/v1/projects/{id}"), Json::Null),
        ("PUT", format!("/api/v1/projects/{id}/schema"), json!({})),
        ("PUT", format!("/api/v1/projects/{id}/stages"), json!([])),
        ("POST", format!("/api/v1/projects/{id}/stages/Label/rerun"), Json::Null),
        ("POST", format!("/api/v1/projects/{id}/batches"), json!({ "name": "b" })),
        ("GET", format!("/api/v1/projects/{id}/assets"), Json::Null),
        ("POST", format!("/api/v1/projects/{id}/assets"), json!({ "items": [] })),
        ("POST", format!("/api/v1/projects/{id}/labels"), json!({ "items": [] })),
        ("GET", format!("/api/v1/projects/{id}/tasks"), Json::Null),
        ("POST", format!("/api/v1/projects/{id}/uploads"), json!({ "name": "x.png" })),
        ("POST", format!("/api/v1/projects/{id}/exports"), json!({})),
        ("GET", format!("/api/v1/hub/plugins/{plugin}"), Json::Null),
        ("GET", "/api/v1/hub/plugins/theirs".to_owned(), Json::Null),
        ("PUT", format!("/api/v1/hub/plugins/{plugin}"), json!({ "name": "ours" })),
        ("DELETE", format!("/api/v1/hub/plugins/{plugin}"), Json::Null),
        ("POST", format!("/api/v1/hub/plugins/{plugin}/secret"), Json::Null),
        ("POST", format!("/api/v1/hub/plugins/{plugin}/install"), Json::Null),
        ("POST", format!("/api/v1/hub/plugins/{plugin}/sessions"), json!({})),
        ("PUT", format!("/api/v1/hub/plugins/{plugin}/host"), json!({ "file_name": "x.py", "script": "" })),
        ("GET", format!("/api/v1/hub/plugins/{plugin}/host/log"), Json::Null),
        ("GET", format!("/api/v1/hub/plugins/{plugin}/scripts"), Json::Null),
        ("POST", format!("/api/v1/hub/plugins/{plugin}/check"), json!({})),
        ("DELETE", format!("/api/v1/hub/presets/{preset}"), Json::Null),
        ("DELETE", format!("/api/v1/storages/{storage}"), Json::Null),
        ("PATCH", "/api/v1/users/boss@other.example".to_owned(), json!({ "role": "viewer" })),
        ("POST", "/api/v1/users/boss@other.example/link".to_owned(), Json::Null),
        ("DELETE", "/api/v1/users/boss@other.example".to_owned(), Json::Null),
    ] {
        let answer = door.by_key(&ours, method, &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
    for (path, list) in [
        ("/api/v1/projects", "projects"),
        ("/api/v1/hub/plugins", "plugins"),
        ("/api/v1/hub/plugins?scope=directory", "plugins"),
        ("/api/v1/hub/plugins?scope=available", "plugins"),
        ("/api/v1/hub/sessions", "sessions"),
        ("/api/v1/storages", "storages"),
    ] {
        let found = door.by_key(&ours, "GET", path, Json::Null).await.is(200).body;
        assert_eq!(found[list], json!([]), "{path}");
    }
    // Ango's dialect says the same.
    let v2 = async |key: &str, path: &str| door.ask("GET", path, &[("apikey", key)], Json::Null).await;
    assert_eq!(v2(&ours, &format!("/v2/project/{id}")).await.status, 400);
    v2(&theirs, &format!("/v2/project/{id}")).await.is(200);
    assert_eq!(v2(&ours, "/v2/listProjects").await.is(200).body["data"]["projects"], json!([]));
    assert_eq!(v2(&ours, "/v2/storages").await.is(200).body["data"]["storages"], json!([]));
    assert_eq!(v2(&ours, &format!("/v2/organization/{}/users", boss.organization)).await.status, 404);

    // What they show to everybody is seen and installed, and stays theirs.
    door.by_key(&theirs, "PUT", &format!("/api/v1/hub/plugins/{plugin}"), json!({ "public": true, "listed": true }))
        .await
        .is(200);
    let seen = door.by_key(&ours, "GET", "/api/v1/hub/plugins?scope=directory", Json::Null).await.is(200).body;
    assert_eq!(seen["plugins"].as_array().unwrap().len(), 1);
    door.by_key(&ours, "GET", &format!("/api/v1/hub/plugins/{plugin}"), Json::Null).await.is(200);
    door.by_key(&ours, "POST", &format!("/api/v1/hub/plugins/{plugin}/install"), Json::Null).await.is(200);
    door.by_key(&ours, "PUT", &format!("/api/v1/hub/plugins/{plugin}"), json!({ "name": "ours" })).await.is(404);
    door.by_key(&ours, "POST", &format!("/api/v1/hub/plugins/{plugin}/secret"), Json::Null).await.is(404);

    // The server's own things are not theirs.
    for path in
        ["/api/v1/runs", "/api/v1/workflows", "/api/v1/plugins", "/api/v1/catalog/model", "/-/metrics", "/ui/dash/_dash-layout"]
    {
        door.by_key(&theirs, "GET", path, Json::Null).await.refuses(403, "other-organization");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_key_changes_nothing_in_the_dialect_either() {
    let door = Door::new().await;
    let (admin, viewer) = (door.key(OrganizationRole::Admin).await, door.key(OrganizationRole::Viewer).await);
    let v2 = async |key: &str, method: &str, path: &str, body: Json| door.ask(method, path, &[("apikey", key)], body).await;
    v2(&viewer, "GET", "/v2/listProjects", Json::Null).await.is(200);
    for (method, path) in
        [("POST", "/v2/project"), ("GET", "/v2/getUploadUrl?name=a.png"), ("GET", "/v2/storages"), ("DELETE", "/v2/storages/x")]
    {
        v2(&viewer, method, path, json!({ "name": "p" })).await.refuses(403, "viewers-only-look");
    }
    v2(&admin, "POST", "/v2/project", json!({ "name": "p" })).await.is(200);
    v2("wrong", "GET", "/v2/listProjects", Json::Null).await.refuses(401, "invalid-api-key");
}
