//! From an installed plugin to a followed run, through the command line.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::support::{World, finish, root, signal, until};

/// One server with the good plugin for the tests of this file: their runs do not disturb each other. It ends with the last
/// test that holds it, as a static value would not.
fn world() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(world) = shared.upgrade() {
        return world;
    }
    let world = World::new();
    world.install_good();
    world.workflow("hello", "    - {name: greet, target: pegboard_fixture_good.hello}\n");
    world.workflow("slow", "    - {name: rest, target: pegboard_fixture_good.sleep}\n");
    world.workflow("show", "    - {name: nothing, target: pegboard_fixture_good.noop}\n");
    world.workflow("broken", "    - {name: sour, target: pegboard_fixture_good.fail}\n");
    world.workflow(
        "squares",
        "    - {name: numbers, target: pegboard_fixture_good.numbers}\n    - {name: square, type: parameterized, target: pegboard_fixture_good.square, depends_on: [numbers]}\n    - {name: total, target: pegboard_fixture_good.total, depends_on: [square]}\n",
    );
    world.workflow(
        "large",
        "    - {name: numbers, target: pegboard_fixture_good.numbers}\n    - {name: same, target: pegboard_fixture_good.identity, depends_on: [numbers]}\n",
    );
    let world = Arc::new(world);
    *shared = Arc::downgrade(&world);
    world
}

#[test]
fn wait_prints_the_result_and_nothing_else() {
    let world = world();
    let ended = world.run(&["run", "squares", "--input", "n=4", "--wait"]).well();
    assert_eq!(ended.json(), 14);
    let run = world.run(&["run", "hello", "--input", "name=you", "--wait", "--json"]).well().json();
    assert_eq!((run["state"].as_str(), run["result"].as_str()), (Some("finished"), Some("hello you")));
    let name = run["name"].as_str().unwrap();
    let shown = world.run(&["run", "show", name, "--json"]).well().json();
    assert_eq!(shown["uid"], run["uid"]);
    assert_eq!(shown["stages"][0]["state"], "finished");
    let logs = world.run(&["logs", name]).well();
    assert!(logs.stdout.contains("greet greeting you"), "{}", logs.stdout);
    let runs = world.run(&["runs", "--workflow", "hello", "--limit", "100"]).well();
    assert!(runs.stdout.contains(name), "{}", runs.stdout);
}

#[test]
fn follow_shows_stages_and_log_on_standard_error() {
    let world = world();
    let ended = world.run(&["run", "squares", "--input", "n=3", "--follow"]).well();
    assert_eq!(ended.json(), 5);
    for words in ["numbers: finished", "square: finished 3 of 3", "total: finished"] {
        assert!(ended.stderr.contains(words), "{words} in\n{}", ended.stderr);
    }
    let ended = world.run(&["run", "hello", "--follow"]).well();
    assert!(ended.stderr.contains("[greet] greeting world"), "{}", ended.stderr);
}

#[test]
fn a_failed_run_exits_with_one_and_shows_the_traceback() {
    let world = world();
    for how in ["--wait", "--follow"] {
        let ended = world.run(&["run", "broken", "--input", "message=oh no", how]);
        let ended = ended.failed(1, &["Traceback (most recent call last)", "error: ValueError: oh no"]);
        assert!(ended.stdout.is_empty());
    }
    let failed = world.run(&["runs", "--state", "failed", "--json"]).well().json();
    assert!(failed["runs"].as_array().unwrap().iter().all(|run| run["workflow"] == "broken"));
}

#[test]
fn a_started_run_is_named_and_can_be_followed_later() {
    let world = world();
    let name = world.run(&["run", "slow", "--input", "seconds=1"]).well().stdout.trim().to_owned();
    let ended = world.run(&["logs", &name, "--follow"]).well();
    assert!(ended.stderr.contains(&format!("run {name} finished")), "{}", ended.stderr);
}

#[test]
fn a_file_is_applied_and_run_and_a_workflow_named_show_is_within_reach() {
    let world = world();
    let text =
        "kind: workflow\nmetadata: {name: from-file}\nspec:\n  stages:\n    - {name: add, target: pegboard_fixture_good.add}\n";
    let file = world.file("from-file.yaml", text);
    let input = world.file("input.json", "{\"a\": 1, \"b\": 2}");
    assert_eq!(world.run(&["run", &file, "--input-file", &input, "--input", "b=40", "--wait"]).well().json(), 41);
    world.run(&["run", "--workflow", "show", "--wait"]).well();
    let two = world.file("two.yaml", &format!("{text}---\n{}", text.replace("from-file", "other")));
    world.run(&["run", &two, "--wait"]).failed(2, &["from-file, other", "--workflow"]);
    assert_eq!(
        world.run(&["run", &two, "--workflow", "other", "--input", "a=\"x\"", "--input", "b=y", "--wait"]).well().json(),
        "xy"
    );
}

#[test]
fn a_large_result_is_kept_apart_and_still_printed() {
    let world = world();
    let run = world.run(&["run", "large", "--input", "n=200000", "--wait", "--json"]).well().json();
    assert_eq!((run["result"].is_null(), run["result_is_apart"].as_bool()), (true, Some(true)), "{run}");
    let result = world.run(&["run", "large", "--input", "n=200000", "--wait"]).well().json();
    assert_eq!(result.as_array().unwrap().len(), 200_000);
}

#[test]
fn ctrl_c_cancels_the_followed_run() {
    let world = world();
    for how in ["--follow", "--wait"] {
        let client = world.command(&["run", "slow", "--input", "seconds=120", how]).spawn().unwrap();
        let mine = until("the run", || {
            let runs = world.get("/api/v1/runs?workflow=slow&state=running");
            let runs = runs["runs"].as_array().unwrap().iter().find(|run| run["input"]["seconds"] == 120)?.clone();
            Some(runs["name"].as_str().unwrap().to_owned())
        });
        signal(&client, "INT");
        let ended = finish(client).failed(130, &["cancelling", "cancelled"]);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        assert_eq!(world.get(&format!("/api/v1/runs/{mine}"))["state"], "cancelled");
    }
}

#[test]
fn a_second_ctrl_c_leaves_a_run_that_takes_its_time_and_says_so() {
    let world = World::new();
    fs::create_dir_all(world.data().join("user_modules")).unwrap();
    let code = "import time\n\ndef hang():\n    end = time.time() + 60\n    while time.time() < end:\n        try:\n            \
                time.sleep(1)\n        except BaseException:\n            pass\n";
    fs::write(world.data().join("user_modules/stubborn.py"), code).unwrap();
    world.workflow("stubborn", "    - {name: a, target: user_modules.stubborn.hang}\n");
    let mut client = world.command(&["run", "stubborn", "--follow"]).spawn().unwrap();
    until("the stage", || {
        let runs = world.get("/api/v1/runs?workflow=stubborn&state=running");
        let name = runs["runs"].as_array().unwrap().first()?["name"].as_str().unwrap().to_owned();
        let run = world.get(&format!("/api/v1/runs/{name}"));
        let workers = world.get("/api/v1/workers");
        let is_busy = workers["workers"].as_array().unwrap().iter().any(|worker| worker["state"] == "busy");
        (is_busy && run["stages"][0]["state"] == "running").then_some(())
    });
    until("its worker's memory", || {
        let workers = world.get("/api/v1/workers");
        workers["workers"].as_array().unwrap().iter().any(|worker| worker["memory_bytes"].as_u64() > Some(1 << 20)).then_some(())
    });
    assert!(world.get("/api/v1/workers?memory=false")["workers"][0]["memory_bytes"].is_null(), "nobody looked");
    signal(&client, "INT");
    let mut stderr = BufReader::new(client.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("cancelling the run") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    assert!(said.contains("press Ctrl-C again"), "{said}");
    signal(&client, "INT");
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("goes on cancelling") && said.contains("hint: `pegboard run show "), "{said}");
}

#[test]
fn ctrl_c_leaves_an_install_and_says_that_it_goes_on() {
    let world = World::new();
    let plugin = root().join("fixtures/plugins/hanging_import");
    let mut client = world.command(&["install", plugin.to_str().unwrap()]).spawn().unwrap();
    let mut stderr = BufReader::new(client.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("importing") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    signal(&client, "INT");
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("goes on with it") && said.contains("hint: `pegboard plugins`"), "{said}");
}

#[test]
fn an_item_that_ends_its_process_is_dropped_where_items_may_fail() {
    let world = World::new();
    fs::create_dir_all(world.data().join("user_modules")).unwrap();
    let code = "import os\n\ndef numbers():\n    return list(range(30))\n\ndef each(x):\n    if x == 17:\n        \
                os._exit(3)\n    return x\n\ndef total(values):\n    return sum(values)\n";
    fs::write(world.data().join("user_modules/deadly.py"), code).unwrap();
    for (name, partial) in [("some", true), ("all", false)] {
        world.workflow(
            name,
            &format!(
                "    - {{name: numbers, target: user_modules.deadly.numbers}}\n    \
                 - {{name: each, type: parameterized, target: user_modules.deadly.each, depends_on: [numbers], options: {{allow_partial_failure: {partial}}}}}\n    \
                 - {{name: total, target: user_modules.deadly.total, depends_on: [each]}}\n"
            ),
        );
    }
    let run = world.run(&["run", "some", "--wait", "--json"]).well().json();
    assert_eq!(run["result"], (0..30).sum::<i64>() - 17, "{run}");
    assert_eq!((&run["stages"][1]["items"]["done"], &run["stages"][1]["items"]["failed"]), (&29.into(), &1.into()), "{run}");
    let log = world.run(&["logs", run["name"].as_str().unwrap()]).well().stdout;
    assert!(log.contains("item 17") && log.contains("exited with status 3"), "{log}");
    world.run(&["run", "all", "--wait"]).failed(1, &["exited with status 3"]);
}

#[test]
fn cancel_ends_a_run_from_elsewhere() {
    let world = world();
    let mut client = world.command(&["run", "slow", "--input", "seconds=121", "--follow"]).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(client.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let name = line.split(' ').nth(1).unwrap().to_owned();
    world.run(&["cancel", &name]).well();
    assert_eq!(finish(client).code, Some(1));
    world.run(&["logs", "no-such-run"]).failed(1, &["no-such-run", "pegboard runs"]);
}

#[test]
fn plugins_are_listed_shown_and_reloaded() {
    let world = world();
    let table = world.run(&["plugins"]).well().stdout;
    assert!(table.contains("pegboard-fixture-good") && table.contains("ready"), "{table}");
    world.run(&["run", "hello", "--wait"]).well();
    let shown = world.run(&["plugin", "show", "pegboard_fixture_good", "--json"]).well().json();
    assert_eq!((shown["version"].as_str(), shown["state"].as_str()), (Some("1.0.0"), Some("ready")));
    let reloaded = world.run(&["plugin", "reload", "pegboard-fixture-good", "--json"]).well().json();
    assert!(reloaded["workers"].as_array().unwrap().iter().any(|worker| worker["generation"].as_u64() > Some(1)), "{reloaded}");
    world.run(&["plugin", "show", "absent"]).failed(1, &["absent", "pegboard plugins"]);
}
