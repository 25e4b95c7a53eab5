//! The scripts that people are given to begin with: written to a file as they are told, started, live, run, finished.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use super::clients::{NEWEST, program, python};
use super::{finished, project};
use crate::support::{World, root, until};

/// A script's process; ends with the value.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a plugin as the page does.
#[track_caller]
fn made(world: &World, kind: &str) -> Json {
    let body = json!({ "type": kind, "name": kind, "class_names": ["Car"], "default_config": "{}", "listed": false }).to_string();
    let host = world.url.strip_prefix("http://").unwrap();
    let (status, _, answer) = world.http(&format!(
        "POST /api/v1/hub/plugins HTTP/1.0\nHost: {host}\nContent-Type: application/json\nContent-Length: {}\n\n{body}",
        body.len()
    ));
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn start(mut command: Command, world: &World, plugin: &Json) -> Started {
    let id = plugin["id"].as_str().unwrap();
    let log = fs::File::create(world.folder.path().join(format!("{id}.log"))).unwrap();
    command.current_dir(world.folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    for name in ["CONNECTOR", "HOST", "PLUGIN_ID", "PLUGIN_SECRET", "PLUGIN_FOLDER"] {
        command.env_remove(name);
    }
    let started = Started(command.spawn().unwrap());
    until("the light of the script", || (world.get(&format!("/api/v1/hub/plugins/{id}"))["live"] == true).then_some(()));
    started
}

#[test]
fn each_script_runs_as_it_is_told() {
    let world = World::new();
    let project = project(&world);
    let asset = world.get(&format!("/api/v1/projects/{project}/assets"))["assets"][0]["id"].as_str().unwrap().to_owned();
    let (csv, template) = (world.file("rows.csv", "title,text\nA,b\nC,d\n"), world.file("page.md", "# |title|"));
    fs::create_dir_all(world.folder.path().join("bucket/in")).unwrap();
    world.file("bucket/in/note.txt", "hello");
    let runs: [(&str, Vec<&str>, &str); 6] = [
        ("export", vec!["--stage", "all"], "labels.csv"),
        ("model", vec!["--asset", &asset, "--class", "Car=Vehicle"], "s-vehicle"),
        ("batch_model", vec!["--class", "Car=Vehicle"], "assets have labels now"),
        ("file_explorer", vec!["--bucket", "bucket", "--folder", "in/", "--upload"], "1 files imported"),
        ("markdown_generator", vec!["--csv", &csv, "--template", &template], "2 pages"),
        ("input", vec![], "2 assets"),
    ];
    for (kind, arguments, expected) in &runs {
        let plugin = made(&world, kind);
        let id = plugin["id"].as_str().unwrap();
        let known = world.get(&format!("/api/v1/hub/plugins/{id}/scripts"));
        for (number, client) in ["imerit_ango", "pegboard"].into_iter().enumerate() {
            let script = &plugin["scripts"][number];
            assert_eq!(script["client"], client);
            let text = script["script"].as_str().unwrap();
            assert!(text.contains(plugin["secret"].as_str().unwrap()), "told this once");
            let open = known["scripts"][number]["script"].as_str().unwrap();
            assert!(!open.contains(plugin["secret"].as_str().unwrap()), "and not again");
            let file = world.file(&format!("{client}-{}", script["file_name"].as_str().unwrap()), text);
            let mut command = if client == "pegboard" { program("python3") } else { program(python(NEWEST)) };
            command.arg(file).env("PYTHONDONTWRITEBYTECODE", "1");
            if client == "pegboard" {
                command.env("PYTHONPATH", root().join("python/src"));
            }
            let started = start(command, &world, &plugin);
            let session = finished(&world, id, &[&["--project", &project][..], arguments].concat());
            assert!(session["result"].to_string().contains(expected), "{kind} on {client}: {session:#}");
            drop(started);
            until("the light goes out", || (world.get(&format!("/api/v1/hub/plugins/{id}"))["live"] == false).then_some(()));
        }
    }
    // A listing, as the folder browser asks for one.
    let plugin = made(&world, "file_explorer");
    let file = world.file("explorer.py", plugin["scripts"][0]["script"].as_str().unwrap());
    let mut command = program(python(NEWEST));
    command.arg(file);
    let _started = start(command, &world, &plugin);
    let listing = finished(&world, plugin["id"].as_str().unwrap(), &["--bucket", "bucket"]);
    assert_eq!(listing["result"]["folders"], json!(["in/"]), "{listing:#}");
    let printed = world.run(&["hub", "script", plugin["id"].as_str().unwrap(), "--client", "pegboard"]).well();
    assert!(printed.stdout.contains("from pegboard.hub import") && printed.stdout.contains("os.environ[\"PLUGIN_SECRET\"]"));
}
