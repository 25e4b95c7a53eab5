//! The real SDKs, unmodified, as they lie on the package index. Each release has a virtual environment below the target directory,
//! made once.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::ask::Hub;
use crate::support::root;

/// A program, started as a user would.
#[expect(clippy::disallowed_methods, reason = "a test drives the clients as a user would")]
fn program(path: impl AsRef<OsStr>) -> Command {
    Command::new(path)
}

#[track_caller]
fn run(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), stdout.into_owned(), stderr.into_owned())
}

/// The Python of an environment with this requirement.
fn python(requirement: &str) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = root().join("target/ango-clients").join(requirement.replace("==", "-"));
    let marker = folder.join("made-of");
    if fs::read_to_string(&marker).ok().as_deref() != Some(requirement) {
        let _ = fs::remove_dir_all(&folder);
        let (made, _, said) = run(program("python3").args(["-m", "venv"]).arg(&folder));
        assert!(made, "{said}");
        let (installed, _, said) = run(program(folder.join("bin/python")).args(["-m", "pip", "install", "--quiet", requirement]));
        assert!(installed, "{said}");
        fs::write(&marker, requirement).unwrap();
    }
    folder.join("bin/python")
}

/// Runs a script to its end; the methods that it called.
#[track_caller]
fn drive(requirement: &str, script: &str, hub: &Hub, arguments: &[&str]) -> BTreeSet<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ango").join(script);
    let mut command = program(python(requirement));
    command.arg(script).args([&hub.world.url, &hub.key]).args(arguments).current_dir(hub.world.folder.path());
    let (well, stdout, stderr) = run(&mut command);
    assert!(well, "{requirement}: {stderr}\n{}", hub.world.log());
    stdout.lines().map(str::to_owned).collect()
}

fn organization(hub: &Hub) -> String {
    hub.world.get(&format!("/api/v1/projects/{}", hub.project))["organization"].as_str().unwrap().to_owned()
}

#[test]
fn the_current_sdk_does_everything() {
    let hub = Hub::new();
    let folder = hub.world.folder.path().to_str().unwrap();
    let called = drive("imerit_ango==1.4.10", "sdk_current.py", &hub, &[&organization(&hub), folder]);
    // Groups (a) and (b) of the specification, as methods of this release.
    let needed = "_get_signed_url _get_upload_url assign_batches assign_task annotate_task create_batch create_batches create_storage \
                  create_issue create_label_set create_project export exportV3 get_assets get_batches get_issues get_project get_storages \
                  get_task get_task_history get_tasks import_labels list_projects requeue_tasks review_task update_workflow_stages \
                  upload_files upload_files_cloud";
    for method in needed.split_whitespace() {
        assert!(called.contains(method), "{method} was not called");
    }
    assert!(called.len() > 55, "{called:?}");
}

#[test]
fn releases_of_every_generation_do_what_they_can() {
    let hub = Hub::new();
    let folder = hub.world.folder.path().to_str().unwrap();
    for (requirement, package, least) in [("ango==1.1.6", "ango", 20), ("imerit_ango==1.3.13", "imerit_ango", 20)] {
        let called = drive(requirement, "sdk_old.py", &hub, &[folder, package]);
        assert!(called.len() >= least, "{requirement}: {called:?}");
    }
}
