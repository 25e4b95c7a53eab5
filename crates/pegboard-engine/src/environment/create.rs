//! Making, sharing and removing the directories.
//!
//! Invariants: the marker is written last and is the only proof that an environment is complete; whoever makes or removes
//! one holds the lock of its key; removal moves the directory away first, so that a name never leads to half of one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pegboard_model::{Error, PluginName};
use url::Url;

use super::bytecode;
use super::digest;
use super::files::{LockFile, blocking, environments, io_error, scratch, temporary};
use super::installer::Found;
use super::lock::{Line, Lock};
use super::python::Python;
use super::requirement::mask_credentials;
use super::resolve::{Ours, Wheels};
use super::{Environment, EnvironmentOptions, InstallRequest, Progress};

/// In every complete environment.
pub(super) const MARKER: &str = "pegboard-complete";
/// What the environment was made from, without credentials.
const LOCK: &str = "requirements.lock";
/// Hexadecimal digits of a key.
const KEY_LENGTH: usize = 32;
/// Scratch folders older than this belong to nobody: longer than any tool may run.
const SCRATCH_AGE: Duration = Duration::from_secs(3 * 60 * 60);

/// Everything that decides what an environment holds.
pub(super) struct Recipe {
    pub(super) key: String,
    lock: Lock,
    /// Distributions of local folders: their builds in a cache may be older than their source.
    rebuild: Vec<PluginName>,
    shown: String,
}

impl Recipe {
    /// For a plugin. Reads the local sources that the lock names.
    pub(super) async fn of(lock: &Lock, wheels: &Wheels, python: &Python, request: &InstallRequest) -> Result<Self, Error> {
        let index = request.index_url.as_deref().map(mask_credentials).unwrap_or_default();
        let mut parts = vec![index];
        let mut rebuild = Vec::new();
        for line in &lock.lines {
            let Some(path) = local_source(line).filter(|path| !wheels.has(path)) else {
                // Without credentials: a new token changes nothing.
                parts.push(mask_credentials(&line.text));
                continue;
            };
            if path.is_dir() {
                rebuild.extend(line.name.clone());
            }
            let (editable, from) = (line.editable, path.clone());
            let hash = blocking(move || if editable { digest::of_descriptions(&from) } else { digest::of_path(&from) })
                .await
                .map_err(|error| io_error("cannot read", &path, &error))?;
            // What is copied counts by its content, wherever it lies; what runs in place is its place.
            let what =
                if line.editable { line.text.clone() } else { line.name.as_ref().map(ToString::to_string).unwrap_or_default() };
            parts.push(format!("{what} @ {}", hash.to_hex()));
        }
        let shown = mask_credentials(request.requirement.trim());
        Ok(Self { key: key(&parts, wheels, python), lock: lock.clone(), rebuild, shown })
    }

    /// For the environment without a plugin.
    pub(super) fn base(wheels: &Wheels, python: &Python) -> Self {
        let texts = wheels.lines(Ours::ALL);
        let lines = texts.iter().filter_map(|line| Line::parse(line, false)).collect();
        let lock = Lock { lines };
        Self { key: key(&texts, wheels, python), lock, rebuild: Vec::new(), shown: "the base environment".to_owned() }
    }
}

/// One name for equal content, interpreter and host files.
fn key(parts: &[String], wheels: &Wheels, python: &Python) -> String {
    let mut hasher = blake3::Hasher::new();
    let program = python.program.to_string_lossy();
    let surroundings = ["pegboard environment 1", &python.version, &python.platform, &program, &wheels.hash];
    for part in surroundings.into_iter().chain(parts.iter().map(String::as_str)) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..KEY_LENGTH].to_owned()
}

fn local_source(line: &Line) -> Option<PathBuf> {
    let location = line.location.as_deref()?;
    let location = location.split('#').next().unwrap_or(location);
    if location.starts_with("file:") { Url::parse(location).ok()?.to_file_path().ok() } else { None }
}

/// What an installer is told.
pub(super) struct Job<'a> {
    pub(super) directory: &'a Path,
    /// A requirements file; may hold credentials.
    pub(super) requirements: &'a Path,
    pub(super) rebuild: &'a [PluginName],
    pub(super) index_url: Option<&'a str>,
    pub(super) shown: &'a str,
    pub(super) python_version: &'a str,
    pub(super) progress: &'a Progress,
}

impl Job<'_> {
    /// The interpreter of the environment.
    pub(super) fn python(&self) -> PathBuf {
        interpreter(self.directory)
    }
}

fn interpreter(directory: &Path) -> PathBuf {
    directory.join("bin/python")
}

pub(super) fn is_key(name: &str) -> bool {
    name.len() == KEY_LENGTH && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The environment of this key, if it is complete.
pub(super) fn complete(data: &Path, key: &str) -> Option<Environment> {
    let directory = environments(data).join(key);
    let python = interpreter(&directory);
    // The interpreter is a link to the machine's: an upgrade there may have removed it.
    (is_key(key) && directory.join(MARKER).is_file() && python.exists()).then(|| Environment {
        key: key.to_owned(),
        directory,
        python,
    })
}

/// Makes the environment, or shares the one that is there. A dropped future leaves a directory without marker.
pub(super) async fn make(
    options: &EnvironmentOptions,
    python: &Python,
    installer: &Found,
    recipe: &Recipe,
    index_url: Option<&str>,
    progress: &Progress,
) -> Result<Environment, Error> {
    let data = &options.data;
    let _lock = LockFile::acquire(data, &recipe.key).await?;
    if let Some(environment) = complete(data, &recipe.key) {
        progress("create", &format!("sharing environment {}", &recipe.key[..12]));
        // Whoever collects from now on sees a young one.
        let marker = environment.directory.join(MARKER);
        let _ = blocking(move || fs::File::options().write(true).open(marker)?.set_modified(SystemTime::now())).await;
        return Ok(environment);
    }
    let directory = environments(data).join(&recipe.key);
    remove(data, &directory).await?;
    progress("create", &format!("creating environment {} with Python {}", &recipe.key[..12], python.version));
    let made = fill(options, python, installer, recipe, index_url, progress, &directory).await;
    if let Err(error) = made {
        if let Err(left) = remove(data, &directory).await {
            tracing::warn!(environment.key = recipe.key, "a half-made environment stays until the next start: {left}");
        }
        return Err(error);
    }
    complete(data, &recipe.key).ok_or_else(|| {
        Error::internal("environment-failed", format!("the environment `{}` has no interpreter", directory.display()))
    })
}

async fn fill(
    options: &EnvironmentOptions,
    python: &Python,
    installer: &Found,
    recipe: &Recipe,
    index_url: Option<&str>,
    progress: &Progress,
    directory: &Path,
) -> Result<(), Error> {
    installer.create(directory, &python.program).await?;
    let folder = temporary(&options.data).await?;
    let requirements = folder.path().join(LOCK);
    write(&requirements, &recipe.lock.text()).await?;
    let job = Job {
        directory,
        requirements: &requirements,
        rebuild: &recipe.rebuild,
        index_url,
        shown: &recipe.shown,
        python_version: &python.version,
        progress,
    };
    progress("install", &format!("installing {} packages", recipe.lock.lines.len()));
    // All versions are decided, so what the cache holds is as good as what the index holds.
    let from_cache = if options.offline || installer.has_cache() { Some(installer.install(&job, true).await) } else { None };
    match from_cache {
        Some(Ok(())) => {}
        Some(Err(error)) if options.offline => return Err(error),
        _ => installer.install(&job, false).await?,
    }
    bytecode::compile(&options.data, &job.python(), progress).await?;
    write(&directory.join(LOCK), &recipe.lock.shown()).await?;
    write(&directory.join(MARKER), &format!("Python {}\n", python.version)).await
}

async fn write(path: &Path, text: &str) -> Result<(), Error> {
    tokio::fs::write(path, text).await.map_err(|error| io_error("cannot write", path, &error))
}

/// Moves a directory out of the way, then deletes it.
async fn remove(data: &Path, directory: &Path) -> Result<(), Error> {
    if !directory.exists() {
        return Ok(());
    }
    let trash = temporary(data).await?;
    let (from, to) = (directory.to_owned(), trash.path().join("removed"));
    blocking(move || {
        fs::rename(from, to)?;
        trash.close()
    })
    .await
    .map_err(|error| io_error("cannot remove", directory, &error))
}

/// Removes what an interrupted server left: environments without marker that nobody makes now, and old scratch folders.
pub(super) async fn remove_half_made(data: PathBuf) -> Result<(), Error> {
    sweep(data, |directory| Ok(!directory.join(MARKER).is_file())).await
}

/// Removes unused environments older than `before`, and left-overs.
pub(super) async fn collect(data: PathBuf, used: Vec<String>, before: SystemTime) -> Result<(), Error> {
    sweep(data, move |directory| {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        if used.iter().any(|key| *key == name) {
            return Ok(false);
        }
        match fs::metadata(directory.join(MARKER)) {
            Ok(marker) => Ok(marker.modified()? < before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    })
    .await
}

async fn sweep(data: PathBuf, unwanted: impl Fn(&Path) -> io::Result<bool> + Send + 'static) -> Result<(), Error> {
    let shown = environments(&data);
    blocking(move || {
        for entry in fs::read_dir(environments(&data))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !is_key(&name) || !unwanted(&path)? {
                continue;
            }
            // Held by whoever makes it now; asked again under the lock, because it may have been finished or shared meanwhile.
            let Some(_lock) = LockFile::try_acquire(&data, &name)? else { continue };
            if unwanted(&path)? {
                tracing::debug!(environment.key = name, "removing an environment that nobody uses");
                let trash = tempfile::tempdir_in(scratch(&data))?;
                match fs::rename(&path, trash.path().join("removed")) {
                    Ok(()) => trash.close()?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        for entry in fs::read_dir(scratch(&data))? {
            let entry = entry?;
            let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > SCRATCH_AGE) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        bytecode::forget_unused(&data)
    })
    .await
    .map_err(|error| io_error("cannot tidy", &shown, &error))
}
