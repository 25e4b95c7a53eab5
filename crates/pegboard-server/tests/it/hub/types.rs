//! Runs of every type, end to end.

use serde_json::{Value as Json, json};

use super::clients::{NEWEST, OLDEST, Plugin, RELEASES};
use super::{failed, finished, lines, project};
use crate::support::{World, until};

/// What the script says that it was sent.
fn seen(session: &Json) -> &Json {
    &session["result"]["seen"]
}

#[test]
fn exports_on_each_release() {
    let world = World::new();
    let project = project(&world);
    for release in RELEASES {
        let mut plugin = Plugin::create(&world, "export", &[]);
        plugin.start(&world, release);
        let session = finished(&world, &plugin.id, &["--project", &project, "--stage", "all"]);
        let url = session["download"].as_str().unwrap().to_owned();
        let path = url.strip_prefix(&world.url).unwrap_or_else(|| panic!("{url}"));
        let file = world.get(path);
        assert_eq!(file["names"].as_array().unwrap().len(), 3, "{release}: {file}");
        assert_eq!(file["tasks"], 3, "{release}");
        assert_eq!((&file["seen"]["stage"], &file["seen"]["batches"]), (&json!([]), &json!([])));
        let notice = until("a notice", || {
            let told = world.run(&["events", "--json"]).well();
            let notices = told.stdout.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
            notices.into_iter().find(|event| event["data"]["session"] == session["id"])
        });
        assert_eq!(notice["type"], "com.pegboard.hub.session_finished");
        assert_eq!(notice["data"]["download"], session["download"]);
        assert!(lines(&world, &session)[0].starts_with("started in process"), "{session:#}");
        assert_eq!(session["progress"], json!({"total": 4, "done": 1}));
        // No task is in `Complete`: the zip has one empty entry, and the script still answers.
        let session = finished(&world, &plugin.id, &["--project", "cars"]);
        let path = session["download"].as_str().unwrap().strip_prefix(&world.url).unwrap().to_owned();
        assert_eq!(world.get(&path)["names"], json!([]), "{release}");
        assert_eq!(world.get(&path)["seen"]["stage"], json!(["Complete"]));
    }
}

/// A script on a new client that reads the form of the first generation, as its plugin's record says.
#[test]
fn an_export_in_both_forms() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "export", &["--old-export"]);
    plugin.start(&world, NEWEST);
    for (old, expected) in [("true", json!(["task", "tasks"])), ("false", json!(["task"]))] {
        world.run(&["hub", "edit", &plugin.id, "--old-export", old]).well();
        let session = finished(&world, &plugin.id, &["--project", &project, "--stage", "all"]);
        let path = session["download"].as_str().unwrap().strip_prefix(&world.url).unwrap().to_owned();
        assert_eq!(world.get(&path)["forms"], expected);
    }
}

#[test]
fn models_on_one_asset_on_each_release() {
    let world = World::new();
    let project = project(&world);
    let assets = world.get(&format!("/api/v1/projects/{project}/assets"));
    let asset = assets["assets"][0]["id"].as_str().unwrap();
    for release in [OLDEST, RELEASES[0], RELEASES[1]] {
        let mut plugin = Plugin::create(&world, "model", &["--class", "Car"]);
        plugin.start(&world, release);
        let session = finished(&world, &plugin.id, &["--project", &project, "--asset", asset, "--class", "Car=Vehicle"]);
        let expected = json!([{ "schemaId": "s-vehicle", "bounding-box": { "x": 1, "y": 2, "width": 3, "height": 4 } }]);
        assert_eq!(session["result"]["objects"], expected, "{release}: {session:#}");
        assert_eq!(session["result"]["relations"], json!([]));
        let session = finished(&world, &plugin.id, &["--project", &project, "--asset", asset]);
        assert_eq!(session["result"]["objects"][0]["schemaId"], json!(null), "nothing mapped is null, not an empty list");
        failed(
            &world,
            &plugin.id,
            &["--project", &project, "--asset", "64e5f00d0000000000000001"],
            "session-subject",
            "no such asset",
        );
    }
}

#[test]
fn batch_models_on_each_release() {
    let world = World::new();
    let project = project(&world);
    world.run(&["project", "batches", &project, "--create", "first"]).well();
    for release in [OLDEST, RELEASES[0], RELEASES[1]] {
        let mut plugin = Plugin::create(&world, "batch-model", &["--class", "Car", "--default-config", "{\"from\": \"record\"}"]);
        plugin.start(&world, release);
        let session = finished(&world, &plugin.id, &["--project", &project, "--class", "Car=s-vehicle", "--batch", "first"]);
        let sent = seen(&session);
        assert_eq!(sent["categorySchema"], json!([{ "schemaId": "s-vehicle", "modelClass": "Car" }]), "{release}: {session:#}");
        assert_eq!((&sent["projectId"], &sent["configJSON"]), (&json!(project), &json!("{\"from\": \"record\"}")));
        assert_eq!(sent["batches"].as_array().unwrap().len(), 1, "{release}: {sent}");
        assert_eq!(sent["batches"][0].as_str().unwrap().len(), 24, "ids, not names");
        assert_eq!((&sent["session"], sent["runBy"].as_str().unwrap().len()), (&session["id"], 24));
        let session = finished(&world, &plugin.id, &["--project", &project, "--config", "{\"do\": \"none\"}"]);
        assert_eq!(session["result"], json!(null), "{release}");
    }
}

#[test]
fn the_other_types_on_each_release() {
    let world = World::new();
    let project = project(&world);
    let (csv, template) = (world.file("rows.csv", "a,b\n1,2\n"), world.file("page.md", "# |a| <b>"));
    for release in RELEASES {
        let mut explorer = Plugin::create(&world, "file-explorer", &[]);
        explorer.start(&world, release);
        let listing = finished(&world, &explorer.id, &["--bucket", "b", "--storage", "s", "--project", &project]);
        assert_eq!(listing["result"], json!({ "folders": ["in/"], "files": ["page1.png"], "scrollToken": "t", "success": true }));
        let arguments = ["--bucket", "b", "--storage", "s", "--project", &project, "--scroll-token", "t"];
        assert_eq!(finished(&world, &explorer.id, &arguments)["result"]["files"], json!(["page2.png"]), "{release}");
        let import = ["--bucket", "b", "--project", &project, "--folder", "in/", "--upload"];
        assert_eq!(finished(&world, &explorer.id, &import)["result"], "imported the folder in/");
        let chosen = [&import[..], &["--file", "in/a.png"]].concat();
        assert_eq!(finished(&world, &explorer.id, &chosen)["result"], "imported ['in/a.png']");

        let mut markdown = Plugin::create(&world, "markdown-generator", &[]);
        markdown.start(&world, release);
        let session = finished(&world, &markdown.id, &["--project", &project, "--csv", &csv, "--template", &template]);
        assert_eq!(seen(&session)["inputFile"], "YSxiCjEsMgo=", "{release}");
        assert_eq!(seen(&session)["markdownText"], "# |a| &lt;b&gt;");

        let mut input = Plugin::create(&world, "input", &[]);
        input.start(&world, release);
        let session = finished(&world, &input.id, &["--project", &project, "--bucket", "b"]);
        assert_eq!((&seen(&session)["fileExplorerOptions"], &seen(&session)["bucket"]), (&json!([]), &json!("b")), "{release}");
    }
}

/// Tasks that enter a Plugin stage are answered and move on; those that fail stay, and go when they are sent again.
#[test]
fn a_models_stage_of_a_workflow() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "model", &["--default-config", "{\"do\": \"raise\"}"]);
    plugin.start(&world, NEWEST);
    let stages = json!([
        { "id": "Start", "type": "Start", "name": "Start", "next": ["Robot"] },
        { "id": "Robot", "type": "Plugin", "name": "Robot", "next": ["Complete"], "pluginId": plugin.id,
          "categorySchema": [{ "schemaId": "s-vehicle", "modelClass": "Car" }] },
        { "id": "Label", "type": "Label", "name": "Label", "next": ["Complete"] },
        { "id": "Complete", "type": "Complete", "name": "Complete", "next": [] },
    ]);
    let stages = world.file("stages.json", &stages.to_string());
    world.run(&["project", "stages", &project, &stages]).well();
    let more = [world.file("4.txt", "text 4"), world.file("5.txt", "text 5")];
    world.run(&["project", "upload", &project, &more[0], &more[1]]).well();
    let in_stage = |stage: &str| {
        let tasks = world.get(&format!("/api/v1/projects/{project}/tasks"));
        let all = tasks["tasks"].as_array().unwrap().clone();
        all.into_iter().filter(|task| task["stage"] == stage).collect::<Vec<_>>()
    };
    // The plugin fails: the tasks stay and say why.
    let stuck = until("two failed tasks", || {
        let stuck = in_stage("Robot");
        (stuck.len() == 2 && stuck.iter().all(|task| task["plugin"] == "failed")).then_some(stuck)
    });
    let why = stuck[0]["plugin_note"].as_str().unwrap_or_default();
    assert!(why.contains("Plugin callback failed") || why.contains("Workflow plugin failed"), "{stuck:?}");
    // Its config is mended and the stage runs again.
    world.run(&["hub", "edit", &plugin.id, "--default-config", "{}"]).well();
    world.run(&["project", "stages", &project, "--rerun", "Robot"]).well();
    let done = until("two answered tasks", || {
        let done = in_stage("Complete");
        (done.len() == 2).then_some(done)
    });
    for task in &done {
        let task = world.get(&format!("/api/v1/projects/{project}/tasks?stage=Complete"))["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|other| other["id"] == task["id"])
            .unwrap()
            .clone();
        assert_eq!(task["answer"]["tools"][0]["schemaId"], "s-vehicle", "{task:#}");
    }
    let sessions = world.run(&["hub", "sessions", "--plugin", &plugin.id, "--state", "finished", "--json"]).well().json();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert!(sessions.iter().all(|session| session["cause"] == "stage" && session["task"].is_string()));
}

/// The script listens and is called.
#[test]
fn the_rest_connector() {
    let world = World::new();
    let project = project(&world);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let url = format!("http://127.0.0.1:{port}");
    // The script's logger finds the hub through these.
    let variables = |host: &str| {
        [("CONNECTOR".to_owned(), "REST".to_owned()), ("PORT".to_owned(), port.clone()), ("HOST".to_owned(), host.to_owned())]
    };
    for kind in ["batch-model", "export"] {
        let mut plugin = Plugin::create(&world, kind, &["--rest-url", &url]);
        let owned = variables(&world.url);
        let pairs: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        plugin.spawn(&world.url, NEWEST, &pairs);
        plugin.wait_for_light(&world, true);
        let session = finished(&world, &plugin.id, &["--project", &project]);
        if kind == "export" {
            let path = session["download"].as_str().unwrap().strip_prefix(&world.url).unwrap().to_owned();
            assert_eq!(world.get(&path)["names"], json!([]));
        } else {
            assert_eq!(seen(&session)["projectId"], json!(project));
        }
        assert!(lines(&world, &session).iter().any(|line| line == "Files: [4/1]"), "{session:#}\n{}", plugin.said());
        failed(
            &world,
            &plugin.id,
            &["--project", &project, "--config", "{\"do\": \"raise\"}"],
            "plugin-raised",
            "the model is not there",
        );
        plugin.kill();
        plugin.wait_for_light(&world, false);
    }
}
