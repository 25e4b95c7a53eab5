//! Remote plugins with the real clients against the real binary.

mod bad_input;
pub(crate) mod clients;
mod lifetimes;
mod matrix;
mod native;
mod raw;
mod records;
mod types;

use serde_json::Value as Json;

use crate::support::{Ended, World};

/// A project with three pictures, each with a task in the stage `Label`, of a schema with one tool.
#[track_caller]
fn project(world: &World) -> String {
    let made = world.run(&["project", "create", "cars", "--json"]).well().json();
    let id = made["id"].as_str().unwrap().to_owned();
    let schema =
        world.file("schema.json", r#"{"tools": [{"tool": "bounding-box", "title": "Vehicle", "schemaId": "s-vehicle"}]}"#);
    world.run(&["project", "schema", &id, &schema]).well();
    let files: Vec<String> = (1..=3).map(|number| world.file(&format!("{number}.txt"), &format!("text {number}"))).collect();
    let mut arguments = vec!["project", "upload", &id];
    arguments.extend(files.iter().map(String::as_str));
    world.run(&arguments).well();
    id
}

/// Runs a plugin to the session's end.
#[track_caller]
fn run(world: &World, plugin: &str, arguments: &[&str]) -> Ended {
    let arguments = [&["hub", "run", plugin, "--wait", "--json"], arguments].concat();
    world.run(&arguments)
}

/// The session when it ended well.
#[track_caller]
fn finished(world: &World, plugin: &str, arguments: &[&str]) -> Json {
    let session = run(world, plugin, arguments).well().json();
    assert_eq!(session["state"], "finished", "{session:#}");
    session
}

/// The session when it failed, for this reason.
#[track_caller]
fn failed(world: &World, plugin: &str, arguments: &[&str], code: &str, words: &str) -> Json {
    let ended = run(world, plugin, arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let session = ended.json();
    assert_eq!((&session["state"], &session["failure"]["code"]), (&"failed".into(), &code.into()), "{session:#}");
    let message = session["failure"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
    session
}

/// Lines of a session's log.
#[track_caller]
fn lines(world: &World, session: &Json) -> Vec<String> {
    let page = world.get(&format!("/api/v1/hub/sessions/{}/log?limit=10000", session["id"].as_str().unwrap()));
    page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}
