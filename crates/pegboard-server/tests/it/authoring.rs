//! `pegboard new` and `pegboard dev`: from nothing to a plugin that runs, and from a save to its result.

use std::io::{BufRead as _, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{World, command, end, finish, pegboard, signal};

#[test]
fn a_new_package_installs_passes_its_tests_and_runs() {
    let world = World::new();
    let said = world.run(&["new", "stage-plugin", "Churn_Models", "--directory", "churn"]).well();
    assert!(said.stdout.contains("churn/churn_models/stages.py") && said.stderr.contains("pegboard dev"), "{said:?}");
    world.run(&["new", "stage-plugin", "churn-models", "--directory", "churn"]).failed(1, &["not empty", "--directory"]);
    for wrong in ["class", "1a", "../x", "json"] {
        world.run(&["new", "stage-plugin", wrong]).failed(2, &["cannot be the name", "hint:"]);
    }
    world.run(&["install", "--editable", "./churn[test]"]).well();
    let applied = world.run(&["apply", "churn/workflows/churn-models.yaml"]).well();
    assert!(!applied.stderr.contains("warning"), "{}", applied.stderr);
    let result = world.run(&["run", "churn-models", "--input", "count=3", "--wait"]).well().json();
    assert_eq!(result["total"], 14);
    let environment = world.get("/api/v1/plugins/churn-models")["environment"].as_str().unwrap().to_owned();
    let python = world.data().join("environments").join(environment).join("bin/python");
    #[expect(clippy::disallowed_methods, reason = "a test does what an author would do")]
    let mut pytest = std::process::Command::new(python);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).current_dir(world.folder.path().join("churn"));
    let tests = end(pytest.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped())).well();
    assert!(tests.stdout.contains("3 passed"), "{}", tests.stdout);
}

#[test]
fn dev_runs_at_every_save_survives_a_broken_one_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    pegboard(folder.path(), &["new", "stage-plugin", "churn"]).well();
    let plugin = folder.path().join("churn");
    let mut dev = command(&["dev", "--input", "count=3"]).current_dir(&plugin).spawn().unwrap();
    let (sender, heard) = mpsc::channel();
    let lines = BufReader::new(dev.stderr.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let hear = |word: &str| {
        let mut all = String::new();
        loop {
            let line = heard.recv_timeout(Duration::from_secs(240)).unwrap_or_else(|_| panic!("no `{word}` in\n{all}"));
            all.push_str(&line);
            all.push('\n');
            if line.contains(word) {
                return all;
            }
        }
    };
    assert!(hear("after the save").contains("finished"));
    hear("waiting for a save");
    let stages = plugin.join("churn/stages.py");
    let text = std::fs::read_to_string(&stages).unwrap();
    std::fs::write(&stages, text.replace("total = sum(numbers)", "total = 40 + 2")).unwrap();
    assert!(hear("after the save").contains("finished"));
    hear("waiting for a save");
    std::fs::write(&stages, "def broken(:\n").unwrap();
    let said = hear("waiting for a save");
    assert!(said.contains("SyntaxError"), "{said}");
    std::fs::write(&stages, &text).unwrap();
    hear("after the save");
    hear("waiting for a save");
    let workflow = plugin.join("workflows/churn.yaml");
    let document = std::fs::read_to_string(&workflow).unwrap();
    std::fs::write(&workflow, document.replace("kind: workflow", "kind: wrokflow")).unwrap();
    assert!(hear("waiting for a save").contains("did you mean `workflow`?"));
    std::fs::write(&workflow, document).unwrap();
    hear("after the save");
    signal(&dev, "INT");
    let ended = finish(dev);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let totals: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("\"total\"")).map(str::trim).collect();
    assert_eq!(totals, ["\"total\": 14,", "\"total\": 42,", "\"total\": 14,", "\"total\": 14,"]);
    assert_eq!(std::fs::read_to_string(plugin.join(".pegboard/.gitignore")).unwrap(), "*\n");
}

#[test]
fn dev_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    pegboard(folder.path(), &["dev"]).failed(2, &["pyproject.toml", "pegboard new stage-plugin"]);
    pegboard(folder.path(), &["dev", "--directory", "nowhere"]).failed(2, &["cannot open", "hint:"]);
    pegboard(folder.path(), &["dev", "--url", "http://127.0.0.1:1", "--data", "x"]).failed(2, &["cannot be used with"]);
}

/// One world: the environment of panels is made once for both.
#[test]
fn new_panels_pass_their_tests_and_a_check_says_what_is_wrong_with_a_file() {
    let world = World::new();
    let data = world.data().display().to_string();
    for (kind, name) in [("panel", "error-table"), ("view", "champions"), ("page", "overview")] {
        let said = world.run(&["new", kind, name, "--directory", "panels"]).well();
        assert!(said.stdout.contains(&format!("tests/test_{}.py", name.replace('-', "_"))), "{said:?}");
        world.run(&["new", kind, name, "--directory", "panels"]).failed(1, &["exists", "--directory"]);
        world.run(&["new", kind, "class"]).failed(2, &["cannot be the name", "hint:"]);
    }
    let good = world.run(&["check", "panels", "--data", &data]).well();
    assert!(good.stdout.contains("3 files, 0 errors; loaded: ErrorTable, Champions, Overview"), "{}", good.stdout);
    let components = world.folder.path().join("panels/components");
    for (name, text) in [
        ("missing.py", "import no_such_package\n"),
        ("leaves.py", "import os\nos._exit(3)\n"),
        ("slow.py", "import time\n\ntime.sleep(60)\n"),
        ("syntax.py", "x = 1\ndef y(:\n"),
        ("_not_looked_at.py", "def y(:\n"),
    ] {
        std::fs::write(components.join(name), text).unwrap();
    }
    let bad = world.run(&["check", "panels", "--data", &data, "--set", "dashboard.load_deadline=4s"]);
    for words in [
        "components/leaves.py: error: the process ended while the file was loaded",
        "components/missing.py:1: error: ModuleNotFoundError: No module named 'no_such_package'",
        "`packages/`",
        "error: the file took too long to load",
        "components/syntax.py:2: error: SyntaxError",
        "7 files, 4 errors; loaded: ErrorTable, Champions, Overview",
    ] {
        assert!(bad.stdout.contains(words), "{words} in\n{}", bad.stdout);
    }
    bad.failed(1, &[]);
    let one = world.run(&["check", "panels/components/syntax.py", "--data", &data, "--json"]);
    assert_eq!(one.json()["findings"][0]["line"], 2);
    world.run(&["check", "panels/tests", "--data", &data]).failed(2, &["is no plugin folder", "pegboard new panel"]);
}
