//! The command line without, and with, a server.

use std::path::Path;
use std::time::Instant;

use crate::support::{World, command, end, pegboard, root, signal};

const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["demo"],
    &["install"],
    &["upgrade"],
    &["uninstall"],
    &["plugins"],
    &["plugin"],
    &["plugin", "show"],
    &["plugin", "reload"],
    &["apply"],
    &["workflows"],
    &["configs"],
    &["triggers"],
    &["show"],
    &["delete"],
    &["events"],
    &["project"],
    &["project", "create"],
    &["project", "ls"],
    &["project", "show"],
    &["project", "rm"],
    &["project", "schema"],
    &["project", "stages"],
    &["project", "batches"],
    &["project", "assets"],
    &["project", "tasks"],
    &["project", "upload"],
    &["project", "import"],
    &["project", "export"],
    &["storage"],
    &["storage", "create"],
    &["storage", "ls"],
    &["storage", "rm"],
    &["key"],
    &["key", "create"],
    &["key", "ls"],
    &["key", "revoke"],
    &["new"],
    &["new", "stage-plugin"],
    &["new", "panel"],
    &["new", "view"],
    &["new", "page"],
    &["check"],
    &["dev"],
    &["run"],
    &["run", "show"],
    &["runs"],
    &["logs"],
    &["cancel"],
    &["hub"],
    &["hub", "create"],
    &["hub", "show"],
    &["hub", "ls"],
    &["hub", "directory"],
    &["hub", "edit"],
    &["hub", "rm"],
    &["hub", "rotate"],
    &["hub", "install"],
    &["hub", "remove"],
    &["hub", "run"],
    &["hub", "sessions"],
    &["hub", "logs"],
    &["hub", "result"],
    &["hub", "cancel"],
    &["hub", "retry"],
    &["hub", "presets"],
    &["config"],
    &["doctor"],
    &["completions"],
];

#[test]
fn every_command_explains_itself_with_an_example() {
    for words in COMMANDS {
        let mut arguments = words.to_vec();
        arguments.push("--help");
        let ended = pegboard(Path::new("."), &arguments).well();
        assert!(ended.stdout.contains("Usage: pegboard"), "{words:?}");
        let group = [&["plugin"], &["hub"], &["new"], &["project"], &["key"], &["storage"]].iter().any(|group| words == group);
        assert!(group || ended.stdout.contains("Example"), "{words:?} has no example");
        assert!(ended.stdout.contains("--json"), "{words:?}");
    }
}

#[test]
fn wrong_usage_exits_with_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["nonsense"],
        &["run"],
        &["runs", "--state", "dancing"],
        &["runs", "--limit", "0"],
        &["runs", "--limit", "many"],
        &["run", "x", "--input", "noequals"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--listen", "everywhere"],
        &["plugins", "--url", "gopher://x"],
        &["plugins", "--url", "http://"],
        &["config", "--set", "engine.memry=1"],
        &["config", "--config", "absent.toml"],
    ] {
        let ended = pegboard(folder.path(), arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?} {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}");
    }
    pegboard(folder.path(), &["serve", "--listen", "everywhere"]).failed(2, &["everywhere", "hint:", "127.0.0.1:8480"]);
}

#[test]
fn wrong_usage_is_json_where_json_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["--json", "nonsense"][..], "nonsense"),
        (&["plugns", "--json"], "plugns"),
        (&["--json"], "command is missing"),
        (&["runs", "--limit", "0", "--json"], "above zero"),
        (&["run", "x", "--input", "noequals", "--json"], "KEY=VALUE"),
        (&["show", "--json"], "required"),
    ] {
        let ended = pegboard(folder.path(), arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?} {}", ended.stderr);
        let said: serde_json::Value =
            serde_json::from_str(&ended.stderr).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        assert_eq!(said["error"]["code"], "usage", "{said}");
        assert!(said["error"]["message"].as_str().unwrap().contains(words) && said["error"]["hint"].is_string(), "{said}");
    }
    let help = pegboard(folder.path(), &["--json", "--help"]).well();
    assert!(help.stdout.contains("Usage: pegboard"), "help is help");
}

#[test]
fn help_explains_itself_too() {
    for arguments in [&["help"][..], &["help", "--help"], &["help", "-h"], &["help", "run", "--help"]] {
        let ended = pegboard(Path::new("."), arguments).well();
        assert!(ended.stdout.contains("Usage: pegboard"), "{arguments:?}");
    }
}

#[test]
fn the_reference_is_json_where_json_is_asked_for() {
    let settings = pegboard(Path::new("."), &["config", "--reference", "--json"]).well().json();
    let all = settings["settings"].as_array().unwrap();
    let memory = all.iter().find(|setting| setting["key"] == "engine.memory").unwrap();
    assert_eq!((memory["kind"].as_str(), &memory["default"]), (Some("size"), &serde_json::Value::Null));
    assert_eq!(memory["variable"], "PEGBOARD__ENGINE__MEMORY");
    assert!(pegboard(Path::new("."), &["config", "--reference"]).well().stdout.starts_with("# Settings"));
}

#[test]
fn no_server_exits_with_three_and_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["plugins"][..], &["runs"], &["run", "x", "--follow"], &["logs", "x", "--follow"], &["cancel", "x"]] {
        let mut command = command(arguments);
        let ended = end(command.current_dir(folder.path()).env("PEGBOARD_URL", "http://127.0.0.1:1"));
        ended.failed(3, &["cannot reach", "http://127.0.0.1:1", "hint: start one with `pegboard serve`"]);
    }
    let mut command = command(&["plugins", "--json", "--url", "http://127.0.0.1:1"]);
    let ended = end(command.current_dir(folder.path()));
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["error"]["code"], "server-unreachable");
}

#[test]
fn config_says_where_each_value_is_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("pegboard.toml"),
        "[engine]\nmemory = \"2GiB\"\n[store]\npostgres_url = \"postgres://u:hunter2@h/d\"\n",
    )
    .unwrap();
    let mut command = command(&["config", "--json", "--data", "d", "--set", "flow.namespace=x"]);
    let ended = end(command.current_dir(folder.path()).env("PEGBOARD__ENGINE__STOP_DEADLINE", "7s")).well();
    assert!(!ended.stdout.contains("hunter2"));
    let settings = ended.json();
    let origin = |key: &str| {
        let all = settings["settings"].as_array().unwrap();
        let one = all.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"));
        (one["text"].as_str().unwrap().to_owned(), one["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(origin("server.listen"), ("127.0.0.1:8480".to_owned(), "default".to_owned()));
    assert_eq!(origin("server.data").1, "--data");
    assert_eq!(origin("flow.namespace"), ("x".to_owned(), "--set flow.namespace".to_owned()));
    assert_eq!(origin("engine.stop_deadline"), ("7s".to_owned(), "PEGBOARD__ENGINE__STOP_DEADLINE".to_owned()));
    assert_eq!(origin("engine.memory").0, "2GiB");
    assert!(origin("engine.memory").1.starts_with("file:") && origin("engine.memory").1.ends_with("pegboard.toml"));
    assert_eq!(origin("store.postgres_url").0, "***");
    let table = pegboard(folder.path(), &["config"]).well().stdout;
    assert!(table.lines().any(|line| line.split_whitespace().collect::<Vec<_>>()[..2] == ["engine.memory", "2GiB"]), "{table}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = pegboard(Path::new("."), &["completions", shell]).well();
        assert!(ended.stdout.contains("plugins"), "{shell}");
    }
}

#[test]
fn doctor_works_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let findings = pegboard(folder.path(), &["doctor", "--json"]).well().json();
    let python = &findings["findings"][0];
    assert_eq!((python["subject"].as_str(), python["verdict"].as_str()), (Some("python"), Some("ok")));
    assert!(!folder.path().join("pegboard-data").exists(), "it changes nothing");
    let ended = pegboard(folder.path(), &["doctor", "--set", "engine.python=/nowhere/python"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("MISSING") && ended.stdout.contains("python"), "{}", ended.stdout);
}

#[test]
fn serve_is_quick_small_and_stops_in_order() {
    let mut world = World::new();
    assert_eq!(world.get("/-/ready")["status"], "ready");
    let mut server = world.server.take().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    // What it has taken for itself: the pages of an unoptimised binary say nothing about the server.
    let resident: u64 =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    assert!(resident < 24 << 10, "{resident} kB resident");
    let begun = Instant::now();
    signal(&server, "TERM");
    assert!(server.wait().unwrap().success(), "{}", world.log());
    assert!(begun.elapsed().as_secs() < 5);
    // The lock is free again and what was stored is there.
    world.start();
    assert_eq!(world.get("/api/v1/plugins")["plugins"].as_array().unwrap().len(), 0);
}

/// What a page tells people to type: names, options and how many words there may be are right.
#[test]
fn commands_on_pages_are_commands() {
    let pages = root().join("crates/pegboard-server/pages");
    let folder = tempfile::tempdir().unwrap();
    let (mut open, mut tried) = (vec![pages], 0);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap().replace("{{ project.id }}", "ID").replace("$(date +%F)", "today");
        for (before, line) in text.match_indices("pegboard ").map(|(at, _)| text.split_at(at)) {
            if !before.ends_with(['\n', '>', '`']) {
                continue;
            }
            let said = line.split(['<', '`', '\n']).next().unwrap_or_default();
            let words: Vec<&str> = said.split_whitespace().skip(1).chain(["--help"]).collect();
            let ended = pegboard(folder.path(), &words);
            assert_eq!(ended.code, Some(0), "{}: `{said}`: {}", path.display(), ended.stderr);
            tried += 1;
        }
    }
    assert!(tried >= 15, "{tried}");
    assert_eq!(
        pegboard(folder.path(), &["new", "panel", "x", "--folder", "y", "--help"]).code,
        Some(2),
        "a wrong option is seen"
    );
}
