//! Pages of workflows, runs, triggers, configurations and artifacts, and what they ask of the API.

use serde_json::{Value as Json, json};

use super::{ESCAPED, HOSTILE, ask, page, well};
use crate::support::{World, until};

/// Waits for the end of a run; the run.
#[track_caller]
fn ended(world: &World, uid: &str) -> Json {
    until("the end of the run", || {
        let run = world.get(&format!("/api/v1/runs/{uid}"));
        (!matches!(run["state"].as_str(), Some("pending" | "running"))).then_some(run)
    })
}

#[track_caller]
fn run(world: &World, workflow: &str, input: &Json) -> Json {
    let run = well(world, "POST", "/api/v1/runs", &json!({ "workflow": workflow, "input": input }));
    ended(world, run["uid"].as_str().unwrap())
}

#[test]
fn hostile_words_are_text_on_every_page() {
    let world = World::new();
    let workflow = json!({
        "kind": "workflow", "metadata": { "name": "w", "annotations": { "description": HOSTILE, HOSTILE: HOSTILE } },
        "spec": { "stages": [
            { "name": HOSTILE, "target": HOSTILE, "description": HOSTILE, "resources": { HOSTILE: 1 } },
            { "name": "next", "target": "a.b", "depends_on": [HOSTILE] },
        ] },
    });
    let config = json!({
        "kind": "config", "metadata": { "name": "c" },
        "spec": { "selector": { "type": "annotation", "value": { HOSTILE: HOSTILE } }, "data": { HOSTILE: HOSTILE } },
    });
    let trigger = json!({
        "kind": "trigger_rule", "metadata": { "name": "t", "annotations": { "description": HOSTILE } },
        "spec": { "type": "condition", "rule": { "eq": [{ "var": "type" }, HOSTILE] },
                  "action": { "target": "run_workflow", "parameters": { "workflow": "w", "input": { "x": HOSTILE } } } },
    });
    for document in [&workflow, &config, &trigger] {
        well(&world, "POST", "/api/v1/apply", document);
    }
    let input = json!({ HOSTILE: HOSTILE, "table": [{ HOSTILE: HOSTILE }] });
    let run = run(&world, "w", &input);
    assert_eq!(run["state"], "failed");
    let uid = run["uid"].as_str().unwrap();
    let artifact = json!({
        "description": HOSTILE, "owner": HOSTILE, "tags": [HOSTILE], "health": [HOSTILE], "facts": { HOSTILE: HOSTILE, "deep": [HOSTILE] },
        "origin": { "run": uid, "workflow": "w", "source": HOSTILE }, "inputs": ["data_source:rows"]
    });
    well(&world, "POST", "/api/v1/catalog/data_source/rows", &json!({ "files": [{ "role": "data", "content": [{ "a": 1 }] }] }));
    let name = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    well(&world, "POST", &format!("/api/v1/catalog/model/{name}"), &artifact);
    for (path, shown) in [
        ("/ui/workflows".to_owned(), true),
        ("/ui/workflows/w".to_owned(), true),
        ("/ui/runs".to_owned(), false),
        (format!("/ui/runs?workflow={}", "%3Cscript%3Ealert(1)%3C/script%3E%22'%26%7B%7B%207*7%20%7D%7D"), true),
        (format!("/ui/runs/{uid}"), true),
        (format!("/ui/runs/{uid}?level=error"), true),
        ("/ui/triggers".to_owned(), true),
        ("/ui/configs".to_owned(), true),
        ("/ui/edit/workflow/w".to_owned(), false),
        ("/ui/edit/workflow?from=w".to_owned(), false),
        ("/ui/edit/trigger/t".to_owned(), false),
        ("/ui/edit/config?workflow=%3Cscript%3E".to_owned(), false),
        (format!("/ui/artifacts/model/{name}"), true),
        ("/ui/artifacts/data_source/rows".to_owned(), false),
    ] {
        let body = page(&world, &path);
        assert!(!shown || body.contains(ESCAPED), "{path}: {body}");
        assert!(!body.contains("<script>alert"), "{path}");
    }
    for (path, status) in [
        ("/ui/workflows/nothing", 404),
        ("/ui/runs/nothing", 404),
        ("/ui/runs?state=nothing", 400),
        ("/ui/edit/nothing", 404),
        ("/ui/edit/run", 404),
        ("/ui/edit/workflow/nothing", 404),
        ("/ui/artifacts/model/nothing", 404),
        ("/ui/artifacts/nothing/nothing", 400),
    ] {
        let (found, _, body) = world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.contains("<h1>"), "{path} is no page: {body}");
    }
}

#[test]
fn a_run_says_who_served_it_what_applied_and_what_it_made() {
    let world = World::new();
    world.install_good();
    let text = json!({
        "kind": "workflow", "metadata": { "name": "sums", "annotations": { "team": "a" } },
        "spec": { "stages": [
            { "name": "numbers", "target": "pegboard_fixture_good.numbers" },
            { "name": "squares", "type": "parameterized", "target": "pegboard_fixture_good.square", "depends_on": ["numbers"] },
            { "name": "total", "target": "pegboard_fixture_good.total", "depends_on": ["squares"] },
        ] },
    });
    well(&world, "POST", "/api/v1/apply", &text);
    for (name, selector) in [
        ("by-team", json!({ "kind": "workflow", "type": "annotation", "value": { "team": "a" } })),
        ("by-name", json!({ "kind": "workflow", "type": "name", "value": "sums" })),
        ("other", json!({ "kind": "workflow", "type": "name", "value": "other" })),
    ] {
        let config =
            json!({ "kind": "config", "metadata": { "name": name }, "spec": { "selector": selector, "data": { "from": name } } });
        well(&world, "POST", "/api/v1/apply", &config);
    }
    let preview = world.get("/api/v1/workflows/sums/preview");
    assert_eq!((&preview["executor"], &preview["config"]), (&json!("local"), &json!({ "from": "by-team" })));
    assert_eq!(preview["stages"][2]["plugin"]["name"], "pegboard-fixture-good");
    let parameters = world.get("/api/v1/workflows/sums/parameters");
    assert_eq!(parameters["unknown"], json!([]));
    let n = &parameters["parameters"][0];
    assert_eq!(
        (&n["name"], &n["default"], &n["required"], &n["stages"]),
        (&json!("n"), &json!("5"), &json!(false), &json!(["numbers"]))
    );

    let run = run(&world, "sums", &json!({ "n": 4 }));
    assert_eq!((&run["state"], &run["result"]), (&json!("finished"), &json!(14)), "{run}");
    let names: Vec<_> = run["configs"].as_array().unwrap().iter().map(|config| config["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["by-name", "by-team"]);
    assert_eq!(run["configs"][1]["selector"]["type"], "annotation");
    assert_eq!(run["stages"][1]["depends_on"], json!(["numbers"]));
    let plugin = world.get("/api/v1/plugins/pegboard-fixture-good");
    assert_eq!(run["stages"][0]["plugin"], json!({ "name": "pegboard-fixture-good", "version": plugin["version"] }));

    let uid = run["uid"].as_str().unwrap();
    let origin = json!({ "run": uid, "workflow": "sums" });
    well(&world, "POST", "/api/v1/catalog/data_source/raw", &json!({ "files": [{ "role": "data", "content": [{ "a": 1 }] }] }));
    let features =
        json!({ "inputs": ["data_source:raw"], "origin": origin, "files": [{ "role": "data", "content": [{ "a": 1 }] }] });
    well(&world, "POST", "/api/v1/catalog/feature_set/team%2Ffeatures", &features);
    let model = json!({ "inputs": ["feature_set:team/features", "data_source:gone"] });
    well(&world, "POST", "/api/v1/catalog/model/sum", &model);
    let made = world.get(&format!("/api/v1/runs/{uid}/artifacts"));
    assert_eq!(made["artifacts"].as_array().unwrap().len(), 1);
    assert_eq!(made["artifacts"][0]["name"], "team/features");
    well(&world, "PATCH", "/api/v1/catalog/model/sum", &json!({ "origin": origin }));
    assert_eq!(world.get(&format!("/api/v1/runs/{uid}/artifacts"))["artifacts"].as_array().unwrap().len(), 2);

    let lineage = world.get("/api/v1/catalog/feature_set/team%2Ffeatures/lineage");
    let told: Vec<_> = lineage["artifacts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((told, &lineage["steps"]), (vec!["team/features", "raw", "sum"], &json!([[1, 0], [0, 2]])));
    let back = world.get("/api/v1/catalog/model/sum/lineage");
    let gone = back["artifacts"].as_array().unwrap().iter().find(|one| one["name"] == "gone").unwrap();
    assert_eq!(gone["version"], Json::Null);

    let shown = page(&world, &format!("/ui/runs/{uid}"));
    for words in
        ["/ui/plugins/packages/pegboard-fixture-good", "/ui/artifacts/feature_set/team%2Ffeatures?version=1", "4 of 4", "by-team"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let shown = page(&world, "/ui/artifacts/feature_set/team%2Ffeatures");
    for words in [
        &format!("/ui/runs/{uid}"),
        "/ui/workflows/sums",
        "/ui/plugins/packages/pegboard-fixture-good",
        "/ui/artifacts/data_source/raw",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let listed = world.get("/api/v1/workflows?runs=5");
    assert_eq!(listed["workflows"][0]["recent"][0]["uid"], run["uid"]);
    assert!(world.get("/api/v1/workflows")["workflows"][0].get("recent").is_none());
}

#[test]
fn long_logs_are_read_from_their_end() {
    let world = World::new();
    world.install_good();
    world.workflow("talk", "    - {name: talk, target: pegboard_fixture_good.print_lines}\n    - {name: fail, target: pegboard_fixture_good.fail, depends_on: [talk]}\n");
    let run = run(&world, "talk", &json!({ "lines": 900 }));
    let uid = run["uid"].as_str().unwrap();
    let log = |query: &str| world.get(&format!("/api/v1/runs/{uid}/log?{query}"));
    let all = log("limit=1000")["lines"].as_array().unwrap().len();
    let end = log("limit=100&last=true");
    assert_eq!(end["last"], json!(all));
    assert_eq!(end["earlier"], json!(all - 99));
    let before = log(&format!("limit=1000&before={}", end["earlier"]));
    assert_eq!(before["lines"].as_array().unwrap().len(), all - 100);
    assert_eq!((&before["lines"][0]["sequence"], &before["earlier"]), (&json!(1), &Json::Null));
    let errors = log("level=error&last=true");
    assert!(errors["lines"].as_array().unwrap().iter().all(|line| line["level"] == "error"), "{errors}");
    assert!(!errors["lines"].as_array().unwrap().is_empty());
    let of_stage = log("stage=talk&limit=3");
    assert!(of_stage["lines"].as_array().unwrap().iter().all(|line| line["stage"] == "talk"), "{of_stage}");
    assert_eq!(log("stage=nothing")["lines"], json!([]));
    assert_eq!(ask(&world, "GET", &format!("/api/v1/runs/{uid}/log?level=loud"), &Json::Null).0, 400);
    let shown = page(&world, &format!("/ui/runs/{uid}"));
    assert!(shown.contains(">line 899<") && !shown.contains(">line 100<") && shown.contains("Earlier lines"));
    let lines = world.run(&["logs", uid, "--last", "5", "--level", "info"]).well().stdout;
    assert_eq!(lines.lines().count(), 5, "{lines}");
    world.run(&["run", "delete", uid]).well();
    assert_eq!(ask(&world, "GET", &format!("/api/v1/runs/{uid}"), &Json::Null).0, 404);
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let world = World::new();
    let text = |target: &str| json!({ "kind": "workflow", "metadata": { "name": "w" }, "spec": { "stages": [{ "name": "a", "target": target }] } });
    let made = well(&world, "POST", "/api/v1/apply?dry_run=true", &text("m.f"));
    assert_eq!((&made["applied"][0]["created"], &made["applied"][0]["unchanged"]), (&json!(true), &json!(false)));
    assert!(made["applied"][0]["diff"].as_str().unwrap().contains("+  name: w"), "{made}");
    assert!(made["applied"][0]["warnings"][0].as_str().unwrap().contains("no installed plugin has a module `m`"), "{made}");
    assert_eq!(world.get("/api/v1/workflows")["workflows"], json!([]));
    well(&world, "POST", "/api/v1/apply", &text("m.f"));
    let stored = world.get("/api/v1/workflows/w");
    let same = well(&world, "POST", "/api/v1/apply?dry_run=true", &text("m.f"));
    assert_eq!((&same["applied"][0]["unchanged"], &same["applied"][0]["diff"]), (&json!(true), &json!("")));
    let other = well(&world, "POST", "/api/v1/apply?dry_run=true", &text("m.g"));
    let diff = other["applied"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("-      target: m.f\n") && diff.contains("+      target: m.g\n"), "{diff}");
    assert_eq!(other["applied"][0]["workflow"]["updated_at"], stored["updated_at"]);
    assert_eq!(world.get("/api/v1/workflows/w"), stored);
    let (status, refused) =
        ask(&world, "POST", "/api/v1/apply?dry_run=true", &json!({ "kind": "workflow", "metadata": { "name": "w" } }));
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].as_str().unwrap().contains("line 1, column 1"), "{refused}");
    let document = world.get("/api/v1/workflows/w/document");
    assert_eq!(document["updated_at"], stored["updated_at"]);
    let file = world.file("w.yaml", document["text"].as_str().unwrap());
    let said = world.run(&["apply", &file, "--dry-run"]).well();
    assert!(said.stdout.contains("unchanged"), "{said:?}");
    let file = world.file("w.yaml", &document["text"].as_str().unwrap().replace("m.f", "m.h"));
    let said = world.run(&["apply", &file, "--dry-run"]).well();
    assert!(said.stdout.contains("would change") && said.stdout.contains("+      target: m.h"), "{said:?}");
    assert_eq!(world.get("/api/v1/workflows/w"), stored);
}
