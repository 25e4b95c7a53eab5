//! The record of who did what has the dialects' changes, and nothing of what plugins do by themselves.

use pegboard_model::OrganizationRole;
use serde_json::{Value as Json, json};

use super::world::Door;
use crate::support::{World, end, until};

/// What the record says, without the first lines of the test itself.
async fn recorded(door: &Door, admin: &str, wanted: usize) -> Vec<Json> {
    for _ in 0..200 {
        let list = door.by_key(admin, "GET", "/api/v1/audit?limit=1000", Json::Null).await.is(200).body;
        let entries = list["entries"].as_array().unwrap();
        if entries.len() >= wanted {
            return entries.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the record has less than {wanted} lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_in_both_dialects_are_in_the_record() {
    let door = Door::new().await;
    let (admin, member) = (door.key(OrganizationRole::Admin).await, door.key(OrganizationRole::Member).await);
    let viewer = door.key(OrganizationRole::Viewer).await;
    let v2 = async |key: &str, method: &str, path: &str, body: Json| door.ask(method, path, &[("apikey", key)], body).await;
    let project = v2(&member, "POST", "/v2/project", json!({ "name": "p" })).await.is(200).body;
    let id = project["data"]["project"]["_id"].as_str().or(project["data"]["_id"].as_str()).unwrap().to_owned();
    v2(&member, "POST", &format!("/v2/project/{id}"), json!({ "name": "q" })).await.is(200);
    v2(&admin, "DELETE", &format!("/v2/project/{id}"), Json::Null).await.is(200);
    // Looking, and what was refused, are not.
    v2(&member, "GET", "/v2/listProjects", Json::Null).await.is(200);
    v2(&viewer, "POST", "/v2/project", json!({ "name": "q" })).await.is(403);
    v2("wrong", "POST", "/v2/project", json!({ "name": "q" })).await.is(401);
    assert!(v2(&member, "POST", &format!("/v2/project/{id}"), json!({})).await.status >= 400);
    // What scripts of the REST connector say is nobody's change.
    v2(&member, "POST", "/v2/pluginLog", json!({})).await.is(200);

    let flowdapt = async |method: &str, path: &str, body: Json| {
        let bearer = format!("Bearer {member}");
        let kind = ("content-type", "application/vnd.flowdapt.v1alpha1+json");
        door.ask(method, path, &[("authorization", &bearer), kind], Json::String(body.to_string())).await
    };
    let workflow = json!({ "kind": "workflow", "metadata": { "name": "w" },
        "spec": { "stages": [{ "name": "only", "target": "say.hello", "type": "simple" }] } });
    flowdapt("POST", "/workflows/", workflow).await.is(200);
    flowdapt("GET", "/workflows/", json!(null)).await.is(200);
    flowdapt("DELETE", "/workflows/w", json!(null)).await.is(200);
    assert_eq!(flowdapt("DELETE", "/workflows/w", json!(null)).await.status, 404);

    let all = recorded(&door, &admin, 5).await;
    let said = |entry: &Json| {
        let who = entry["who"].as_str().unwrap().split('-').next().unwrap();
        format!(
            "{who} {} {} {}",
            entry["how"].as_str().unwrap(),
            entry["action"].as_str().unwrap(),
            entry["subject"].as_str().unwrap()
        )
    };
    let mut said: Vec<String> = all.iter().map(said).collect();
    said.sort();
    assert_eq!(
        said,
        [
            format!("admin key DELETE /v2/project/{{id}} /v2/project/{id}"),
            "member key DELETE /workflows/{id} /workflows/w".to_owned(),
            "member key POST /v2/project /v2/project".to_owned(),
            format!("member key POST /v2/project/{{id}} /v2/project/{id}"),
            "member key POST /workflows/ /workflows/".to_owned(),
        ]
    );
    assert!(all.iter().all(|entry| entry["key"].is_string()), "{all:?}");
}

const SCRIPT: &str = "
import json, os, urllib.request
from pegboard.hub import BatchModelPlugin, run

def work(payload):
    items = {'assets': [{'data': 'two', 'externalId': 'two'}]}
    request = urllib.request.Request(f\"{os.environ['HOST']}/v2/project/{payload.project_id}/cloud\", json.dumps(items).encode(),
        {'apikey': payload.api_key, 'Content-Type': 'application/json'})
    with urllib.request.urlopen(request) as answer:
        return {'status': answer.status}

run(BatchModelPlugin(os.environ['PLUGIN_ID'], os.environ['PLUGIN_SECRET'], work))
";

#[test]
fn what_a_plugin_answers_is_nobodys_change() {
    let world = World::new();
    let own = |arguments: &[&str]| end(&mut world.command(arguments)).well().stdout;
    let project: Json = serde_json::from_str(&own(&["project", "create", "cars", "--json"])).unwrap();
    let project = project["id"].as_str().unwrap();
    own(&["hub", "create", "--type", "batch-model", "--name", "Steps"]);
    own(&["hub", "host", "Steps", &world.file("steps.py", SCRIPT)]);
    until("the light", || (world.get("/api/v1/hub/plugins/Steps")["live"] == true).then_some(()));
    let session: Json = serde_json::from_str(&own(&["hub", "run", "Steps", "--project", project, "--json"])).unwrap();
    let session = world.get(&format!("/api/v1/hub/sessions/{}?wait=50", session["id"].as_str().unwrap()));
    assert_eq!((&session["state"], &session["result"]["status"]), (&json!("finished"), &json!(200)), "{session}");
    assert_eq!(world.get(&format!("/api/v1/projects/{project}/assets"))["total"], 1, "it did change something");
    let record = until("the record of the run", || {
        let record = world.get("/api/v1/audit?limit=1000");
        record.to_string().contains("/sessions").then_some(record)
    });
    let actions: Vec<&str> =
        record["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"POST /api/v1/hub/plugins/{id}/sessions"), "{actions:?}");
    assert!(actions.iter().all(|action| !action.contains("/v2/")), "{actions:?}");
}
