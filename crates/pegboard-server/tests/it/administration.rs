//! Backups while the server works, restored elsewhere; archives that are damaged or hostile; secrets; environments.

use std::fs::{File, read_dir};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::{World, pegboard};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What was acknowledged before a backup began, whatever went on meanwhile, is in what is restored from it.
#[test]
fn a_backup_has_everything_that_was_acknowledged() {
    let mut world = World::new();
    world.install_good();
    world.workflow("hello", "    - {name: greet, target: pegboard_fixture_good.hello}\n");
    let project = world.run(&["project", "create", "pictures", "--json"]).well().json()["id"].as_str().unwrap().to_owned();
    let token = world.file("token", "hunter2\n");
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token]).well();
    let stop = AtomicBool::new(false);
    let (before, files) = std::thread::scope(|scope| {
        let imports = scope.spawn(|| {
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let name = format!("asset-{}", done.len());
                let body = json!({ "items": [{ "data": format!("text {name}"), "externalId": name }] }).to_string();
                let head =
                    format!("POST /api/v1/projects/{project}/assets HTTP/1.0\nHost: localhost\nContent-Type: application/json");
                let (status, _, said) = world.http(&format!("{head}\nContent-Length: {}\n\n{body}", body.len()));
                assert_eq!(status, 200, "{said}");
                done.push(name);
            }
            done.len()
        });
        let runs = scope.spawn(|| {
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let run = world.run(&["run", "hello", "--input", "name=you", "--wait", "--json"]).well().json();
                done.push(run["uid"].as_str().unwrap().to_owned());
            }
            done
        });
        let mut backups = Vec::new();
        for number in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(700));
            let list = world.get("/api/v1/runs?state=finished&limit=1000");
            let runs: Vec<_> =
                list["runs"].as_array().unwrap().iter().map(|run| run["uid"].as_str().unwrap().to_owned()).collect();
            let assets = world.get(&format!("/api/v1/projects/{project}/assets?limit=1"))["total"].as_u64().unwrap();
            let file = world.folder.path().join(format!("{number}.zip"));
            world.run(&["backup", text(&file)]).well();
            backups.push((runs, assets, file));
        }
        stop.store(true, Ordering::Relaxed);
        let (all, imported) = (runs.join().unwrap(), imports.join().unwrap());
        let (runs, assets, file) = backups.last().unwrap().clone();
        assert!(runs.len() > 2 && assets > 2 && all.len() >= runs.len() && imported as u64 >= assets, "{runs:?} {assets}");
        ((runs, assets), file)
    });
    let mode = std::fs::metadata(&files).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds keys");
    assert!(
        !read_dir(world.folder.path()).unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
    );
    world.run(&["backup", text(&files)]).failed(1, &["exists already"]);
    // The server that runs there keeps its directory.
    let data = world.data();
    pegboard(world.folder.path(), &["restore", text(&files), "--data", text(&data), "--replace"])
        .failed(1, &["locked by another server"]);
    world.kill();
    pegboard(world.folder.path(), &["restore", text(&files), "--data", text(&data)])
        .failed(1, &["there is data already", "--replace"]);
    let aside = world.folder.path().join("first");
    std::fs::rename(&data, &aside).unwrap();

    let restored = pegboard(world.folder.path(), &["restore", text(&files), "--data", text(&data)]).well();
    assert!(restored.stderr.contains("pegboard upgrade pegboard-fixture-good"), "{}", restored.stderr);
    world.start();
    let (runs, assets) = before;
    for run in &runs {
        let found = world.get(&format!("/api/v1/runs/{run}"));
        assert_eq!(found["result"], "hello you", "{found}");
        assert!(!world.get(&format!("/api/v1/runs/{run}/log"))["lines"].as_array().unwrap().is_empty());
    }
    assert!(world.get(&format!("/api/v1/projects/{project}/assets?limit=1"))["total"].as_u64().unwrap() >= assets);
    assert_eq!(world.get("/api/v1/secrets")["secrets"][0]["name"], "REGISTRY_TOKEN");
    assert!(world.get("/api/v1/runs?state=running")["runs"].as_array().unwrap().is_empty());
    // It is there to work with: the plugin's environment is made again, and it runs.
    world.run(&["upgrade", "pegboard-fixture-good"]).well();
    world.run(&["run", "hello", "--input", "name=again", "--wait"]).well();
    // Over what is there: that lies beside it afterwards.
    world.kill();
    let again =
        pegboard(world.folder.path(), &["restore", text(&files), "--data", text(&data), "--replace", "--json"]).well().json();
    assert!(Path::new(again["former"].as_str().unwrap()).join("pegboard.db").is_file(), "{again}");
    world.start();
    assert_eq!(world.get(&format!("/api/v1/runs/{}", runs[0]))["state"], "finished");
}

/// The entries of an archive, after a change of each.
fn rewritten(from: &Path, to: &Path, mut change: impl FnMut(&str, &mut Vec<u8>) -> Option<String>) {
    let mut archive = ZipArchive::new(File::open(from).unwrap()).unwrap();
    let mut written = ZipWriter::new(File::create(to).unwrap());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().into_owned(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        if let Some(name) = change(&name, &mut bytes) {
            written.start_file(name, SimpleFileOptions::default()).unwrap();
            written.write_all(&bytes).unwrap();
        }
    }
    written.finish().unwrap();
}

#[test]
fn archives_that_are_damaged_or_hostile_change_nothing() {
    let mut world = World::new();
    let project = world.run(&["project", "create", "pictures", "--json"]).well().json();
    let good = world.folder.path().join("good.zip");
    let written = world.run(&["backup", text(&good), "--json"]).well().json();
    assert!(written["records"].as_u64().unwrap() > 2 && written["files"].as_u64().unwrap() > 0, "{written}");
    world.kill();
    let bad = world.folder.path().join("bad.zip");
    let refused = |code: &str, words: &[&str]| {
        for arguments in [&["--check"][..], &["--data", "new"]] {
            let ended = pegboard(world.folder.path(), &[&["restore", text(&bad), "--json"], arguments].concat());
            assert_eq!(ended.code, Some(1), "{ended:?}");
            let error: Json = serde_json::from_str(&ended.stderr).unwrap();
            assert_eq!(error["error"]["code"], code, "{error}");
            words
                .iter()
                .for_each(|word| assert!(error["error"]["message"].as_str().unwrap().contains(word), "{word} in {error}"));
        }
        let left = world.folder.path().join("new");
        assert!(!left.join("pegboard.db").exists() && !left.join("hub.key").exists());
    };
    let manifest = |change: &dyn Fn(&mut Json)| {
        rewritten(&good, &bad, |name, bytes| {
            if name == "manifest.json" {
                let mut json: Json = serde_json::from_slice(bytes).unwrap();
                change(&mut json);
                *bytes = json.to_string().into_bytes();
            }
            Some(name.to_owned())
        });
    };
    // A part that is not what was written, with an archive around it that is in order.
    rewritten(&good, &bad, |name, bytes| {
        if name == "records/projects.ndjson" {
            bytes[10] ^= 1;
        }
        Some(name.to_owned())
    });
    refused("backup-damaged", &["records/projects.ndjson"]);
    rewritten(&good, &bad, |name, _| (name != "records/users.ndjson").then(|| name.to_owned()));
    refused("backup-damaged", &["records/users.ndjson"]);
    rewritten(&good, &bad, |name, _| (name != "manifest.json").then(|| name.to_owned()));
    refused("backup-damaged", &["manifest.json"]);
    // Names that lead out of the data directory.
    for hostile in ["files/../../escaped", "files//tmp/escaped", "objects/../../escaped", "files/environments/x", "../escaped"] {
        let put = |name: &str| if name == "files/hub.key" { hostile.to_owned() } else { name.to_owned() };
        rewritten(&good, &bad, |name, bytes| {
            if name == "manifest.json" {
                *bytes = String::from_utf8(bytes.clone()).unwrap().replace("files/hub.key", hostile).into_bytes();
            }
            Some(put(name))
        });
        refused("backup-damaged", &["leads out of the data directory"]);
    }
    // One that the manifest is silent about.
    rewritten(&good, &bad, |name, _| Some(if name == "files/hub.key" { "files/scripts/x".to_owned() } else { name.to_owned() }));
    refused("backup-damaged", &["files/hub.key"]);
    manifest(&|json| json["format"] = json!(2));
    refused("backup-format", &["format 2"]);
    manifest(&|json| json["parts"][0]["bytes"] = json!(u64::MAX));
    refused("backup-damaged", &["is not what was written"]);
    manifest(&|json| *json = json!({ "format": 1 }));
    refused("backup-damaged", &["manifest.json"]);
    // Cut short, empty, no archive at all, not there.
    let whole = std::fs::read(&good).unwrap();
    for length in [whole.len() - 40, whole.len() / 2, 0] {
        std::fs::write(&bad, &whole[..length]).unwrap();
        refused("backup-damaged", &["bad.zip"]);
    }
    std::fs::remove_file(&bad).unwrap();
    refused("file", &["bad.zip"]);
    // Of a later Pegboard.
    manifest(&|json| json["schema"] = json!(999));
    let ended = pegboard(world.folder.path(), &["restore", text(&bad), "--data", "new"]);
    ended.failed(1, &["schema 999"]);
    // The good one is good.
    pegboard(world.folder.path(), &["restore", text(&good), "--check"]).well();
    pegboard(world.folder.path(), &["restore", text(&good), "--data", text(&world.folder.path().join("new"))]).well();
    std::fs::remove_dir_all(world.data()).unwrap();
    std::fs::rename(world.folder.path().join("new"), world.data()).unwrap();
    world.start();
    assert_eq!(world.get("/api/v1/projects")["projects"][0]["id"], project["id"]);
}

/// A secret reaches the plugin that it is given to, at once, and no other; it is never said again.
#[test]
fn secrets_reach_their_plugins_only() {
    let world = World::new();
    world.install_good();
    world.workflow("look", "    - {name: look, target: pegboard_fixture_good.variables}\n");
    let modules = world.data().join("user_modules");
    std::fs::write(modules.join("peek.py"), "import os\n\n\ndef look(prefix):\n    return {name: value for name, value in os.environ.items() if name.startswith(prefix)}\n").unwrap();
    world.workflow("peek", "    - {name: peek, target: user_modules.peek.look}\n");
    let seen = |workflow: &str| world.run(&["run", workflow, "--input", "prefix=REGISTRY_", "--wait"]).well().json();
    let value = |value: &str| json!({ "REGISTRY_TOKEN": value });
    assert_eq!(seen("look"), json!({}));
    let token = world.file("token", "hunter2\n");
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token, "--plugin", "nobody"]).failed(1, &["no plugin `nobody`"]);
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--plugin", "pegboard-fixture-good"]).failed(1, &["needs a value"]);
    world.run(&["secret", "set", "PATH", "--file", &token]).failed(1, &["decides how processes run"]);
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token, "--plugin", "pegboard-fixture-good"]).well();
    // Before a run says it in its result, which is that plugin's choice.
    let mut stored = Vec::new();
    for name in ["pegboard.db", "pegboard.db-wal"] {
        File::open(world.data().join(name)).unwrap().read_to_end(&mut stored).unwrap();
    }
    assert!(!stored.windows(7).any(|bytes| bytes == b"hunter2"), "sealed in the database");
    assert_eq!((seen("look"), seen("peek")), (value("hunter2"), json!({})));
    let token = world.file("token", "changed");
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token]).well();
    assert_eq!((seen("look"), seen("peek")), (value("changed"), json!({})));
    for path in ["/api/v1/secrets", "/ui/admin/secrets"] {
        let (status, _, body) = world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\n\n"));
        assert!(status == 200 && body.contains("REGISTRY_TOKEN") && !body.contains("changed"), "{body}");
    }
    assert!(!world.log().contains("hunter2") && !world.log().contains("changed\""));
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--nobody"]).well();
    assert_eq!(seen("look"), json!({}));
    world.run(&["secret", "rm", "REGISTRY_TOKEN"]).well();
    world.run(&["secret", "rm", "REGISTRY_TOKEN"]).failed(1, &["there is no secret"]);
    // What nobody uses is told and goes.
    let environments = world.run(&["environment", "ls", "--json"]).well().json();
    let all = environments["environments"].as_array().unwrap();
    assert!(all.iter().any(|one| one["plugins"] == json!(["pegboard-fixture-good"]) && one["is_used"] == true), "{environments}");
    assert!(all.iter().all(|one| one["bytes"].as_u64().unwrap() > 10_000), "{environments}");
    let unused = world.data().join("environments").join("0".repeat(32));
    std::fs::create_dir_all(&unused).unwrap();
    std::fs::write(unused.join("pegboard-complete"), "Python 3.12.4\n").unwrap();
    let pruned = world.run(&["environment", "prune", "--json"]).well().json();
    assert_eq!(pruned["removed"], json!(["0".repeat(32)]));
    assert!(!unused.exists());
    assert_eq!(seen("look"), json!({}), "what is used stays");
}

#[test]
fn storages_are_tested_and_the_status_counts() {
    let world = World::new();
    let folder = world.folder.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    world.file("pictures/a.txt", "a");
    let id = world.run(&["storage", "create", "pictures", "--folder", text(&folder)]).well().stdout.trim().to_owned();
    assert_eq!(
        world.run(&["storage", "test", &id, "--json"]).well().json(),
        json!({ "reached": true, "files": 1, "reason": null })
    );
    std::fs::remove_dir_all(&folder).unwrap();
    world.run(&["storage", "test", &id]).failed(1, &["cannot be reached"]);
    let cloud = world.file("secret", "secret");
    let closed = ["--provider", "AWS", "--endpoint", "http://127.0.0.1:1", "--public-key", "id", "--private-key-file", &cloud];
    let id = world.run(&[&["storage", "create", "cloud"], &closed[..]].concat()).well().stdout.trim().to_owned();
    world.run(&["storage", "test", &id]).failed(1, &["with a bucket"]);
    world.run(&["storage", "test", &id, "--bucket", "b"]).failed(1, &["cannot be reached"]);
    world.run(&["storage", "test", "64e5b8f1a2c3d4e5f6012345"]).failed(1, &["there is no storage"]);
    let details = world.get("/api/v1/status/details");
    assert_eq!((details["store"]["records"].as_str(), details["store"]["objects"].as_str()), (Some("SQLite"), Some("folder")));
    for part in ["memory_bytes", "disk_bytes", "disk_free_bytes"] {
        assert!(details[part].as_u64().unwrap() > 0, "{details}");
    }
    assert_eq!(details["store"]["counts"]["runs"], 0);
}

/// Names that want to be scripts stand on the pages as text; every page has its title, and none its style or script within.
#[test]
fn pages_show_hostile_names_as_text() {
    let world = World::new();
    let hostile = "\"><script>alert(1)</script>{{ 7 }}";
    let folder = world.folder.path().join(hostile.replace('/', ""));
    std::fs::create_dir(&folder).unwrap();
    world.run(&["storage", "create", hostile, "--folder", text(&folder)]).well();
    world.run(&["key", "create", "--name", hostile]).well();
    let token = world.file("token", "hunter2");
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token]).well();
    for (page, words) in [
        ("", "Environments"),
        ("/settings", "server.listen"),
        ("/people", "Invite somebody"),
        ("/organizations", "Add organization"),
        ("/keys", "Make key"),
        ("/storages", "Add storage"),
        ("/secrets", "REGISTRY_TOKEN"),
        ("/backup", "Download backup"),
        ("/audit", "POST /api/v1/keys"),
    ] {
        let (status, head, body) = world.http(&format!("GET /ui/admin{page} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
        assert!(status == 200 && body.contains(words) && body.contains("<h1>"), "{page}: {status} {body}");
        assert!(head.contains("content-security-policy"), "{page}: {head}");
        assert!(!body.contains("<script>alert") && !body.contains(" style=\""), "{page}: {body}");
        if matches!(page, "/keys" | "/storages") {
            assert!(body.contains("&lt;script&gt;alert(1)"), "{page}: {body}");
        }
    }
    // The form of the page, as a browser sends it.
    let form = "POST /api/v1/backups HTTP/1.0\nHost: localhost\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 11\n\ncsrf_token=";
    let (status, head, body) = world.http(form);
    assert!(status == 200 && head.contains("application/zip") && head.contains("attachment; filename=\"pegboard-"), "{head}");
    assert!(body.starts_with("PK"), "an archive");
}
