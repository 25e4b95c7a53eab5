//! Content digests of files and source folders: equal content, equal digest, wherever it lies.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Never part of what gets installed, at any depth.
const LEFT_OUT: [&str; 9] =
    [".git", ".hg", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules", ".tox", ".nox"];
/// Made by building, at the root.
const BUILT: [&str; 2] = ["build", "dist"];
/// Files that decide what an installation in place records.
const DESCRIPTIONS: [&str; 3] = ["pyproject.toml", "setup.py", "setup.cfg"];

/// Of a file, or of a source folder with names, contents and execute bits, without what building and testing leave there.
pub(super) fn of_path(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    if path.is_dir() {
        add_folder(&mut hasher, path, true)?
    } else {
        add_file(&mut hasher, path)?
    }
    Ok(hasher.finalize())
}

/// Of the files that describe a package, for one that runs from its folder.
pub(super) fn of_descriptions(folder: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    for name in DESCRIPTIONS {
        let path = folder.join(name);
        if path.is_file() {
            hasher.update(name.as_bytes());
            add_file(&mut hasher, &path)?;
        }
    }
    Ok(hasher.finalize())
}

fn add_folder(hasher: &mut blake3::Hasher, folder: &Path, root: bool) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, kind, path) = (entry.file_name(), entry.file_type()?, entry.path());
        let text = name.to_string_lossy();
        if kind.is_dir() {
            let made_by_tools = LEFT_OUT.contains(&&*text)
                || (root && BUILT.contains(&&*text))
                || text.ends_with(".egg-info")
                || path.join("pyvenv.cfg").exists()
                || path.join("CACHEDIR.TAG").exists();
            if !made_by_tools {
                add_name(hasher, b'd', name.as_bytes());
                add_folder(hasher, &path, false)?;
                hasher.update(b"e");
            }
        } else if kind.is_symlink() {
            add_name(hasher, b'l', name.as_bytes());
            add_name(hasher, b't', fs::read_link(&path)?.as_os_str().as_bytes());
        } else if kind.is_file() && !text.ends_with(".pyc") {
            add_name(hasher, b'f', name.as_bytes());
            add_file(hasher, &path)?;
        }
    }
    Ok(())
}

fn add_name(hasher: &mut blake3::Hasher, kind: u8, name: &[u8]) {
    hasher.update(&[kind]).update(&(name.len() as u64).to_le_bytes()).update(name);
}

fn add_file(hasher: &mut blake3::Hasher, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    // The content is hashed by itself, so that a file that grows meanwhile cannot pass for two.
    let mut content = blake3::Hasher::new();
    io::copy(&mut file, &mut content)?;
    hasher.update(&[u8::from(about.permissions().mode() & 0o111 != 0)]).update(content.finalize().as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn content_counts_and_left_overs_do_not() {
        let base = [("pyproject.toml", "p"), ("pkg/__init__.py", "x")];
        let digest = |files: &[(&str, &str)]| of_path(tree(files).path()).unwrap();
        let reference = digest(&base);
        assert_eq!(reference, digest(&base), "the place does not count");
        for extra in [
            "build/lib/x.py",
            "pkg/__pycache__/x.pyc",
            "p.egg-info/PKG-INFO",
            ".git/HEAD",
            ".venv/pyvenv.cfg",
            "out/CACHEDIR.TAG",
        ] {
            let mut files = base.to_vec();
            files.push((extra, "left over"));
            assert_eq!(reference, digest(&files), "{extra}");
        }
        for changed in [
            vec![("pyproject.toml", "p"), ("pkg/__init__.py", "y")],
            vec![("pyproject.toml", "p"), ("pkg/other.py", "x")],
            vec![("pyproject.toml", "p"), ("pkg/__init__.py", "x"), ("pkg/build/a.py", "")],
            vec![("pyproject.toml", "px"), ("pkg/__init__.py", "")],
        ] {
            assert_ne!(reference, digest(&changed), "{changed:?}");
        }
    }

    #[test]
    fn a_folder_in_place_is_known_by_its_descriptions() {
        let one = tree(&[("pyproject.toml", "p"), ("x.py", "1")]);
        let two = tree(&[("pyproject.toml", "p"), ("x.py", "2")]);
        let three = tree(&[("pyproject.toml", "q"), ("x.py", "1")]);
        assert_eq!(of_descriptions(one.path()).unwrap(), of_descriptions(two.path()).unwrap());
        assert_ne!(of_descriptions(one.path()).unwrap(), of_descriptions(three.path()).unwrap());
    }
}
