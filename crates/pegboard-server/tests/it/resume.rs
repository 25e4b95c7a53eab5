//! A run is cut off by `kill -9` of the server; resumed, by HTTP and on the command line, it does not call again what had finished.

use serde_json::{Value as Json, json};

use crate::support::{World, until};

/// Every call writes a line; the second stage waits for a file, so that the server can be killed meanwhile.
const STEPS: &str = r#"
import pathlib, time

def told(folder, what):
    with open(pathlib.Path(folder) / "calls", "a") as calls:
        calls.write(what + "\n")

def first(folder):
    told(folder, "first")
    return {"folder": folder, "numbers": [1, 2, 3]}

def each(number):
    return number * 10

def numbers(made):
    told(made["folder"], "numbers")
    return made["numbers"]

def last(made, tens):
    told(made["folder"], "last")
    while not (pathlib.Path(made["folder"]) / "go").exists():
        time.sleep(0.02)
    return sum(tens)
"#;

const STAGES: &str = "
    - {name: first, target: user_modules.steps.first, cache: true}
    - {name: numbers, target: user_modules.steps.numbers, cache: true, depends_on: [first]}
    - {name: tens, target: user_modules.steps.each, type: parameterized, cache: true, depends_on: [numbers]}
    - {name: last, target: user_modules.steps.last, depends_on: [first, tens]}
";

fn calls(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.folder.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn post(world: &World, path: &str) -> (u16, Json) {
    let request = format!("POST {path} HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: 2\n\n{{}}");
    let (status, _, body) = world.http(&request);
    (status, serde_json::from_str(&body).unwrap())
}

/// State of each stage and whether its result was taken from before.
fn stages(run: &Json) -> Vec<(&str, &str, bool)> {
    run["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["state"].as_str().unwrap(), one["cached"] == json!(true)))
        .collect()
}

#[test]
fn what_had_finished_when_the_server_was_killed_is_not_called_again() {
    let mut world = World::new();
    let modules = world.data().join("user_modules");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::write(modules.join("steps.py"), STEPS).unwrap();
    world.workflow("steps", STAGES.trim_start_matches('\n'));
    let folder = world.folder.path().to_str().unwrap().to_owned();

    let name = world.run(&["run", "steps", "--input", &format!("folder={folder}")]).well().stdout.trim().to_owned();
    let (status, refused) = post(&world, &format!("/api/v1/runs/{name}/resume"));
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("run-not-resumable")), "{refused}");
    until("the last stage", || calls(&world).contains(&"last".to_owned()).then_some(()));
    // Results are kept while the run goes on: all three of them before the kill.
    let kept = world.data().join("objects/cache");
    until("the kept results", || (std::fs::read_dir(&kept).map_or(0, Iterator::count) >= 3).then_some(()));
    world.kill();
    world.start();
    let cut = world.get(&format!("/api/v1/runs/{name}"));
    assert_eq!(cut["state"], "interrupted", "{cut}");
    assert_eq!(calls(&world), ["first", "numbers", "last"]);

    // By HTTP.
    world.file("go", "");
    let (status, again) = post(&world, &format!("/api/v1/runs/{name}/resume"));
    assert_eq!(status, 200, "{again}");
    let uid = again["uid"].as_str().unwrap();
    assert_ne!(again["name"], json!(name), "a new run");
    let path = format!("/api/v1/runs/{uid}");
    let run = until("the resumed run", || Some(world.get(&path)).filter(|run| run["finished_at"].is_string()));
    assert_eq!((&run["state"], &run["result"], &run["workflow"]), (&json!("finished"), &json!(60), &cut["workflow"]), "{run}");
    assert_eq!(run["input"], cut["input"]);
    let kept =
        [("first", "finished", true), ("numbers", "finished", true), ("tens", "finished", true), ("last", "finished", false)];
    assert_eq!(stages(&run), kept);
    assert_eq!(calls(&world), ["first", "numbers", "last", "last"]);

    // On the command line, after another kill; the old run can be resumed as often as one likes.
    world.kill();
    world.start();
    assert_eq!(world.run(&["run", "--resume", &name, "--wait"]).well().json(), 60);
    assert_eq!(calls(&world), ["first", "numbers", "last", "last", "last"]);
    world.run(&["run", "--resume", uid]).failed(1, &["has finished", "run the workflow again"]);
    world.run(&["run", "--resume", "nobody"]).failed(1, &["nobody"]);
    world.run(&["run", "--resume", &name, "steps"]).failed(2, &["--resume"]);
}
