//! Configs and triggers through the command line and the API, with the real binary.

use serde_json::{Value as Json, json};

use crate::support::{World, until};

const ALL_KINDS: &str = "\
kind: workflow
metadata: {name: hello, annotations: {team: a}}
spec:
  stages:
    - {name: a, target: platform.system, retires: 3}
---
kind: config
metadata: {name: shared}
spec:
  selector: {kind: workflow, type: annotation, value: {team: a}}
  data: {rate: 0.5}
---
kind: trigger_rule
metadata: {name: hourly}
spec: {type: schedule, rule: ['0 * * * *'], action: {target: run_workflow, parameters: {workflow: hello}}}
";

#[test]
fn one_file_holds_all_kinds_and_each_is_listed_shown_and_deleted() {
    let world = World::new();
    let file = world.file("all.yaml", ALL_KINDS);
    let applied = world.run(&["apply", &file]).well();
    assert_eq!(applied.stdout, "workflow hello created\nconfig shared created\ntrigger hourly created\n");
    assert!(applied.stderr.contains("`retires`") && applied.stderr.contains("did you mean `retries`?"), "{}", applied.stderr);
    let again = world.run(&["apply", &file, "--json"]).well().json();
    assert_eq!(again["applied"][2]["trigger"]["next"].as_array().map(Vec::len), Some(3), "{again}");
    assert_eq!(again["applied"][0]["created"], false);
    for (number, version) in again["applied"].as_array().unwrap().iter().zip(["workflow", "config", "trigger"]) {
        assert_eq!(number["unchanged"], true, "{version}: {number}");
        assert_eq!(number[version]["updated_at"], number[version]["created_at"], "nothing was stored");
    }
    let changed = world.file(
        "changed.yaml",
        &ALL_KINDS.replace("rate: 0.5", "rate: 0.6").replace("team: a}}\nspec:\n  st", "team: a, more: b}}\nspec:\n  st"),
    );
    assert_eq!(
        world.run(&["apply", &changed]).well().stdout,
        "workflow hello changed\nconfig shared changed\ntrigger hourly unchanged\n"
    );
    assert_eq!(
        world.run(&["apply", &file]).well().stdout,
        "workflow hello changed\nconfig shared changed\ntrigger hourly unchanged\n"
    );

    let configs = world.run(&["configs"]).well().stdout;
    assert!(configs.contains("team=a") && configs.contains("rate"), "{configs}");
    let triggers = world.run(&["triggers"]).well().stdout;
    assert!(triggers.contains("run hello") && triggers.contains(":00:00"), "{triggers}");
    for (kind, name) in [("workflow", "hello"), ("config", "shared"), ("trigger", "hourly")] {
        let document = world.run(&["show", kind, name]).well().stdout;
        let file = world.file("again.yaml", &document);
        let applied = world.run(&["apply", &file]).well();
        assert_eq!(applied.stdout, format!("{kind} {name} unchanged\n"));
        assert_eq!(world.run(&["show", kind, name]).well().stdout, document);
        world.run(&["delete", kind, name]).well();
        world.run(&["show", kind, name]).failed(1, &[&format!("there is no {kind} `{name}`"), "hint:"]);
        world.run(&["delete", kind, name]).failed(1, &[&format!("there is no {kind} `{name}`")]);
    }
    for kind in ["workflows", "configs", "triggers"] {
        assert!(world.run(&[kind]).well().stderr.contains("pegboard apply FILE"), "{kind}");
    }
}

#[test]
fn wrong_documents_are_refused_with_line_and_column_and_nothing_is_stored() {
    let world = World::new();
    let good = "kind: config\nmetadata: {name: first}\nspec: {data: {}}\n---\n";
    for (text, words) in [
        ("kind: workflow\nmetadata: {name: w}\nspec: {stages: [{name: a}]}\n", &["target"][..]),
        ("kind: config\nmetadata: {name: c}\nspec:\n  data: 3\n", &["`spec.data`", "object"]),
        ("kind: config\nmetadata: {name: c}\nspec:\n  data: {}\n  selector: {type: nmae}\n", &["did you mean `name`?"]),
        (
            "kind: trigger_rule\nmetadata: {name: t}\nspec: {type: schedule, rule: ['x'], action: {target: run_workflow}}\n",
            &["need 5 to 7"],
        ),
        ("kind: trigger_rule\nmetadata: {name: t}\nspec: {rule: {eqq: [1, 1]}, action: {target: run_workflow}}\n", &["eqq"]),
        ("kind: cofnig\nmetadata: {name: c}\n", &["did you mean `config`?"]),
        ("kind: config\nmetadata: {name: c}\nspec: {data: {a: [}}\n", &["line"]),
    ] {
        let file = world.file("wrong.yaml", &format!("{good}{text}"));
        let ended = world.run(&["apply", &file]).failed(1, words);
        assert!(ended.stderr.contains("line "), "{}", ended.stderr);
        assert_eq!(world.get("/api/v1/configs")["configs"], json!([]), "{text}");
    }
}

#[test]
fn targets_that_do_not_resolve_are_told_at_apply() {
    let world = World::new();
    world.install_good();
    std::fs::create_dir_all(world.data().join("user_modules")).unwrap();
    let loose = world.data().join("user_modules/m.py");
    std::fs::write(&loose, "NUMBER = 1\n\ndef f():\n    return NUMBER\n").unwrap();
    // The worker that is asked, and the environment that it needs, are there.
    world.workflow("before", "    - {name: a, target: user_modules.m.f}\n");
    assert_eq!(world.run(&["run", "before", "--wait", "--json"]).well().json()["result"], 1);
    let stages = [
        "pegboard_fixture_good.hello",
        "user_modules.m.f",
        "user_modules.m.nope",
        "user_modules.m.NUMBER",
        "builtins.len",
        "math.tau",
        "platform.system",
        "datetime.datetime.now",
        "chaos:stages",
        "",
        "pegboard_fixture_good.absent",
        "pegboard_fixture_good.nowhere.x",
        "elsewhere.x",
        "user_modules.y.f",
    ];
    let stages: Vec<Json> = stages.iter().enumerate().map(|(n, t)| json!({ "name": format!("s{n}"), "target": t })).collect();
    let text = json!({ "kind": "workflow", "metadata": { "name": "w" }, "spec": { "stages": stages } }).to_string();
    let said = world.run(&["apply", &world.file("w.json", &text)]).well().stderr;
    for words in [
        "`pegboard_fixture_good.absent` does not resolve: module `pegboard_fixture_good` has no `absent`",
        "`pegboard_fixture_good.nowhere.x` does not resolve: there is no module `pegboard_fixture_good.nowhere`",
        "`elsewhere.x` does not resolve: no installed plugin has a module `elsewhere`",
        "`user_modules.y.f` does not resolve: there is no `user_modules/y.py`",
        "`user_modules.m.nope` does not resolve: module `user_modules.m` has no `nope`",
        "`user_modules.m.NUMBER` does not resolve: it is not callable, but int",
        "`builtins.len` does not resolve: it is a built-in function",
        "`math.tau` does not resolve: it is not callable, but float",
        "`datetime.datetime.now` does not resolve: `datetime.datetime` is a class, not a module",
        "`chaos:stages` does not resolve: a target is a dotted path such as `package.module.function`; did you mean `chaos.stages`?",
        "`` does not resolve: it is empty",
    ] {
        assert!(said.contains(words), "{words} in\n{said}");
    }
    assert!(!["fixture_good.hello", "m.f`", "platform"].iter().any(|good| said.contains(good)), "{said}");
    // The look has left nothing behind: the next run takes what the file says.
    std::fs::write(&loose, "def f():\n    return 2\n").unwrap();
    assert_eq!(world.run(&["run", "before", "--wait", "--json"]).well().json()["result"], 2);
}

#[test]
fn targets_that_do_not_resolve_are_told_at_run_with_what_to_do() {
    let world = World::new();
    for (target, words) in [
        ("no_such_package.f", "correct the name"),
        ("platform.nope", "check the spelling"),
        ("math.tau", "written in Python"),
        ("builtins.len", "written in Python"),
        ("datetime.datetime.now", "a method of a class"),
        ("chaos:stages", "dotted path"),
    ] {
        let text =
            json!({ "kind": "workflow", "metadata": { "name": "w" }, "spec": { "stages": [{ "name": "a", "target": target }] } });
        world.run(&["apply", &world.file("w.json", &text.to_string())]).well();
        world.run(&["run", "w", "--wait"]).failed(1, &["hint:", words]);
    }
}

fn put(world: &World, path: &str, version: Option<&str>, body: &str) -> (u16, Json) {
    let version = version.map(|version| format!("If-Match: \"{version}\"\n")).unwrap_or_default();
    // What is sent has the line ends of HTTP.
    let length = body.replace('\n', "\r\n").len();
    let (status, _, answer) = world.http(&format!(
        "PUT {path} HTTP/1.0\nHost: localhost\nContent-Type: application/yaml\nContent-Length: {length}\n{version}\n{body}"
    ));
    (status, serde_json::from_str(&answer).expect("JSON"))
}

#[test]
fn of_two_writers_the_second_is_told() {
    let world = World::new();
    let text =
        |rate: u8| json!({ "kind": "config", "metadata": { "name": "c" }, "spec": { "data": { "rate": rate } } }).to_string();
    let (status, first) = put(&world, "/api/v1/configs/c", None, &text(1));
    assert_eq!((status, &first["created"]), (200, &json!(true)), "{first}");
    let seen = first["config"]["updated_at"].as_str().unwrap().to_owned();
    let (_, head, _) = world.http("GET /api/v1/configs/c HTTP/1.0\nHost: localhost\n\n");
    assert!(head.contains(&format!("etag: \"{}\"", seen.to_ascii_lowercase())), "{head}");
    assert_eq!(put(&world, "/api/v1/configs/c", Some(&seen), &text(2)).0, 200);
    let (status, refused) = put(&world, "/api/v1/configs/c", Some(&seen), &text(3));
    assert_eq!((status, refused["error"]["code"].as_str()), (409, Some("changed-meanwhile")), "{refused}");
    assert_eq!(world.get("/api/v1/configs/c")["data"]["rate"], 2);
    for (path, version, body, status, code) in [
        ("/api/v1/configs/d", None, text(1), 400, "name-mismatch"),
        ("/api/v1/workflows/c", None, text(1), 400, "wrong-kind"),
        ("/api/v1/configs/c", Some("yesterday"), text(1), 400, "if-match"),
        ("/api/v1/configs/c", None, format!("{}\n---\n{}", text(1), text(2)), 400, "several-documents"),
        ("/api/v1/configs/a%20b", None, text(1), 400, "resource-name"),
    ] {
        let (found, answer) = put(&world, path, version, &body);
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{answer}");
    }
}

#[test]
fn a_run_outlives_its_workflow() {
    let world = World::new();
    world.install_good();
    world.workflow("slow", "    - {name: a, target: pegboard_fixture_good.sleep}\n");
    let run = world.run(&["run", "slow", "--input", "seconds=1.5", "--json"]).well().json();
    let uid = run["uid"].as_str().unwrap();
    world.run(&["delete", "workflow", "slow"]).well();
    let ended = until("the end of the run", || {
        let run = world.get(&format!("/api/v1/runs/{uid}"));
        (run["finished_at"] != Json::Null).then_some(run)
    });
    assert_eq!((ended["state"].as_str(), ended["workflow"].as_str()), (Some("finished"), Some("slow")));
    world.run(&["run", "slow"]).failed(1, &["there is no workflow `slow`"]);
}

#[test]
fn user_modules_are_picked_up_by_the_next_run() {
    let world = World::new();
    let folder = world.data().join("user_modules");
    assert!(folder.join("__init__.py").is_file());
    std::fs::write(folder.join("helper.py"), "WORD = 'one'\n").unwrap();
    std::fs::write(folder.join("mine.py"), "from user_modules import helper\ndef say():\n    return helper.WORD\n").unwrap();
    world.workflow("w", "    - {name: a, target: user_modules.mine.say}\n");
    let run = || world.run(&["run", "w", "--wait"]).well().stdout;
    assert_eq!(run(), "\"one\"\n");
    // Of the same length, at once: nothing but the content tells.
    std::fs::write(folder.join("helper.py"), "WORD = 'two'\n").unwrap();
    assert_eq!(run(), "\"two\"\n");
    std::fs::write(folder.join("other.py"), "def say():\n    return 'new'\n").unwrap();
    world.workflow("w", "    - {name: a, target: user_modules.other.say}\n");
    assert_eq!(run(), "\"new\"\n");
    std::fs::write(folder.join("other.py"), "def say(:\n").unwrap();
    world.run(&["run", "w", "--wait"]).failed(1, &["SyntaxError"]);
}
