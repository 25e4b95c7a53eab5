//! Which Python environments are made from.
//!
//! Invariant: a data directory keeps the Python that was found first, as long as its file stays the same, so that a Python
//! that appears later on PATH does not make all environments anew. It also saves asking every interpreter at each start.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures::future::join_all;
use pegboard_model::Error;
use serde::{Deserialize, Serialize};

use super::files::blocking;
use super::tool;

/// The oldest Python that the worker runs on.
const FLOOR: (u64, u64) = (3, 10);

/// Prints, as one JSON array: real executable, version, major, minor, micro, whether it is a final release, implementation and
/// platform.
const PROBE: &str = "import json, platform, sys, sysconfig; v = sys.version_info; print(json.dumps([sys.executable, \
    platform.python_version(), v[0], v[1], v[2], v[3] == 'final', sys.implementation.name + ' ' + sysconfig.get_platform()]))";

/// A Python that answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Python {
    pub(super) program: PathBuf,
    pub(super) version: String,
    /// Implementation and platform: wheels of one do not fit another.
    pub(super) platform: String,
    numbers: (bool, u64, u64, u64),
}

/// The one that a data directory keeps, with what its file looked like.
#[derive(Serialize, Deserialize)]
struct Kept {
    python: Python,
    modified: i64,
    size: u64,
}

/// The one named, else the one that the data directory keeps, else the newest `python3` on PATH.
pub(super) async fn find(named: Option<&Path>, data: &Path) -> Result<Python, Error> {
    if let Some(path) = named {
        let python = probe(path).await.ok_or_else(|| {
            Error::invalid("python-not-found", format!("`{}` is not a Python that runs", path.display()))
                .hint("name the interpreter itself, such as `/usr/bin/python3.12`")
        })?;
        return if is_new_enough(&python) { Ok(python) } else { Err(too_old(&python)) };
    }
    let memory = data.join("tools/python.json");
    let file = memory.clone();
    if let Ok(Some(python)) = blocking(move || Ok(recall(&file))).await {
        return Ok(python);
    }
    let python = search().await?;
    let found = python.clone();
    if let Err(error) = blocking(move || remember(&memory, found)).await {
        tracing::debug!("the Python that was found is searched again at the next start: {error}");
    }
    Ok(python)
}

fn recall(file: &Path) -> Option<Python> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let about = std::fs::metadata(&kept.python.program).ok()?;
    (about.mtime() == kept.modified && about.size() == kept.size && is_new_enough(&kept.python)).then_some(kept.python)
}

fn remember(file: &Path, python: Python) -> io::Result<()> {
    let about = std::fs::metadata(&python.program)?;
    let kept = Kept { python, modified: about.mtime(), size: about.size() };
    // Written beside and renamed: another server may read it now.
    let mut partial = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer(&mut partial, &kept)?;
    partial.persist(file)?;
    Ok(())
}

async fn search() -> Result<Python, Error> {
    let mut best: Option<Python> = None;
    // The name that people use comes first; the versioned names are for machines whose `python3` is old or absent.
    let names = std::iter::once("python3".to_owned()).chain((FLOOR.1..=20).rev().map(|minor| format!("python3.{minor}")));
    for name in names {
        let paths = on_path(&name);
        for python in join_all(paths.iter().map(|path| probe(path))).await.into_iter().flatten() {
            if best.as_ref().is_none_or(|best| python.numbers > best.numbers) {
                best = Some(python);
            }
        }
        if best.as_ref().is_some_and(is_new_enough) {
            break;
        }
    }
    match best {
        Some(python) if is_new_enough(&python) => Ok(python),
        Some(python) => Err(too_old(&python)),
        None => Err(Error::unavailable("python-not-found", "no `python3` was found on PATH").hint(
            "install Python 3.10 or newer (on Debian: `apt install python3 python3-venv`), or name one with the setting `engine.python`",
        )),
    }
}

fn is_new_enough(python: &Python) -> bool {
    (python.numbers.1, python.numbers.2) >= FLOOR
}

fn too_old(python: &Python) -> Error {
    Error::unavailable(
        "python-too-old",
        format!("`{}` is Python {}, and 3.10 is needed", python.program.display(), python.version),
    )
    .hint("install Python 3.10 or newer, or name one with the setting `engine.python`")
}

/// Every executable of this name on PATH, in order.
pub(super) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .filter(|file| file.is_file())
        .collect()
}

/// Asks an interpreter who it is; in isolated mode, so that nothing of the surroundings runs.
async fn probe(path: &Path) -> Option<Python> {
    let arguments = ["-I", "-c", PROBE].map(OsString::from);
    let answer = tool::run(tool::program(path, arguments), tool::PROBE_DEADLINE, None).await.ok()?;
    let last = answer.stdout.lines().last()?;
    let (executable, version, major, minor, micro, is_final, platform): (String, String, u64, u64, u64, bool, String) =
        serde_json::from_str(last).ok()?;
    // A launcher (pyenv) says where the real one is; a relocated one may say nothing.
    let program = if executable.is_empty() { path.to_owned() } else { PathBuf::from(executable) };
    Some(Python { program, version, platform, numbers: (is_final, major, minor, micro) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fake(folder: &Path, version: &str) -> PathBuf {
        let numbers: Vec<&str> = version.split('.').collect();
        let path = folder.join(format!("python-{version}"));
        let answer =
            format!(r#"["/fake/{version}", "{version}", {}, {}, {}, true, "cpython linux"]"#, numbers[0], numbers[1], numbers[2]);
        std::fs::write(&path, format!("#!/bin/sh\necho noise\necho '{answer}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_named_one_must_run_and_be_new_enough() {
        let folder = tempfile::tempdir().unwrap();
        let new = find(Some(&fake(folder.path(), "3.13.1")), folder.path()).await.unwrap();
        assert_eq!((new.program.to_str().unwrap(), new.version.as_str()), ("/fake/3.13.1", "3.13.1"));
        let old = find(Some(&fake(folder.path(), "3.9.18")), folder.path()).await.unwrap_err();
        assert_eq!(old.code, "python-too-old");
        assert!(old.message.contains("3.9.18"), "{old}");
        let absent = find(Some(Path::new("/no/such/python")), folder.path()).await.unwrap_err();
        assert_eq!(absent.code, "python-not-found");
        assert!(absent.hint.is_some());
    }

    #[tokio::test]
    async fn the_one_found_is_kept_until_its_file_changes() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("tools")).unwrap();
        let found = find(None, data.path()).await.unwrap();
        assert!(is_new_enough(&found) && found.program.is_file(), "{found:?}");

        let program = data.path().join("python");
        std::fs::write(&program, "one").unwrap();
        let kept = Python { program: program.clone(), version: "3.99.0".to_owned(), numbers: (true, 3, 99, 0), ..found.clone() };
        remember(&data.path().join("tools/python.json"), kept.clone()).unwrap();
        assert_eq!(find(None, data.path()).await.unwrap(), kept);
        std::fs::write(&program, "another").unwrap();
        assert_eq!(find(None, data.path()).await.unwrap(), found);
        std::fs::remove_file(&program).unwrap();
        assert_eq!(find(None, data.path()).await.unwrap(), found);
    }
}
