//! Our own client, and scripts that the server hosts.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::clients::program;
use super::{finished, lines, project};
use crate::support::{World, command, root, signal, until};

/// Does what its config says; counts its runs in its own process.
const SCRIPT: &str = r#"
import os, time
from pegboard.hub import BatchModelPlugin, run

def work(payload):
    config = payload.config
    payload.logger.info("started in process %d", os.getpid())
    if "wait" in config:
        end = time.monotonic() + config["wait"]
        while time.monotonic() < end:
            payload.progress(config["wait"] - (end - time.monotonic()), config["wait"])
            time.sleep(0.05)
    if config.get("do") == "raise":
        raise ValueError("no such model")
    if config.get("do") == "env":
        return {name: os.environ.get(name, "") for name in ("HOST", "PLUGIN_ID", "PEGBOARD_URL")}
    if config.get("do") == "secret":
        print(os.environ["PLUGIN_SECRET"], flush=True)
    if config.get("do") == "exit":
        os._exit(3)
    return {"process": os.getpid()}

run(BatchModelPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], work))
"#;

struct Script {
    id: String,
    secret: String,
    process: Option<Child>,
}

impl Script {
    #[track_caller]
    fn create(world: &World) -> Self {
        let made = world.run(&["hub", "create", "--type", "batch-model", "--name", "Native", "--json"]).well().json();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("secret"), process: None }
    }

    fn spawn(&mut self, world: &World) {
        let script = world.file("native.py", SCRIPT);
        let log = std::fs::File::create(world.folder.path().join("native.log")).unwrap();
        let mut command = program(Path::new("python3"));
        command.arg(script).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.env("PYTHONPATH", root().join("python/src")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs([("HOST", &world.url), ("PLUGIN_ID", &self.id), ("PLUGIN_SECRET", &self.secret)]);
        self.process = Some(command.spawn().unwrap());
    }

    #[track_caller]
    fn start(&mut self, world: &World) {
        self.spawn(world);
        light(world, &self.id, true);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[track_caller]
fn light(world: &World, id: &str, live: bool) {
    until("the light", || (world.get(&format!("/api/v1/hub/plugins/{id}"))["live"] == live).then_some(()));
}

#[track_caller]
fn ask(world: &World, id: &str, project: &str, config: Json) -> Json {
    world.run(&["hub", "run", id, "--project", project, "--config", &config.to_string(), "--json"]).well().json()
}

fn session(world: &World, session: &Json) -> Json {
    world.get(&format!("/api/v1/hub/sessions/{}", session["id"].as_str().unwrap()))
}

#[track_caller]
fn over(world: &World, one: &Json) -> Json {
    until("the session's end", || {
        let session = session(world, one);
        (session["state"] != "running" && session["state"] != "queued").then_some(session)
    })
}

/// The same server again, on the port that it had.
fn start_again(world: &mut World) {
    let data = world.data();
    let address = world.url.strip_prefix("http://").unwrap().to_owned();
    let log = std::fs::File::create(world.folder.path().join("second.log")).unwrap();
    let mut server = command(&["serve", "--listen", &address, "--data", data.to_str().unwrap()]);
    world.server = Some(server.current_dir(world.folder.path()).stderr(log).spawn().unwrap());
    let host = address.clone();
    until("the server", || std::net::TcpStream::connect(&host).is_ok().then_some(()));
}

#[test]
fn a_run_outlives_the_server_that_is_killed() {
    let mut world = World::new();
    let project = project(&world);
    let mut script = Script::create(&world);
    script.start(&world);
    let one = ask(&world, &script.id, &project, json!({ "wait": 6 }));
    until("its first line", || (!lines(&world, &one).is_empty()).then_some(()));
    world.kill();
    std::thread::sleep(Duration::from_secs(1));
    start_again(&mut world);
    let ended = over(&world, &one);
    assert_eq!((&ended["state"], &ended["attempts"]), (&json!("finished"), &json!(1)), "{ended:#}");
    let process = script.process.as_mut().unwrap();
    assert_eq!(ended["result"]["process"], process.id(), "the process of before has answered");
    assert_eq!(process.try_wait().unwrap(), None);
    finished(&world, &script.id, &["--project", &project]);
}

#[test]
fn progress_cancelling_and_reasons() {
    let world = World::new();
    let project = project(&world);
    let mut script = Script::create(&world);
    script.start(&world);
    // A share of three seconds is told in thousandths.
    let one = ask(&world, &script.id, &project, json!({ "wait": 60 }));
    until("progress", || (session(&world, &one)["progress"]["done"].as_u64() > Some(0)).then_some(()));
    assert_eq!(session(&world, &one)["progress"]["total"], 1000);
    let begun = Instant::now();
    world.run(&["hub", "cancel", one["id"].as_str().unwrap()]).well();
    // The client was told: its slots are free for as many runs again, well before the minute is over.
    let more: Vec<Json> = (0..8).map(|_| ask(&world, &script.id, &project, json!({ "wait": 0.2 }))).collect();
    more.iter().for_each(|one| assert_eq!(over(&world, one)["state"], "finished"));
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(session(&world, &one)["state"], "cancelled");
    let failed = ask(&world, &script.id, &project, json!({ "do": "raise" }));
    let failed = over(&world, &failed);
    let message = failed["failure"]["message"].as_str().unwrap();
    assert!(message.contains("ValueError: no such model"), "{failed:#}");
    // Told to end, it says goodbye and the light is red at once.
    signal(script.process.as_ref().unwrap(), "TERM");
    until("its end", || script.process.as_mut().unwrap().try_wait().unwrap());
    light(&world, &script.id, false);
}

#[test]
fn a_wrong_secret_ends_the_script_with_a_reason() {
    let world = World::new();
    let mut script = Script::create(&world);
    script.secret = "64e5f00d-0000-4000-8000-000000000001".to_owned();
    script.spawn(&world);
    let status = until("its end", || script.process.as_mut().unwrap().try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(world.folder.path().join("native.log")).unwrap();
    assert!(said.contains("no plugin with this id and secret"), "{said}");
}

#[test]
fn a_script_is_hosted() {
    let mut world = World::new();
    let project = project(&world);
    let script = Script::create(&world);
    let file = world.file("hosted.py", SCRIPT);
    world.run(&["hub", "unhost", "Native"]).failed(1, &["not hosted"]);
    world.run(&["hub", "host", "Native", &file, "--wait"]).well();
    let session = finished(&world, &script.id, &["--project", &project, "--config", "{\"do\": \"env\"}"]);
    assert_eq!(session["result"], json!({ "HOST": world.url, "PLUGIN_ID": script.id, "PEGBOARD_URL": world.url }));
    let shown = world.run(&["hub", "show", "Native", "--json"]).well().json();
    assert_eq!((&shown["live"], &shown["hosted"]["state"]), (&json!(true), &json!("running")), "{shown:#}");
    // What it prints is kept, its secret is not shown.
    finished(&world, &script.id, &["--project", &project, "--config", "{\"do\": \"secret\"}"]);
    let printed = until("its output", || {
        let printed = world.run(&["hub", "output", "Native"]).well().stdout;
        printed.contains("***").then_some(printed)
    });
    assert!(!printed.contains(&script.secret), "{printed}");

    // It ends during a run: it is started again, and the run goes to the new process once, then fails.
    let ended = ask(&world, &script.id, &project, json!({ "do": "exit" }));
    assert_eq!(over(&world, &ended)["state"], "failed");
    until("a restart", || {
        let shown = world.get(&format!("/api/v1/hub/plugins/{}", script.id));
        (shown["hosted"]["restarts"].as_u64() >= Some(1) && shown["live"] == true).then_some(())
    });

    // A new secret reaches it, and a killed server starts it again.
    world.run(&["hub", "rotate", "Native"]).well();
    light(&world, &script.id, true);
    finished(&world, &script.id, &["--project", &project]);
    world.kill();
    start_again(&mut world);
    light(&world, &script.id, true);
    finished(&world, &script.id, &["--project", &project]);
    world.run(&["hub", "unhost", "Native"]).well();
    light(&world, &script.id, false);
}

#[test]
fn a_hosted_script_that_cannot_start_says_why() {
    let world = World::new();
    let script = Script::create(&world);
    let broken = world.file("broken.py", "import a_module_that_nobody_has\n");
    world
        .run(&["hub", "host", "Native", &broken, "--wait"])
        .failed(1, &["`broken.py` ended with status 1", "a_module_that_nobody_has"]);
    world.run(&["hub", "output", "Native"]).failed(1, &["waiting"]);
    let unwanted = world.file("requirements.txt", "-r other.txt\n");
    world.run(&["hub", "host", "Native", &broken, "--requirements", &unwanted, "--wait"]).failed(1, &["not a requirement"]);
    let odd = world.file("script.sh", "true");
    world.run(&["hub", "host", "Native", &odd]).failed(1, &["not the name of a Python file"]);
    world.run(&["hub", "rm", "Native"]).well();
    let kept = world.data().join("scripts").join(&script.id);
    assert!(!kept.exists(), "its script goes with the plugin");
}

/// A script of a released client, with requirements.
#[test]
fn a_script_of_a_released_client_is_hosted() {
    let world = World::new();
    let project = project(&world);
    let script = Script::create(&world);
    let text = "import os\nfrom imerit_ango.plugins import BatchModelPlugin, run\n\n\ndef work(data):\n    \
                data['logger'].info('of ' + data['projectId'])\n    return 'done'\n\n\n\
                run(BatchModelPlugin(os.environ['PLUGIN_ID'], os.environ['PLUGIN_SECRET'], work), host=os.environ['HOST'])\n";
    let file = world.file("released.py", text);
    let requirements = world.file("requirements.txt", "# the client\nimerit_ango==1.4.10\n");
    world.run(&["hub", "host", "Native", &file, "--requirements", &requirements, "--wait"]).well();
    let session = finished(&world, &script.id, &["--project", &project]);
    assert_eq!(session["result"], "done");
    assert_eq!(lines(&world, &session), [format!("of {project}")]);
}
