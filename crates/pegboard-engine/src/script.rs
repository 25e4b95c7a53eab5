//! Scripts that run for as long as the server does: hosted plugins of the hub.
//!
//! Invariants: a script's folder below `<data>/scripts/` holds all that is needed to start it again, and no secret; it has at
//! most one process; what it printed last is kept, within a limit; none outlives the engine.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pegboard_model::{Error, LogLine, Script, ScriptState, ScriptStatus};
use tokio_util::sync::CancellationToken;

use crate::engine::WorkerLimits;
use crate::environment::{Environments, io_error};

mod folder;
mod log;
mod process;

#[cfg(test)]
mod tests;

use folder::Folder;
use log::Log;
use process::Supervised;

/// Variables that a script gets at each of its starts, asked for anew each time: they may hold secrets, which are kept nowhere.
pub type ScriptVariables = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// How scripts are run.
#[derive(Clone, Debug)]
pub(crate) struct ScriptOptions {
    /// Holds a folder for each script.
    pub(crate) folder: PathBuf,
    /// Of each process.
    pub(crate) limits: WorkerLimits,
    /// From the request to end to SIGKILL.
    pub(crate) stop_deadline: Duration,
}

/// All scripts. Cheap to clone.
#[derive(Clone)]
pub struct Scripts {
    inner: Arc<Inner>,
}

struct Inner {
    options: ScriptOptions,
    environments: Environments,
    running: Mutex<HashMap<String, Arc<Supervised>>>,
    /// One change of a script at a time.
    turn: tokio::sync::Mutex<()>,
    closing: CancellationToken,
}

impl Scripts {
    /// Of each process.
    pub(crate) fn limits(&self) -> WorkerLimits {
        self.inner.options.limits.clone()
    }

    pub(crate) fn new(options: ScriptOptions, environments: Environments) -> Self {
        let inner = Inner {
            options,
            environments,
            running: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            closing: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Keeps the script under this key and starts it, in place of the one that was there.
    ///
    /// # Errors
    /// `script-invalid` for a key or a file name that is none; `disk-full`, `data-directory`.
    pub async fn host(&self, key: &str, script: Script, variables: ScriptVariables) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        let folder = self.folder(key)?;
        self.check_open()?;
        self.end(key).await;
        folder.write(&script).await?;
        self.begin(key, folder, script, true, variables);
        Ok(())
    }

    /// Starts a script that an earlier call, or an earlier server, has kept. One that runs is started anew.
    ///
    /// # Errors
    /// `script-not-found`; `data-directory`.
    pub async fn start(&self, key: &str, variables: ScriptVariables) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        let folder = self.folder(key)?;
        let Some(script) = folder.read().await? else {
            return Err(Error::not_found("script-not-found", format!("no script is kept as `{key}`"))
                .hint("host one with `pegboard hub host PLUGIN SCRIPT`"));
        };
        self.check_open()?;
        self.end(key).await;
        self.begin(key, folder, script, false, variables);
        Ok(())
    }

    /// Ends the script and forgets it; whether there was one.
    ///
    /// # Errors
    /// `data-directory` when its folder cannot be removed.
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        let _turn = self.inner.turn.lock().await;
        let folder = self.folder(key)?;
        let was_running = self.end(key).await;
        Ok(folder.remove().await? || was_running)
    }

    /// Keys of the scripts that are kept.
    ///
    /// # Errors
    /// `data-directory`.
    pub async fn keys(&self) -> Result<Vec<String>, Error> {
        let folder = self.inner.options.folder.clone();
        let list = move || match std::fs::read_dir(&folder) {
            Ok(entries) => {
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                let mut keys: Vec<String> = names.filter(|name| folder::is_key(name)).collect();
                keys.sort();
                Ok(keys)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("cannot read the directory", &folder, &error)),
        };
        tokio::task::spawn_blocking(list).await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    /// The script that is kept under this key.
    ///
    /// # Errors
    /// `data-directory`.
    pub async fn script(&self, key: &str) -> Result<Option<Script>, Error> {
        self.folder(key)?.read().await
    }

    /// How the script is; none for one that was not started.
    #[must_use]
    pub fn status(&self, key: &str) -> Option<ScriptStatus> {
        self.running().get(key).map(|script| script.status())
    }

    /// What it printed last, oldest first.
    #[must_use]
    pub fn lines(&self, key: &str) -> Vec<LogLine> {
        self.running().get(key).map(|script| script.lines()).unwrap_or_default()
    }

    /// Environments that scripts need.
    pub(crate) fn used(&self) -> Vec<String> {
        self.running().values().filter_map(|script| script.environment()).collect()
    }

    /// Whether one is about to make an environment that nobody else knows of.
    pub(crate) fn is_preparing(&self) -> bool {
        self.running().values().any(|script| script.status().state == ScriptState::Preparing)
    }

    /// Ends all of them; they start again with the next server.
    pub(crate) async fn shutdown(&self) {
        self.inner.closing.cancel();
        // A change that is under way has begun its script when this goes on.
        let _turn = self.inner.turn.lock().await;
        let scripts: Vec<_> = self.running().drain().map(|(_, script)| script).collect();
        futures::future::join_all(scripts.iter().map(|script| script.end())).await;
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.inner.closing.is_cancelled() {
            return Err(Error::unavailable("stopping", "the server is stopping").hint("try again when it is back"));
        }
        Ok(())
    }

    fn begin(&self, key: &str, folder: Folder, script: Script, anew: bool, variables: ScriptVariables) {
        let (environments, options) = (self.inner.environments.clone(), self.inner.options.clone());
        let supervised = Supervised::start(key, folder, script, anew, variables, environments, options);
        self.running().insert(key.to_owned(), supervised);
    }

    async fn end(&self, key: &str) -> bool {
        let script = self.running().remove(key);
        match script {
            Some(script) => {
                script.end().await;
                true
            }
            None => false,
        }
    }

    fn folder(&self, key: &str) -> Result<Folder, Error> {
        if folder::is_key(key) {
            return Ok(Folder::new(self.inner.options.folder.join(key)));
        }
        Err(Error::invalid("script-invalid", format!("`{key}` is not a key of a script")).hint("use letters, digits and `-`"))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Supervised>>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Variables by name, the last one of a name counts; names that no process can have are left out.
fn clean(variables: Vec<(String, String)>) -> BTreeMap<String, String> {
    let is_possible = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
    variables.into_iter().filter(|(name, value)| is_possible(name) && !value.contains('\0')).collect()
}

/// Where the Python of a script lies in its folder.
fn script_path(folder: &Path, script: &Script) -> PathBuf {
    folder.join("code").join(&script.file_name)
}
