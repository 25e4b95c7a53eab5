//! Tasks on their way through stages, and what survives `kill -9`.

use serde_json::{Value as Json, json};

use super::ask::Hub;

fn stage(id: &str, kind: &str, next: &[&str]) -> Json {
    json!({ "id": id, "type": kind, "name": id, "next": next, "assignedTo": [], "position": { "x": 0, "y": 0 } })
}

fn where_is(hub: &Hub, task: &str) -> (String, Json) {
    let task = hub.get(&format!("/v2/task/{task}")).data()["task"].clone();
    (task["stage"].as_str().unwrap().to_owned(), task["plugin"].clone())
}

#[test]
fn logic_plugin_and_review() {
    let mut hub = Hub::new();
    hub.classes();
    let mut logic = stage("Logic", "Logic", &["Detector", "Review"]);
    logic["condition"] = json!({ "objects": { "$eq": 0 } });
    // No plugin is chosen: tasks wait for somebody to say so.
    let stages = json!([
        stage("Start", "Start", &["Label"]),
        stage("Label", "Label", &["Logic"]),
        logic,
        stage("Detector", "Plugin", &["Review"]),
        stage("Review", "Review", &["Complete", "Label"]),
        stage("Complete", "Complete", &[]),
    ]);
    hub.post(&format!("/v2/project/{}", hub.project), &json!({ "stages": stages })).data();
    let tasks = hub.assets(&["empty.png", "full.png"]);
    let car = json!({ "title": "Car", "bounding-box": { "x": 1, "y": 2, "width": 3, "height": 4 } });
    let annotate = |hub: &Hub, task: &str, answer: Json| {
        hub.post(&format!("/v2/annotate/{task}?nextStage=true"), &json!({ "answer": answer, "duration": 10 })).data()
    };
    annotate(&hub, &tasks[0], json!({ "objects": [] }));
    annotate(&hub, &tasks[1], json!({ "objects": [car] }));
    assert_eq!(where_is(&hub, &tasks[0]), ("Detector".to_owned(), json!("held")));
    assert_eq!(where_is(&hub, &tasks[1]), ("Review".to_owned(), Json::Null));

    // A plugin's answer takes the task on; a second one comes too late and changes nothing.
    let plugin = format!("/v2/annotate/{}?nextStage=true&isPlugin=true", tasks[0]);
    hub.post(&plugin, &json!({ "answer": { "objects": [car] }, "brushDataUrl": null, "duration": 0 })).data();
    assert_eq!(where_is(&hub, &tasks[0]), ("Review".to_owned(), Json::Null));
    hub.post(&plugin, &json!({ "answer": { "objects": [] } })).refused(409, "task-elsewhere");

    // Rejected: to the second way.
    hub.post(&format!("/v2/review/{}", tasks[0]), &json!({ "reviewStatus": "Rejected" })).data();
    hub.post(&format!("/v2/review/{}", tasks[1]), &json!({ "reviewStatus": "Accepted" })).data();
    assert_eq!(where_is(&hub, &tasks[0]).0, "Label");
    assert_eq!(where_is(&hub, &tasks[1]).0, "Complete");

    hub.world.kill();
    hub.world.start();
    assert_eq!(where_is(&hub, &tasks[0]).0, "Label", "what was acknowledged survives");
    let history = hub.get(&format!("/v2/task/{}/history", tasks[0])).data();
    let left: Vec<&str> =
        history["taskHistory"].as_array().unwrap().iter().map(|past| past["stageId"].as_str().unwrap()).collect();
    assert_eq!(left, ["Start", "Label", "Logic", "Detector", "Review"]);
    let shown = hub.world.run(&["project", "show", &hub.project]).well().stdout;
    assert!(shown.lines().any(|line| line.starts_with("Complete") && line.ends_with('1')), "{shown}");
    hub.world.run(&["project", "stages", &hub.project, "--rerun", "Detector"]).failed(1, &["has no plugin", "pluginId"]);
    hub.world.run(&["project", "stages", &hub.project, "--rerun", "Label"]).failed(1, &["runs no plugin"]);
}

#[test]
fn a_hundred_at_once_lose_nothing() {
    let hub = Hub::new();
    let task = hub.assets(&["a.png"]).remove(0);
    // Batches and answers of many clients at the same moment: each sees what the others did.
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (hub, task) = (&hub, &task);
            scope.spawn(move || {
                hub.post(&format!("/v2/batches/{}", hub.project), &json!({ "name": format!("batch-{number}") })).data();
                hub.post(&format!("/v2/annotate/{task}"), &json!({ "answer": {}, "duration": 1 })).data();
            });
        }
    });
    let project = hub.get(&format!("/v2/project/{}", hub.project)).data()["project"].clone();
    assert_eq!(project["batches"].as_array().unwrap().len(), 20);
    assert_eq!(hub.get(&format!("/v2/task/{task}")).data()["task"]["duration"], 20);
}
