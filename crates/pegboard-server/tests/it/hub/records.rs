//! Records, the directory, installs and presets on the command line.

use serde_json::json;

use super::project;
use crate::support::World;

#[test]
fn a_plugins_record() {
    let world = World::new();
    let made = world
        .run(&[
            "hub",
            "create",
            "--type",
            "batch-model",
            "--name",
            "Detector",
            "--default-config",
            "{\"a\": 1}",
            "--class",
            "Car",
            "--json",
        ])
        .well()
        .json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!((id.len(), secret.len()), (24, 36));
    let text = world.run(&["hub", "create", "--type", "input", "--name", "Other"]).well().stdout;
    assert!(text.starts_with("id      ") && text.contains("\nsecret  "), "{text}");

    let shown = world.run(&["hub", "show", "Detector", "--json"]).well().json();
    assert_eq!(
        (&shown["type"], &shown["live"], &shown["class_names"], &shown["installed"]),
        (&json!("batch_model"), &json!(false), &json!(["Car"]), &json!(true))
    );
    assert_eq!(shown.get("secret"), None, "told once");
    let details = world.file("details.md", "# How\n\n<script>alert(1)</script>\n\n**so**");
    let edit = ["hub", "edit", id, "--details-file", &details, "--description", "Finds cars", "--listed", "--public", "false"];
    world.run(&edit).well();
    let shown = world.run(&["hub", "show", id, "--json"]).well().json();
    let html = shown["details_html"].as_str().unwrap();
    assert!(html.contains("<strong>so</strong>") && !html.contains("script"), "{html}");
    assert_eq!((&shown["listed"], &shown["public"], &shown["description"]), (&json!(true), &json!(false), &json!("Finds cars")));

    for (arguments, words) in [
        (&["hub", "show", "nobody"][..], "there is no remote plugin `nobody`"),
        (&["hub", "create", "--type", "model", "--name", " "], "name"),
        (&["hub", "create", "--type", "model", "--name", "x", "--default-config", "[]"], "no JSON object"),
        (&["hub", "create", "--type", "model", "--name", "x", "--rest-url", "gopher://x"], "no web address"),
        (&["hub", "edit", id, "--banner-url", "javascript:x"], "no web address"),
        (&["hub", "sessions", "64e5f00d0000000000000005"], "there is no session"),
        (&["hub", "cancel", "64e5f00d0000000000000005"], "there is no session"),
    ] {
        world.run(arguments).failed(1, &[words]);
    }
    world.run(&["hub", "create", "--type", "dance", "--name", "x"]).failed(2, &["batch-model"]);
    world.run(&["hub", "edit", id]).failed(2, &["nothing to change"]);
}

#[test]
fn the_directory_and_installs() {
    let world = World::new();
    let make = |name: &str, more: &[&str]| {
        let arguments = [&["hub", "create", "--type", "export", "--name", name, "--json"], more].concat();
        world.run(&arguments).well().json()["id"].as_str().unwrap().to_owned()
    };
    let (listed, hidden) = (make("b", &["--listed"]), make("A", &[]));
    let names = |arguments: &[&str]| {
        let list = world.run(&[arguments, &["--json"]].concat()).well().json();
        let plugins = list["plugins"].as_array().unwrap().clone();
        plugins.into_iter().map(|plugin| plugin["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["hub", "ls"]), ["A", "b"]);
    assert_eq!(names(&["hub", "directory"]), ["b"]);
    world.run(&["hub", "remove", &listed]).well();
    world.run(&["hub", "remove", &listed]).failed(1, &["is not installed"]);
    assert_eq!(names(&["hub", "ls", "--installed"]), ["A"]);
    world.run(&["hub", "install", &listed]).well();
    assert_eq!(names(&["hub", "ls", "--installed"]), ["A", "b"]);
    world.run(&["hub", "rm", &hidden]).well();
    assert_eq!(names(&["hub", "ls"]), ["b"]);
    let page = world.get("/api/v1/hub/plugins?limit=1");
    assert_eq!(page.get("next"), Some(&json!(null)), "one is all there is");
    let table = world.run(&["hub", "ls"]).well().stdout;
    assert!(table.contains("NAME") && table.contains("listed, installed"), "{table}");
}

#[test]
fn presets() {
    let world = World::new();
    let project = project(&world);
    let made = world.run(&["hub", "create", "--type", "batch-model", "--name", "D", "--json"]).well().json();
    let plugin = made["id"].as_str().unwrap();
    let save = [
        "hub",
        "presets",
        "--project",
        &project,
        "--plugin",
        plugin,
        "--save",
        "night",
        "--config",
        "{\"t\": 1}",
        "--class",
        "Car=Vehicle",
        "--json",
    ];
    let saved = world.run(&save).well().json();
    assert_eq!(saved["classes"], json!({ "Car": "s-vehicle" }));
    let list = world.run(&["hub", "presets", "--project", &project, "--json"]).well().json();
    assert_eq!(list["presets"].as_array().unwrap().len(), 1);
    world
        .run(&["hub", "presets", "--project", &project, "--plugin", plugin, "--save", "x", "--config", "nonsense"])
        .failed(1, &["the config"]);
    world.run(&["hub", "presets", "--project", &project, "--delete", saved["id"].as_str().unwrap()]).well();
    assert_eq!(world.run(&["hub", "presets", "--project", &project, "--json"]).well().json()["presets"], json!([]));
}
