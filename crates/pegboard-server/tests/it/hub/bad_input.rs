//! Section 7 of the specification, as far as a real client can be made to do it.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::clients::{NEWEST, Plugin, RELEASES};
use super::{failed, finished, lines, project};
use crate::support::{World, until};

fn doing(config: &Json) -> String {
    config.to_string()
}

#[test]
fn configs_are_checked_before_anything_is_sent() {
    let world = World::new();
    let project = project(&world);
    let schema = world.file("config.json", r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#);
    let mut plugin = Plugin::create(&world, "batch-model", &["--config-schema", &schema]);
    plugin.start(&world, NEWEST);
    for (config, words) in [
        (" ", "no JSON"),
        ("null", "no JSON object"),
        ("[]", "no JSON object"),
        ("{\"a\": NaN}", "no JSON"),
        ("{\"n\": \"x\"}", "schema at `/n`"),
    ] {
        world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", config]).failed(1, &["the config", words]);
    }
    let none = world.run(&["hub", "sessions", "--plugin", &plugin.id, "--json"]).well().json();
    assert_eq!(none["sessions"], json!([]));
    let body = json!({ "project": project, "config": { "n": 1 } }).to_string();
    let request = format!(
        "POST /api/v1/hub/plugins/{}/sessions HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: {}\n\n{body}",
        plugin.id,
        body.len()
    );
    assert_eq!(world.http(&request).0, 200, "an object is as good as its text");
    world.run(&["hub", "run", &plugin.id]).failed(1, &["names no project"]);
    world.run(&["hub", "run", &plugin.id, "--project", "64e5f00d0000000000000001"]).failed(1, &["there is no project"]);
    world
        .run(&["hub", "run", &plugin.id, "--project", &project, "--class", "Car=Boat"])
        .failed(1, &["no tool or classification `Boat`"]);
    world.run(&["hub", "run", &plugin.id, "--project", &project, "--batch", "x"]).failed(1, &["no batch `x`"]);
    world.run(&["hub", "run", &plugin.id, "--project", &project, "--set-parameter", "session=x"]).failed(1, &["the hub sets it"]);
}

#[test]
fn callbacks_that_fail() {
    let world = World::new();
    let project = project(&world);
    let raise = doing(&json!({ "do": "raise" }));
    for release in RELEASES {
        // Before 1.4.7 nothing about the exception reaches the hub but the fact.
        let words = if release == NEWEST { "the model is not there" } else { "does not say why" };
        let mut plugin = Plugin::create(&world, "batch-model", &[]);
        plugin.start(&world, release);
        failed(&world, &plugin.id, &["--project", &project, "--config", &raise], "plugin-raised", words);
        // An answer that cannot be sent: the client says nothing, and the time limit ends it.
        let odd = doing(&json!({ "do": "unserialisable" }));
        let arguments = ["--project", &project, "--config", &odd, "--timeout", "1s"];
        failed(&world, &plugin.id, &arguments, "session-timeout", "within 1 s (1 of 4 done)");
        finished(&world, &plugin.id, &["--project", &project]);
    }
    let mut export = Plugin::create(&world, "export", &[]);
    export.start(&world, NEWEST);
    failed(&world, &export.id, &["--project", &project, "--config", &raise], "plugin-raised", "the model is not there");
    // A script of another class connects happily; its answer shows it.
    let mut wrong = Plugin::create(&world, "export", &[]);
    wrong.kind = "batch-model";
    wrong.start(&world, NEWEST);
    failed(&world, &wrong.id, &["--project", &project], "plugin-answer", "address of a file");
}

#[test]
fn answers_that_are_no_json() {
    let world = World::new();
    let project = project(&world);
    for release in RELEASES {
        let mut plugin = Plugin::create(&world, "batch-model", &[]);
        plugin.start(&world, release);
        let arguments = |config: &Json| [doing(config)];
        let [nan] = arguments(&json!({ "do": "nan" }));
        let session = finished(&world, &plugin.id, &["--project", &project, "--config", &nan]);
        let result = &session["result"];
        assert_eq!((&result["nan"], &result["inf"], &result["lone"]), (&json!(null), &json!([null, null]), &json!("\u{fffd}")));
        assert_eq!(result["big"].as_f64(), Some(2f64.powi(71)), "{release}");
        let [bytes] = arguments(&json!({ "do": "bytes" }));
        let session = finished(&world, &plugin.id, &["--project", &project, "--config", &bytes]);
        assert_eq!(session["result"]["blob"], json!({ "base64": "aGk=" }), "{release}");
        let [log] = arguments(&json!({ "do": "odd-log" }));
        let session = finished(&world, &plugin.id, &["--project", &project, "--config", &log]);
        assert!(lines(&world, &session).iter().any(|line| line == "lone \u{fffd} zero \u{fffd} end"), "{release}");
    }
}

#[test]
fn large_answers_and_too_large_ones() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    plugin.start(&world, NEWEST);
    let large = doing(&json!({ "do": "large", "bytes": 16 << 20 }));
    let session = finished(&world, &plugin.id, &["--project", &project, "--config", &large]);
    assert_eq!((&session["result"], &session["result_is_large"]), (&json!(null), &json!(true)));
    let result = world.run(&["hub", "result", session["id"].as_str().unwrap()]).well().json();
    assert_eq!(result["x"].as_str().unwrap().len(), 16 << 20);
    let larger = doing(&json!({ "do": "large", "bytes": 40 << 20 }));
    let session = failed(&world, &plugin.id, &["--project", &project, "--config", &larger], "plugin-answer-too-large", "32 MiB");
    assert_eq!(session["attempts"], 1, "it is not asked for again");
    plugin.wait_for_light(&world, true);
    finished(&world, &plugin.id, &["--project", &project]);
}

/// A flood of lines neither fills the disk nor holds up another plugin.
#[test]
fn a_flood_of_lines() {
    let world = World::new();
    let project = project(&world);
    let (mut loud, mut quiet) = (Plugin::create(&world, "batch-model", &[]), Plugin::create(&world, "batch-model", &[]));
    loud.start(&world, NEWEST);
    quiet.start(&world, NEWEST);
    let flood = doing(&json!({ "do": "flood", "lines": 100_000 }));
    let session = world.run(&["hub", "run", &loud.id, "--project", &project, "--config", &flood, "--json"]).well().json();
    let id = session["id"].as_str().unwrap();
    until("the flood", || (world.get(&format!("/api/v1/hub/sessions/{id}"))["log_lines"].as_u64() > Some(100)).then_some(()));
    let begun = Instant::now();
    finished(&world, &quiet.id, &["--project", &project]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let ended = until("its end", || {
        let session = world.get(&format!("/api/v1/hub/sessions/{id}"));
        (session["state"] != "running").then_some(session)
    });
    assert_eq!((&ended["state"], &ended["log_lines"]), (&json!("finished"), &json!(10_000)), "{ended:#}");
    assert_eq!(ended["log_dropped"], 90_002);
    let page = world.get(&format!("/api/v1/hub/sessions/{id}/log?after=9999"));
    let said: Vec<_> = page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(said.last(), Some(&"90002 more lines were not kept"), "{said:?}");
}

#[test]
fn secrets_are_masked_in_logs() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    plugin.start(&world, NEWEST);
    let session = finished(&world, &plugin.id, &["--project", &project, "--config", &doing(&json!({ "do": "secret" }))]);
    assert!(lines(&world, &session).contains(&"my secret is *** and my key ***".to_owned()), "{:?}", lines(&world, &session));
    assert!(!world.log().contains(&plugin.secret));
    let database = std::fs::read(world.data().join("pegboard.db")).unwrap();
    assert!(!database.windows(plugin.secret.len()).any(|window| window == plugin.secret.as_bytes()));
}

/// The client is not cut off, so it does not come back seventy times a second; a rotated secret is noticed at the next start.
#[test]
fn a_wrong_secret() {
    let world = World::new();
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    let right = std::mem::replace(&mut plugin.secret, "486f5f83-a251-43c9-909a-83db0bb066ca".to_owned());
    plugin.spawn(&world.url, NEWEST, &[]);
    until("the refusal", || (world.get(&format!("/api/v1/hub/plugins/{}", plugin.id))["refused"] == 1).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    let shown = world.get(&format!("/api/v1/hub/plugins/{}", plugin.id));
    assert_eq!((&shown["live"], &shown["refused"]), (&json!(false), &json!(1)), "no storm");
    assert_eq!(plugin.said().matches("Heartbeat at").count(), 1);
    plugin.kill();
    plugin.secret = right;
    plugin.start(&world, NEWEST);
    let rotated = world.run(&["hub", "rotate", &plugin.id, "--json"]).well().json();
    assert_ne!(rotated["secret"], json!(plugin.secret));
    plugin.kill();
    plugin.secret = rotated["secret"].as_str().unwrap().to_owned();
    plugin.start(&world, NEWEST);
}
