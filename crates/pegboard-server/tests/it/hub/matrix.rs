//! Every release that is out there in numbers, every type, both connectors, and our own client in their place: each gets a run and
//! answers it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use super::clients::{Plugin, program, python};
use super::{finished, project};
use crate::support::{World, root, until};

const RELEASES: [&str; 4] = ["ango==1.1.0", "imerit_ango==1.3.10", "imerit_ango==1.3.22", "imerit_ango==1.4.10"];
const TYPES: [&str; 6] = ["export", "model", "batch-model", "file-explorer", "markdown-generator", "input"];

/// What a run of the type is given beside the project.
fn arguments(world: &World, kind: &str, asset: &str) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match kind {
        "export" => words(&["--stage", "all"]),
        "model" => words(&["--asset", asset, "--class", "Car=Vehicle"]),
        "file-explorer" => words(&["--bucket", "b", "--folder", ""]),
        "markdown-generator" => {
            let (csv, template) = (world.file("rows.csv", "a,b\n1,2\n"), world.file("page.md", "# |a|\n"));
            words(&["--csv", &csv, "--template", &template])
        }
        _ => Vec::new(),
    }
}

/// Whether the session's result is what the type's callback made.
fn is_right(world: &World, kind: &str, session: &Json) -> bool {
    let result = &session["result"];
    match kind {
        "export" => {
            let path = session["download"].as_str().unwrap().strip_prefix(&world.url).unwrap();
            world.get(path)["names"].as_array().unwrap().len() == 3
        }
        "model" => result["objects"][0]["schemaId"] == "s-vehicle",
        "file-explorer" => result["files"] == json!(["page1.png"]),
        "markdown-generator" => result["seen"]["inputFile"] == "YSxiCjEsMgo=",
        _ => result["seen"]["session"] == session["id"],
    }
}

/// Runs one plugin of each type, started by `start`.
fn row(world: &World, label: &str, plugins: &[Plugin], project: &str, asset: &str) -> String {
    for plugin in plugins {
        plugin.wait_for_light(world, true);
        let more = arguments(world, plugin.kind, asset);
        let mut words = vec!["--project", project];
        words.extend(more.iter().map(String::as_str));
        let session = finished(world, &plugin.id, &words);
        assert!(is_right(world, plugin.kind, &session), "{label} {}: {session:#}\n{}", plugin.kind, plugin.said());
    }
    format!("{label}: {}", TYPES.join(", "))
}

fn first_asset(world: &World, project: &str) -> String {
    world.get(&format!("/api/v1/projects/{project}/assets"))["assets"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_type_over_the_socket() {
    let world = World::new();
    let project = project(&world);
    let asset = first_asset(&world, &project);
    for release in RELEASES {
        let mut plugins: Vec<Plugin> = TYPES.map(|kind| Plugin::create(&world, kind, &["--class", "Car"])).into();
        plugins.iter_mut().for_each(|plugin| plugin.spawn(&world.url, release, &[]));
        println!("{}", row(&world, &format!("{release} over the socket"), &plugins, &project, &asset));
    }
}

/// The connector came with 1.3.2. Before 1.4.7 a logger has no address in most types, so the script says nothing.
#[test]
fn every_type_over_rest() {
    let world = World::new();
    let project = project(&world);
    let asset = first_asset(&world, &project);
    let script = script(&world, "quiet.py", &[("if logger is not None:", "if False:")]);
    for release in &RELEASES[1..] {
        let started = TYPES.map(|kind| {
            // Free now; taken by the script in a moment.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
            let plugin = Plugin::create(&world, kind, &["--rest-url", &format!("http://127.0.0.1:{port}"), "--class", "Car"]);
            let process = spawn(&python(release), &script, &plugin, &world, &[("CONNECTOR", "REST"), ("PORT", &port)]);
            (plugin, Ends(process))
        });
        let (plugins, _processes): (Vec<Plugin>, Vec<Ends>) = started.into_iter().unzip();
        println!("{}", row(&world, &format!("{release} over REST"), &plugins, &project, &asset));
    }
}

/// A task that enters a Plugin stage of the model is answered and moves on.
#[track_caller]
fn workflow(world: &World, label: &str, plugin: &Plugin) -> String {
    plugin.wait_for_light(world, true);
    let project = world.run(&["project", "create", label, "--json"]).well().json()["id"].as_str().unwrap().to_owned();
    let schema =
        world.file("schema.json", r#"{"tools": [{"tool": "bounding-box", "title": "Vehicle", "schemaId": "s-vehicle"}]}"#);
    world.run(&["project", "schema", &project, &schema]).well();
    let stages = json!([
        { "id": "Start", "type": "Start", "name": "Start", "next": ["Robot"] },
        { "id": "Robot", "type": "Plugin", "name": "Robot", "next": ["Complete"], "pluginId": plugin.id,
          "categorySchema": [{ "schemaId": "s-vehicle", "modelClass": "Car" }] },
        { "id": "Label", "type": "Label", "name": "Label", "next": ["Complete"] },
        { "id": "Complete", "type": "Complete", "name": "Complete", "next": [] },
    ]);
    let stages = world.file("stages.json", &stages.to_string());
    world.run(&["project", "stages", &project, &stages]).well();
    let file = world.file("one.txt", "text");
    world.run(&["project", "upload", &project, &file]).well();
    let tasks = || world.get(&format!("/api/v1/projects/{project}/tasks"));
    let done = until("the task's end", || {
        let task = tasks()["tasks"][0].clone();
        (task["stage"] == "Complete" || task["plugin"] == "failed").then_some(task)
    });
    assert_eq!(done["stage"], "Complete", "{label}: {done:#}\n{}", plugin.said());
    assert_eq!(done["answer"]["tools"][0]["schemaId"], "s-vehicle", "{label}: {done:#}");
    format!("{label}: a task of a workflow")
}

#[test]
fn a_task_of_a_workflow_on_each_release() {
    let world = World::new();
    for release in RELEASES {
        let mut plugin = Plugin::create(&world, "model", &["--class", "Car"]);
        plugin.spawn(&world.url, release, &[]);
        println!("{}", workflow(&world, release, &plugin));
    }
    let imports = [("imerit_ango.plugins", "pegboard.hub"), ("imerit_ango.models.annotate", "pegboard.hub")];
    let (script, sources) = (script(&world, "moved.py", &imports), root().join("python/src"));
    let plugin = Plugin::create(&world, "model", &["--class", "Car"]);
    let variables = [("PYTHONPATH", sources.to_str().unwrap())];
    let _process = Ends(spawn(Path::new("python3"), &script, &plugin, &world, &variables));
    println!("{}", workflow(&world, "pegboard.hub", &plugin));
}

/// The same script with nothing changed but the imports.
#[test]
fn a_script_moves_over_to_our_client() {
    let world = World::new();
    let project = project(&world);
    let asset = first_asset(&world, &project);
    let imports = [("imerit_ango.plugins", "pegboard.hub"), ("imerit_ango.models.annotate", "pegboard.hub")];
    let script = script(&world, "moved.py", &imports);
    let sources = root().join("python/src");
    let started = TYPES.map(|kind| {
        let plugin = Plugin::create(&world, kind, &["--class", "Car"]);
        let variables = [("PYTHONPATH", sources.to_str().unwrap())];
        let process = spawn(Path::new("python3"), &script, &plugin, &world, &variables);
        (plugin, Ends(process))
    });
    let (plugins, _processes): (Vec<Plugin>, Vec<Ends>) = started.into_iter().unzip();
    println!("{}", row(&world, "pegboard.hub over the socket", &plugins, &project, &asset));
}

/// The clients' script with these words replaced.
fn script(world: &World, name: &str, words: &[(&str, &str)]) -> PathBuf {
    let mut text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hub/plugin.py")).unwrap();
    for (old, new) in words {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    world.file(name, &text).into()
}

/// A process that ends with the value.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // Ended already, or about to be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(interpreter: &Path, script: &Path, plugin: &Plugin, world: &World, variables: &[(&str, &str)]) -> Child {
    let log = fs::File::create(world.folder.path().join(format!("{}.log", plugin.id))).unwrap();
    let mut command = program(interpreter);
    command.arg(script).args([plugin.kind, &world.url, &plugin.id, &plugin.secret]).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).env_remove("CONNECTOR").env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(variables.iter().copied()).spawn().unwrap()
}
