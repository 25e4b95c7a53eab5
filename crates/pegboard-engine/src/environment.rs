//! Python environments: found, made, locked, shared, removed.
//!
//! Invariants: no plugin code runs in this process (building a source distribution runs its build code in a child); an
//! environment is used only when its marker file, written last, is there; one is made by one caller at a time, also across
//! servers; equal content shares one directory. Credentials in URLs reach neither a log, a progress line, an error nor the
//! stored lock.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use pegboard_model::{Error, PluginRecord};
use tokio::sync::OnceCell;

use crate::host_files;

mod bytecode;
mod create;
mod digest;
mod discover;
mod explain;
mod files;
mod installer;
mod lock;
mod memory;
mod pip;
mod python;
mod requirement;
mod resolve;
mod sizes;
mod tool;
mod uv;

pub use installer::Installer;
pub use sizes::EnvironmentSize;

pub(crate) use files::io_error;

use create::Recipe;
use installer::Installers;
use python::Python;
use requirement::Requirement;
use resolve::{Ours, Question, Wheels};

/// What old releases of APScheduler import without asking for it; all released clients of the labelling dialect depend on those.
const SETUPTOOLS: &str = "setuptools<81";
/// What the dialect's data sets need, as the original depends on it.
const FRAMES: [&str; 3] = ["numpy>=1.26.4,<3", "pandas>=2.0.2", "pyarrow>=15"];

/// Told what happens, step by step: (step, detail). Steps: `resolve`, `create`, `install`, `compile`, `discover`, `load`, `swap`.
pub type Progress = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// How environments are made.
#[derive(Clone, Debug)]
pub struct EnvironmentOptions {
    /// Data directory: `environments/`, `tools/`, `cache/uv`, `host/` are below it.
    pub data: PathBuf,
    /// The Python to use; none: the newest `python3` on PATH, 3.10 or newer, kept by the data directory from then on.
    pub python: Option<PathBuf>,
    /// The uv to use; none: on PATH, else installed once below `tools/`, else venv and pip.
    pub uv: Option<PathBuf>,
    /// Never use uv, only venv and pip.
    pub without_uv: bool,
    /// Never use the network.
    pub offline: bool,
    /// Requirements that every plugin's environment gets besides the plugin's own.
    pub extra: Vec<String>,
}

impl EnvironmentOptions {
    /// Everything found by itself, network allowed.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), python: None, uv: None, without_uv: false, offline: false, extra: Vec::new() }
    }
}

/// What to install.
#[derive(Clone, Debug)]
pub struct InstallRequest {
    /// Requirement, path, wheel or `git+` URL.
    pub requirement: String,
    /// Install a source folder in place, so that edits are seen by the next load.
    pub editable: bool,
    /// Package index instead of the default one.
    pub index_url: Option<String>,
    /// Use the real `flowdapt` distribution instead of the compatibility package.
    pub original_flowdapt: bool,
}

/// One environment on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environment {
    /// Directory name below `environments/`.
    pub key: String,
    /// The directory.
    pub directory: PathBuf,
    /// Its interpreter.
    pub python: PathBuf,
}

/// What environments are made with, for `pegboard doctor`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tools {
    /// The base interpreter.
    pub python: PathBuf,
    /// Its version, such as `3.12.4`.
    pub python_version: String,
    /// What installs packages.
    pub installer: Installer,
}

/// Makes and finds environments. Cheap to clone.
#[derive(Clone)]
pub struct Environments {
    inner: Arc<Inner>,
}

struct Inner {
    options: EnvironmentOptions,
    /// Looked for at the first need: asking interpreters for their version takes longer than the rest of a server's start.
    toolbox: OnceCell<Toolbox>,
    /// Bytes and files of environments that were measured.
    sizes: Mutex<HashMap<String, (u64, u64)>>,
}

struct Toolbox {
    python: Python,
    installers: Installers,
}

impl Environments {
    /// Removes half-made environments; starts no process and does not touch the network.
    ///
    /// # Errors
    /// `disk-full`, `data-directory`.
    pub async fn open(mut options: EnvironmentOptions) -> Result<Self, Error> {
        // Tools run in folders of their own and get URLs, so a relative path would lead elsewhere.
        options.data = std::path::absolute(&options.data)
            .map_err(|error| io_error("cannot use the data directory", &options.data, &error))?;
        files::make_directories(&options.data).await?;
        create::remove_half_made(options.data.clone()).await?;
        Ok(Self { inner: Arc::new(Inner { options, toolbox: OnceCell::new(), sizes: Mutex::default() }) })
    }

    /// What is on this machine. The installer is the one in use, or the one that the next install will use.
    ///
    /// # Errors
    /// `python-not-found`, `python-too-old`, `uv-not-found` (only for one named in the options).
    pub async fn tools(&self) -> Result<Tools, Error> {
        let Toolbox { python, installers } = self.toolbox().await?;
        Ok(Tools { python: python.program.clone(), python_version: python.version.clone(), installer: installers.describe() })
    }

    async fn toolbox(&self) -> Result<&Toolbox, Error> {
        let options = &self.inner.options;
        let find = || async move {
            let python = python::find(options.python.as_deref(), &options.data).await?;
            let installers = Installers::find(options, &python).await?;
            Ok(Toolbox { python, installers })
        };
        self.inner.toolbox.get_or_try_init(find).await
    }

    /// Resolve, lock, create or share, compile, discover. No plugin code runs. The record is `Installing` until the engine has loaded it.
    ///
    /// # Errors
    /// `bad-requirement`, `path-not-found`, `requirement-not-found`, `resolution-impossible`, `python-too-old`, `build-failed`,
    /// `no-network`, `no-plugin`, `disk-full`; the tool's own words are the detail.
    pub async fn install(&self, request: &InstallRequest, progress: &Progress) -> Result<(Environment, PluginRecord), Error> {
        let inner = &self.inner;
        let asked = request.clone();
        let requirement = tokio::task::spawn_blocking(move || Requirement::parse(&asked))
            .await
            .map_err(|error| Error::internal("requirement", format!("could not read the requirement: {error}")))??;
        let Toolbox { python, installers } = self.toolbox().await?;
        let host = host_files::unpack(&inner.options.data).await?;
        let installer = installers.get(progress).await?;
        let wheels = Wheels::write(&inner.options.data, &host, python).await?;
        let mut extra = inner.options.extra.clone();
        loop {
            let question = Question {
                requirement: &requirement,
                index_url: request.index_url.as_deref(),
                ours: Ours { flowdapt: !request.original_flowdapt, workbench: true },
                extra: &extra,
                wheels: &wheels,
                python,
                progress,
            };
            let lock = resolve::resolve(&inner.options, &installer, &question).await?;
            let recipe = Recipe::of(&lock, &wheels, python, request).await?;
            let environment =
                create::make(&inner.options, python, &installer, &recipe, request.index_url.as_deref(), progress).await?;
            progress("discover", &format!("looking for entry points of {}", requirement.shown()));
            let found = discover::discover(&environment, &host.folder, &requirement, request, &lock).await?;
            let record = found.record;
            if found.uses_frames && !request.original_flowdapt && !lock.has("pyarrow") {
                // The original brings these along, so its plugins do not ask for them.
                progress("discover", &format!("{} keeps data sets: adding numpy, pandas and pyarrow", record.name));
                extra.extend(FRAMES.map(str::to_owned));
                continue;
            }
            progress("discover", &format!("found {} {}", record.name, record.metadata.version));
            return Ok((environment, record));
        }
    }

    /// The environment without a plugin, made on first use: interpreter, `pegboard`, compatibility package.
    ///
    /// # Errors
    /// As for [`Environments::install`], as far as they apply; it needs no network once an installer is there.
    pub async fn base(&self, progress: &Progress) -> Result<Environment, Error> {
        let inner = &self.inner;
        let Toolbox { python, installers } = self.toolbox().await?;
        let host = host_files::unpack(&inner.options.data).await?;
        let wheels = Wheels::write(&inner.options.data, &host, python).await?;
        let recipe = Recipe::base(&wheels, python);
        if let Some(environment) = self.get(&recipe.key) {
            return Ok(environment);
        }
        let installer = installers.get(progress).await?;
        create::make(&inner.options, python, &installer, &recipe, None, progress).await
    }

    /// The environment of a script: `pegboard` and what the lines of its requirements file ask for. The same lines share one.
    /// Unless `anew`, the one that these lines led to before is good: a script that starts again has what it had, also offline.
    ///
    /// # Errors
    /// As for [`Environments::install`], as far as they apply.
    pub async fn script(&self, requirements: &str, anew: bool, progress: &Progress) -> Result<Environment, Error> {
        self.of_lines(requirements, Ours::ALL, anew, progress).await
    }

    /// The same, with the `workbench` that the lines ask for in place of ours; with none when they ask for none.
    ///
    /// # Errors
    /// As for [`Environments::script`].
    pub async fn with_original_workbench(&self, requirements: &str, progress: &Progress) -> Result<Environment, Error> {
        self.of_lines(requirements, Ours { workbench: false, ..Ours::ALL }, false, progress).await
    }

    async fn of_lines(&self, requirements: &str, ours: Ours, anew: bool, progress: &Progress) -> Result<Environment, Error> {
        let lines = requirements.to_owned();
        // Paths in it are looked at.
        let parsed = tokio::task::spawn_blocking(move || Requirement::list(&lines))
            .await
            .map_err(|error| Error::internal("requirement", format!("could not read the requirements: {error}")))?;
        let Some(requirement) = parsed? else { return self.base(progress).await };
        let inner = &self.inner;
        let Toolbox { python, installers } = self.toolbox().await?;
        let host = host_files::unpack(&inner.options.data).await?;
        let memory = memory::of_script(&inner.options.data, &host.hash, &python.version, &requirement.line(), !ours.workbench);
        if !anew && let Some(environment) = memory.read().await.and_then(|key| self.get(&key)) {
            return Ok(environment);
        }
        let installer = installers.get(progress).await?;
        let wheels = Wheels::write(&inner.options.data, &host, python).await?;
        let request = InstallRequest {
            requirement: requirement.shown().to_owned(),
            editable: false,
            index_url: None,
            original_flowdapt: false,
        };
        let mut extra = inner.options.extra.clone();
        let lock = loop {
            let question =
                Question { requirement: &requirement, index_url: None, ours, extra: &extra, wheels: &wheels, python, progress };
            let lock = resolve::resolve(&inner.options, &installer, &question).await?;
            if !lock.has("apscheduler") || extra.len() > inner.options.extra.len() || requirements.contains("setuptools") {
                break lock;
            }
            extra.push(SETUPTOOLS.to_owned());
        };
        let recipe = Recipe::of(&lock, &wheels, python, &request).await?;
        let environment = create::make(&inner.options, python, &installer, &recipe, None, progress).await?;
        memory.write(&environment.key).await;
        Ok(environment)
    }

    /// A known one, if it is complete.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Environment> {
        create::complete(&self.inner.options.data, key)
    }

    /// Removes those that no key in `used` names, and what interrupted work left behind; not those that were made or
    /// handed out after this call began, nor one that is being made.
    ///
    /// # Errors
    /// `data-directory` when the directory of environments cannot be read.
    pub async fn collect(&self, used: &[String]) -> Result<(), Error> {
        create::collect(self.inner.options.data.clone(), used.to_vec(), SystemTime::now()).await
    }
}
