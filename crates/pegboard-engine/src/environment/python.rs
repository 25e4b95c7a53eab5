//! Which Python environments are made from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pegboard_model::Error;

use super::tool;

/// The oldest Python that the worker runs on.
const FLOOR: (u64, u64) = (3, 10);

/// Prints, as one JSON array: real executable, version, major, minor, micro, whether it is a final release, implementation and
/// platform.
const PROBE: &str = "import json, platform, sys, sysconfig; v = sys.version_info; print(json.dumps([sys.executable, \
    platform.python_version(), v[0], v[1], v[2], v[3] == 'final', sys.implementation.name + ' ' + sysconfig.get_platform()]))";

/// A Python that answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Python {
    pub(super) program: PathBuf,
    pub(super) version: String,
    /// Implementation and platform: wheels of one do not fit another.
    pub(super) platform: String,
    numbers: (bool, u64, u64, u64),
}

/// The one named, or the newest `python3` on PATH.
pub(super) async fn find(named: Option<&Path>) -> Result<Python, Error> {
    if let Some(path) = named {
        let python = probe(path).await.ok_or_else(|| {
            Error::invalid("python-not-found", format!("`{}` is not a Python that runs", path.display()))
                .hint("name the interpreter itself, such as `/usr/bin/python3.12`")
        })?;
        return if is_new_enough(&python) { Ok(python) } else { Err(too_old(&python)) };
    }
    let mut best: Option<Python> = None;
    // The name that people use comes first; the versioned names are for machines whose `python3` is old or absent.
    let names = std::iter::once("python3".to_owned()).chain((FLOOR.1..=20).rev().map(|minor| format!("python3.{minor}")));
    for name in names {
        for path in on_path(&name) {
            if let Some(python) = probe(&path).await
                && best.as_ref().is_none_or(|best| python.numbers > best.numbers)
            {
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
            "install Python 3.10 or newer (on Debian: `apt install python3 python3-venv`), or name one with the setting `python`",
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
    .hint("install Python 3.10 or newer, or name one with the setting `python`")
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
        let new = find(Some(&fake(folder.path(), "3.13.1"))).await.unwrap();
        assert_eq!((new.program.to_str().unwrap(), new.version.as_str()), ("/fake/3.13.1", "3.13.1"));
        let old = find(Some(&fake(folder.path(), "3.9.18"))).await.unwrap_err();
        assert_eq!(old.code, "python-too-old");
        assert!(old.message.contains("3.9.18"), "{old}");
        let absent = find(Some(Path::new("/no/such/python"))).await.unwrap_err();
        assert_eq!(absent.code, "python-not-found");
        assert!(absent.hint.is_some());
    }

    #[tokio::test]
    async fn one_is_found_on_path() {
        let python = find(None).await.unwrap();
        assert!(is_new_enough(&python) && python.program.is_file(), "{python:?}");
    }
}
