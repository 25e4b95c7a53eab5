//! The released clients, unmodified, as they lie on the package index; a virtual environment below the target directory for each.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::support::{World, root, until};

/// Before results went through acknowledgements, and the newest.
pub(super) const RELEASES: [&str; 2] = ["imerit_ango==1.3.10", "imerit_ango==1.4.10"];
/// The newest.
pub(crate) const NEWEST: &str = RELEASES[1];
/// Begins with long polling.
pub(super) const OLDEST: &str = "ango==1.1.0";

#[expect(clippy::disallowed_methods, reason = "a test drives the clients as a user would")]
pub(super) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(path)
}

/// The interpreter of a release's environment; made on first use.
pub(crate) fn python(release: &str) -> PathBuf {
    type Made = HashMap<String, Arc<OnceLock<PathBuf>>>;
    static MADE: Mutex<Option<Made>> = Mutex::new(None);
    let cell = {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.get_or_insert_default().entry(release.to_owned()).or_default())
    };
    cell.get_or_init(|| {
        let folder = root().join("target/hub-clients").join(release.replace("==", "-"));
        let (marker, python) = (folder.join("made-of"), folder.join("bin/python"));
        if fs::read_to_string(&marker).ok().as_deref() != Some(release) {
            let _ = fs::remove_dir_all(&folder);
            run(program("python3").args(["-m", "venv"]).arg(&folder));
            // The old clients import `pkg_resources`, which newer tools have dropped.
            run(program(&python).args(["-m", "pip", "install", "--quiet", "setuptools<81", release]));
            fs::write(&marker, release).unwrap();
        }
        python
    })
    .clone()
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A plugin's record with its script's process. The process ends with the value.
pub(super) struct Plugin {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) secret: String,
    log: PathBuf,
    pub(super) process: Option<Child>,
}

impl Plugin {
    /// Makes the record; nothing runs yet.
    #[track_caller]
    pub(super) fn create(world: &World, kind: &'static str, more: &[&str]) -> Self {
        let arguments = [&["hub", "create", "--type", kind, "--name", kind, "--json"], more].concat();
        let made = world.run(&arguments).well().json();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let log = world.folder.path().join(format!("{}.log", text("id")));
        Self { kind, id: text("id"), secret: text("secret"), log, process: None }
    }

    /// The same record for another process.
    pub(super) fn twin(&self) -> Self {
        let (id, secret, log) = (self.id.clone(), self.secret.clone(), self.log.with_extension("twin.log"));
        Self { kind: self.kind, id, secret, log, process: None }
    }

    /// Starts the script of a release and waits for its light.
    #[track_caller]
    pub(super) fn start(&mut self, world: &World, release: &str) {
        self.spawn(&world.url, release, &[]);
        self.wait_for_light(world, true);
    }

    pub(super) fn spawn(&mut self, host: &str, release: &str, variables: &[(&str, &str)]) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hub/plugin.py");
        let mut command = program(python(release));
        command.arg(script).args([self.kind, host, &self.id, &self.secret]).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).envs(variables.iter().copied());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("CONNECTOR").envs(variables.iter().copied());
        self.process = Some(command.spawn().unwrap());
    }

    #[track_caller]
    pub(super) fn wait_for_light(&self, world: &World, live: bool) {
        until("the light of the plugin", || {
            let shown = world.get(&format!("/api/v1/hub/plugins/{}", self.id));
            (shown["live"] == live).then_some(())
        });
    }

    /// What the script said.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Ended already, or about to be.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.kill();
    }
}
