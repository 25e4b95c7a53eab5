//! Sections 17 and 18 of the specification, what runs can do wrong: graphs and targets that cannot work, workers that go, values
//! that nobody can read, and what all of that must not cost anybody else.

use serde_json::{Value as Json, json};

use super::exchange::{Answer, Ask};
use crate::support::{World, until};

/// `calls` has a line for each call, `imports` one for each time that the module was executed.
const MODULE: &str = r#"
import os, pathlib, signal, time

HERE = pathlib.Path(__file__).parent.parent

def told(what, where="calls"):
    with open(HERE / where, "a") as file:
        file.write(what + "\n")

told(str(os.getpid()), "imports")

NUMBER = 3

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def numbers(n=40):
    told("numbers")
    return list(range(n))

def same(x):
    return x

def meet(name):
    """Ends when the other is there, too."""
    told(name, "met")
    for _ in range(3000):
        if len((HERE / "met").read_text().split()) == 2:
            return name
        time.sleep(0.01)
    raise TimeoutError(name)

def pair():
    return ["a", "b"]

def odd():
    raise Odd("one", "two")

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def generator():
    return (x for x in range(3))

def artifact(name):
    from flowdapt.compute import object_store
    object_store.put(name, 1, strategy="artifact")

def one():
    return "one"

def two():
    return "two"
"#;

fn world() -> World {
    let world = World::new();
    let folder = world.data().join("user_modules");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("bad.py"), MODULE).unwrap();
    world
}

fn lines(world: &World, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(world.data().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn send(world: &World, method: &str, path: &str, body: &Json) -> Answer {
    Ask::new(method, path).header("Content-Type", "application/json").body(body.to_string()).send(&world.url)
}

/// Stores the workflow, runs it, and gives back the run.
#[track_caller]
fn run(world: &World, stages: Json, input: &Json) -> Json {
    let body = json!({ "metadata": { "name": "w" }, "spec": { "stages": stages } });
    let _absent = Ask::new("DELETE", "/workflows/w").send(&world.url);
    assert_eq!(send(world, "POST", "/workflows/", &body).status, 200);
    let answer = send(world, "POST", "/workflows/w/run", input);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn target(name: &str) -> Json {
    json!([{ "name": "only", "target": name }])
}

#[test]
fn graphs_that_cannot_work_start_nothing_and_of_two_stages_with_one_name_the_later_counts() {
    let world = world();
    let first = json!({ "name": "first", "target": "user_modules.bad.numbers" });
    for stages in [
        json!([first, { "name": "a", "target": "t", "depends_on": ["b"] }, { "name": "b", "target": "t", "depends_on": ["a"] }]),
        json!([first, { "name": "a", "target": "t", "depends_on": ["nobody"] }]),
    ] {
        let ended = run(&world, stages, &json!({}));
        assert_eq!((&ended["state"], &ended["result"][0]), (&json!("failed"), &json!("AssertionError")), "{ended}");
        assert_eq!(lines(&world, "calls"), Vec::<String>::new(), "a stage was started");
    }
    let twice = json!([{ "name": "s", "target": "user_modules.bad.one" }, { "name": "s", "target": "user_modules.bad.two" }]);
    assert_eq!(run(&world, twice, &json!({}))["result"], "two");
}

#[test]
fn targets_that_are_no_callables_are_clear_errors_at_run_and_warnings_before() {
    let world = world();
    for (name, class, words) in [
        ("user_modules.bad.nothing", "ImportError", "does not have a `nothing` attribute"),
        ("user_modules.absent.f", "ModuleNotFoundError", "No module named 'user_modules.absent'"),
        ("no_such_package.f", "ModuleNotFoundError", "No module named 'no_such_package'"),
        ("user_modules.bad.NUMBER", "TypeError", ""),
        ("zzz", "ImportError", "zzz isn't a valid module path."),
        ("", "ImportError", "isn't a valid module path."),
    ] {
        let ended = run(&world, target(name), &json!({}));
        assert_eq!((&ended["state"], &ended["result"][0]), (&json!("failed"), &json!(class)), "{name}: {ended}");
        assert!(ended["result"][1].as_str().unwrap().contains(words), "{name}: {ended}");
    }
    // Loose modules come and go; of packages it is known beforehand, and said when a workflow is applied.
    let text = "kind: workflow\nmetadata: {name: later}\nspec: {stages: [{name: a, target: no_such_package.f}]}\n";
    let applied = world.run(&["apply", &world.file("later.yaml", text)]).well();
    assert!(applied.stderr.contains("`no_such_package.f` does not resolve"), "{}", applied.stderr);
}

#[test]
fn a_stage_that_kills_its_worker_or_raises_what_cannot_be_read_fails_its_run_and_no_other() {
    let world = world();
    for (name, class) in [("kill", "WorkflowExecutionError"), ("odd", "Odd"), ("generator", "TypeError")] {
        let ended = run(&world, target(&format!("user_modules.bad.{name}")), &json!({}));
        assert_eq!((&ended["state"], &ended["result"][0]), (&json!("failed"), &json!(class)), "{name}: {ended}");
        let good = run(&world, target("user_modules.bad.one"), &json!({}));
        assert_eq!((&good["state"], &good["result"]), (&json!("finished"), &json!("one")), "after {name}: {good}");
    }
    let services = Ask::new("GET", "/status").send(&world.url).json();
    assert_eq!(services["services"]["ComputeService"]["status"], "OK");
    let ended = run(&world, target("user_modules.bad.artifact"), &json!({ "name": "a b" }));
    assert_eq!(ended["result"][0], "ValueError", "{ended}");
    assert!(ended["result"][1].as_str().unwrap().contains("Got: `a b`"), "{ended}");
}

#[test]
fn items_run_beside_each_other_and_modules_are_executed_once_per_worker() {
    let world = world();
    let fan_out = |first: &str, each: &str| {
        json!([
            { "name": "first", "target": format!("user_modules.bad.{first}") },
            { "name": "each", "type": "parameterized", "target": format!("user_modules.bad.{each}"), "depends_on": ["first"] },
        ])
    };
    let all: Vec<_> = (0..40).collect();
    assert_eq!(run(&world, fan_out("numbers", "same"), &json!({}))["result"], json!(all));
    let (imports, processes) = (lines(&world, "imports"), {
        let mut processes = lines(&world, "imports");
        processes.sort();
        processes.dedup();
        processes
    });
    assert_eq!(imports.len(), processes.len(), "a module was executed twice in one worker: {imports:?}");
    // Each of the two waits for the other: one after the other they would wait for ever.
    if std::thread::available_parallelism().unwrap().get() > 1 {
        assert_eq!(run(&world, fan_out("pair", "meet"), &json!({}))["result"], json!(["a", "b"]));
    }
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_in_nobodys_way() {
    let world = world();
    let workflow = |name: &str, target: &str| {
        let body = json!({ "metadata": { "name": name }, "spec": { "stages": [{ "name": "s", "target": target }] } });
        assert_eq!(send(&world, "POST", "/workflows/", &body).status, 200);
    };
    workflow("wrong", "user_modules.bad.odd");
    workflow("fallback", "user_modules.bad.one");
    let trigger = |name: &str, rule: Json, starts: &str| {
        let action = json!({ "target": "run_workflow", "parameters": { "workflow": starts } });
        let body = json!({ "metadata": { "name": name }, "spec": { "rule": rule, "action": action } });
        assert_eq!(send(&world, "POST", "/triggers/", &body).status, 200);
    };
    // In storage order before the good one: text is compared with a number, and a workflow that is not there.
    trigger("odd", json!({ "gt": [{ "var": "data.state" }, 1] }), "fallback");
    trigger("absent", json!({ "eq": [{ "var": "data.state" }, "failed"] }), "nobody");
    trigger(
        "good",
        json!({ "and": [{ "eq": [{ "var": "data.state" }, "failed"] }, { "eq": [{ "var": "data.workflow" }, "wrong"] }] }),
        "fallback",
    );
    let failed = send(&world, "POST", "/workflows/wrong/run", &json!({})).json();
    assert_eq!(failed["state"], "failed");
    let runs = until("the fallback", || {
        let runs = Ask::new("GET", "/workflows/fallback/run").send(&world.url).json();
        (runs[0]["state"] == "finished").then_some(runs)
    });
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["source"]), (1, &json!("trigger")));
    assert!(world.log().contains("nobody"), "{}", world.log());
}
