//! Processes come and go: the script's, the server's, and the connection between them.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::clients::{NEWEST, Plugin};
use super::{failed, finished, lines, project};
use crate::support::{World, command, signal, until};

#[test]
fn the_light_and_the_work() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    world.run(&["hub", "run", &plugin.id, "--project", &project]).failed(1, &["is not connected", "hint"]);
    plugin.start(&world, NEWEST);
    // Busy and queued are counted, and what waits has its place.
    world.run(&["hub", "edit", &plugin.id, "--sessions", "1"]).well();
    let ask = || {
        let sleep = "{\"do\": \"sleep\", \"seconds\": 1.5}";
        world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", sleep, "--json"]).well().json()
    };
    let (one, two, three) = (ask(), ask(), ask());
    assert_eq!((&one["state"], &two["position"], &three["position"]), (&json!("running"), &json!(1), &json!(2)));
    let shown = world.run(&["hub", "show", &plugin.id, "--json"]).well().json();
    assert_eq!((&shown["busy"], &shown["queued"], &shown["live"]), (&json!(1), &json!(2), &json!(true)));
    // One that waits and one that runs are cancelled; their answers do not count.
    let id = |session: &serde_json::Value| session["id"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&["hub", "cancel", &id(&three), "--json"]).well().json()["state"], "cancelled");
    assert_eq!(world.run(&["hub", "cancel", &id(&one), "--json"]).well().json()["state"], "cancelled");
    world.run(&["hub", "cancel", &id(&one)]).failed(1, &["cancelled already"]);
    let ended = world.run(&["hub", "logs", &id(&two), "--follow"]).well();
    assert!(ended.stdout.contains("started in process"), "{}", ended.stdout);
    until("the end of the second", || {
        (world.get(&format!("/api/v1/hub/sessions/{}", id(&two)))["state"] == "finished").then_some(())
    });
    assert_eq!(world.get(&format!("/api/v1/hub/sessions/{}", id(&one)))["state"], "cancelled");
    let again = world.run(&["hub", "retry", &id(&one), "--wait", "--json"]).well().json();
    assert_eq!((&again["state"], &again["retry_of"]), (&json!("finished"), &one["id"]));
    // The process dies: red within seconds.
    plugin.kill();
    let begun = Instant::now();
    plugin.wait_for_light(&world, false);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_restart_in_place_keeps_scripts_and_their_runs() {
    let world = World::new();
    let project = project(&world);
    // Releases 1.3.4 to 1.3.11 answer in an acknowledgement, which is lost with its connection; so an upgrade is tried with others.
    for _ in 0..2 {
        let mut plugin = Plugin::create(&world, "batch-model", &[]);
        plugin.start(&world, NEWEST);
        let sleep = "{\"do\": \"sleep\", \"seconds\": 4}";
        let session = world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", sleep, "--json"]).well().json();
        let id = session["id"].as_str().unwrap();
        until("its first line", || (!lines(&world, &session).is_empty()).then_some(()));
        let restarts = world.log().matches("restarting").count();
        signal(world.server.as_ref().unwrap(), "USR2");
        until("the restart", || (world.log().matches("restarting").count() > restarts).then_some(()));
        let ended = until("its end", || {
            let ended = world.run(&["hub", "sessions", id, "--json"]);
            let ended = ended.json();
            (ended["state"] != "running").then_some(ended)
        });
        assert_eq!((&ended["state"], &ended["attempts"]), (&json!("finished"), &json!(1)), "{ended:#}\n{}", world.log());
        assert_eq!(plugin.process.as_mut().unwrap().try_wait().unwrap(), None, "the script is still there");
        finished(&world, &plugin.id, &["--project", &project]);
    }
}

/// Somebody else holds the listening socket, as systemd does: the server may even be killed.
#[test]
fn a_kept_socket_outlives_a_killed_server() {
    let mut world = World::new();
    let project = project(&world);
    world.kill();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    world.url = format!("http://{}", socket.local_addr().unwrap());
    let serve = |world: &mut World| {
        let data = world.data();
        let mut command = command(&["serve", "--data", data.to_str().unwrap()]);
        command.stdin(OwnedFd::from(socket.try_clone().unwrap())).env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
        command.current_dir(world.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        world.server = Some(command.spawn().unwrap());
    };
    serve(&mut world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    plugin.start(&world, NEWEST);
    let sleep = "{\"do\": \"sleep\", \"seconds\": 4}";
    let session = world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", sleep, "--json"]).well().json();
    until("its first line", || (!lines(&world, &session).is_empty()).then_some(()));
    world.kill();
    serve(&mut world);
    let id = session["id"].as_str().unwrap();
    let ended = until("its end", || {
        let session = world.get(&format!("/api/v1/hub/sessions/{id}"));
        (session["state"] != "running").then_some(session)
    });
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("finished"), &json!(1)), "{ended:#}");
    assert_eq!(plugin.process.as_mut().unwrap().try_wait().unwrap(), None, "the script is still there");
    finished(&world, &plugin.id, &["--project", &project]);
}

/// The socket is gone with the server, so clients end; whoever supervises them starts them again.
#[test]
fn a_killed_server_finds_its_sessions() {
    let mut world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    plugin.start(&world, NEWEST);
    world.run(&["hub", "edit", &plugin.id, "--sessions", "1"]).well();
    let ask = |config: &str| {
        let session = world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", config, "--json"]).well().json();
        session["id"].as_str().unwrap().to_owned()
    };
    let (running, queued) = (ask("{\"do\": \"sleep\", \"seconds\": 3}"), ask("{}"));
    world.kill();
    until("the end of the client", || plugin.process.as_mut().unwrap().try_wait().unwrap());
    world.start();
    plugin.start(&world, NEWEST);
    for id in [running, queued] {
        let ended = until("its end", || {
            let session = world.get(&format!("/api/v1/hub/sessions/{id}"));
            (session["state"] != "running" && session["state"] != "queued").then_some(session)
        });
        assert_eq!(ended["state"], "finished", "{ended:#}");
    }
}

#[test]
fn a_script_that_ends_during_its_run() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &[]);
    // Once: the next process gets the run.
    plugin.start(&world, NEWEST);
    let config = json!({ "do": "exit-once", "mark": world.folder.path().join("mark") }).to_string();
    let arguments = ["hub", "run", &plugin.id, "--project", &project, "--config", &config, "--json"];
    let session = world.run(&arguments).well().json();
    until("its end", || plugin.process.as_mut().unwrap().try_wait().unwrap());
    plugin.wait_for_light(&world, false);
    plugin.start(&world, NEWEST);
    let id = session["id"].as_str().unwrap();
    let ended = until("its end", || {
        let session = world.get(&format!("/api/v1/hub/sessions/{id}"));
        (session["state"] != "running" && session["state"] != "queued").then_some(session)
    });
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("finished"), &json!(2)), "{ended:#}");
    // For good: it fails when nobody comes back.
    failed(&world, &plugin.id, &["--project", &project, "--config", "{\"do\": \"exit\"}"], "plugin-left", "did not come back");
}

/// Several connections of one plugin share its work.
#[test]
fn two_processes_of_one_plugin() {
    let world = World::new();
    let project = project(&world);
    let mut plugin = Plugin::create(&world, "batch-model", &["--sessions", "1"]);
    plugin.start(&world, NEWEST);
    let mut second = plugin.twin();
    second.spawn(&world.url, NEWEST, &[]);
    until("two connections", || (world.get(&format!("/api/v1/hub/plugins/{}", plugin.id))["connections"] == 2).then_some(()));
    let sleep = "{\"do\": \"sleep\", \"seconds\": 1}";
    let ask = || world.run(&["hub", "run", &plugin.id, "--project", &project, "--config", sleep, "--json"]).well().json();
    let sessions = [ask(), ask()];
    let mut processes: Vec<String> = sessions
        .iter()
        .map(|session| {
            until("its end", || {
                let ended = world.get(&format!("/api/v1/hub/sessions/{}", session["id"].as_str().unwrap()));
                (ended["state"] == "finished").then(|| ended["result"]["process"].to_string())
            })
        })
        .collect();
    processes.dedup();
    assert_eq!(processes.len(), 2, "each took one");
}
