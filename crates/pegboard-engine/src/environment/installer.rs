//! What installs packages: uv if it can be had, else venv and pip.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pegboard_model::Error;

use super::create::Job;
use super::files::{LockFile, blocking, io_error, temporary};
use super::lock::Lock;
use super::pip::Pip;
use super::python::{Python, on_path};
use super::resolve::Question;
use super::tool::{self, INSTALL_DEADLINE};
use super::uv::Uv;
use super::{EnvironmentOptions, Progress};

/// How long a failed download of uv is not tried again.
const RETRY_AFTER: Duration = Duration::from_secs(300);
/// What pip is asked for when uv is not on the machine.
const UV_REQUIREMENT: &str = "uv>=0.9,<1";

/// What installs packages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Installer {
    /// uv.
    Uv {
        /// The program.
        path: PathBuf,
        /// Its version, such as `0.13.8`.
        version: String,
    },
    /// uv is not on this machine yet; the first install puts it into the data directory.
    UvPending,
    /// venv and pip: slower, and a pin of `flowdapt` to one exact version cannot be met.
    Pip {
        /// Why not uv.
        reason: String,
    },
}

/// The same, ready for use.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Uv(Uv),
    Pip(Pip),
}

impl Found {
    /// Whether it can work from a cache without a network.
    pub(super) fn has_cache(&self) -> bool {
        matches!(self, Self::Uv(_))
    }

    pub(super) async fn resolve(&self, question: &Question<'_>, folder: &Path, offline: bool) -> Result<Lock, Error> {
        match self {
            Self::Uv(uv) => uv.resolve(question, folder, offline).await,
            Self::Pip(pip) => pip.resolve(question, folder, offline).await,
        }
    }

    pub(super) async fn create(&self, directory: &Path, python: &Path) -> Result<(), Error> {
        match self {
            Self::Uv(uv) => uv.create(directory, python).await,
            Self::Pip(pip) => pip.create(directory, python).await,
        }
    }

    pub(super) async fn install(&self, job: &Job<'_>, offline: bool) -> Result<(), Error> {
        match self {
            Self::Uv(uv) => uv.install(job, offline).await,
            Self::Pip(pip) => pip.install(job, offline).await,
        }
    }
}

/// Finds the installer, and fetches uv at the first use when there is none.
pub(super) struct Installers {
    data: PathBuf,
    python: PathBuf,
    offline: bool,
    without_uv: bool,
    found: tokio::sync::Mutex<Option<(Found, Instant)>>,
    described: Mutex<Installer>,
}

impl Installers {
    /// Looks on this machine only.
    pub(super) async fn find(options: &EnvironmentOptions, python: &Python) -> Result<Self, Error> {
        let mut found = None;
        let described = if options.without_uv {
            Installer::Pip { reason: "the settings forbid uv".to_owned() }
        } else {
            let uv = find_uv(options).await?;
            let described = uv.as_ref().map_or(Installer::UvPending, describe_uv);
            found = uv.map(|uv| (Found::Uv(uv), Instant::now()));
            described
        };
        Ok(Self {
            data: options.data.clone(),
            python: python.program.clone(),
            offline: options.offline,
            without_uv: options.without_uv,
            found: tokio::sync::Mutex::new(found),
            described: Mutex::new(described),
        })
    }

    pub(super) fn describe(&self) -> Installer {
        self.described.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one to use now. Fetches uv once, and does without it when it cannot be had.
    pub(super) async fn get(&self, progress: &Progress) -> Result<Found, Error> {
        let mut found = self.found.lock().await;
        match &*found {
            Some((Found::Uv(uv), _)) => return Ok(Found::Uv(uv.clone())),
            Some((Found::Pip(pip), since)) if self.without_uv || since.elapsed() < RETRY_AFTER => {
                return Ok(Found::Pip(pip.clone()));
            }
            _ => {}
        }
        if !self.without_uv {
            match self.fetch_uv(progress).await {
                Ok(uv) => {
                    self.set(describe_uv(&uv));
                    *found = Some((Found::Uv(uv.clone()), Instant::now()));
                    return Ok(Found::Uv(uv));
                }
                Err(error) => {
                    let detail = error.detail.as_deref().and_then(last_line).map(|line| format!(" ({line})")).unwrap_or_default();
                    let reason = format!("{error}{detail}");
                    progress("resolve", &format!("uv cannot be had, using venv and pip, which is slower: {reason}"));
                    tracing::warn!("uv cannot be had, using venv and pip, which is slower: {reason}");
                    self.set(Installer::Pip { reason });
                }
            }
        }
        let pip = Pip::get(&self.data, &self.python, self.offline).await?;
        *found = Some((Found::Pip(pip.clone()), Instant::now()));
        Ok(Found::Pip(pip))
    }

    fn set(&self, described: Installer) {
        *self.described.lock().unwrap_or_else(PoisonError::into_inner) = described;
    }

    /// Lets pip put uv below `tools/`; whoever comes second finds it there.
    async fn fetch_uv(&self, progress: &Progress) -> Result<Uv, Error> {
        let _lock = LockFile::acquire(&self.data, "tools").await?;
        let target = uv_folder(&self.data);
        let program = target.join("bin/uv");
        if let Some(uv) = Uv::probe(&program, &self.data).await {
            return Ok(uv);
        }
        if self.offline {
            return Err(Error::unavailable("no-network", "uv is not on this machine and the network is switched off"));
        }
        progress("resolve", "fetching uv, once");
        let pip = Pip::get_locked(&self.data, &self.python, false).await?;
        let partial = temporary(&self.data).await?;
        let output = partial.path().join("uv");
        let arguments: Vec<OsString> = vec![
            "install".into(),
            "--target".into(),
            output.clone().into(),
            "--no-deps".into(),
            "--only-binary".into(),
            ":all:".into(),
            UV_REQUIREMENT.into(),
        ];
        let answer = tool::run(pip.program(arguments), INSTALL_DEADLINE, None).await?;
        if !answer.success {
            return Err(Error::unavailable("no-network", "uv could not be fetched with pip").detail(answer.stderr));
        }
        let shown = target.clone();
        blocking(move || {
            if target.exists() {
                std::fs::remove_dir_all(&target)?;
            }
            std::fs::rename(output, &target)
        })
        .await
        .map_err(|error| io_error("cannot put uv into", &shown, &error))?;
        Uv::probe(&program, &self.data)
            .await
            .ok_or_else(|| Error::unavailable("uv-not-found", "the uv that pip fetched does not run"))
    }
}

fn uv_folder(data: &Path) -> PathBuf {
    data.join("tools/uv")
}

fn describe_uv(uv: &Uv) -> Installer {
    Installer::Uv { path: uv.program.clone(), version: uv.version.clone() }
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

async fn find_uv(options: &EnvironmentOptions) -> Result<Option<Uv>, Error> {
    if let Some(path) = &options.uv {
        return match Uv::probe(path, &options.data).await {
            Some(uv) => Ok(Some(uv)),
            None => Err(Error::invalid("uv-not-found", format!("`{}` is not a uv that runs", path.display()))
                .hint("name the program itself, or leave the setting out to have one found")),
        };
    }
    for path in on_path("uv").into_iter().chain([uv_folder(&options.data).join("bin/uv")]) {
        if let Some(uv) = Uv::probe(&path, &options.data).await {
            return Ok(Some(uv));
        }
    }
    Ok(None)
}
