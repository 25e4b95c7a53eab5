//! The Python side of the engine, embedded in this binary and unpacked once per content.
//!
//! Invariant: a folder below `<data>/host/` is complete or absent, and its name is the hash of what is in it.

use std::io;
use std::path::{Path, PathBuf};

use pegboard_model::Error;
use rust_embed::Embed;

use crate::environment::io_error;

#[derive(Embed)]
#[folder = "../../python/src"]
#[exclude = "*.pyc"]
#[exclude = "*__pycache__*"]
struct HostFiles;

/// The unpacked files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostFolder {
    /// Holds the package `pegboard`.
    pub(crate) folder: PathBuf,
    /// Blake3 of names and contents, hexadecimal.
    pub(crate) hash: String,
}

/// Unpacks the embedded files below `<data>/host/`, unless they are there already.
pub(crate) async fn unpack(data: &Path) -> Result<HostFolder, Error> {
    let parent = data.join("host");
    let shown = parent.clone();
    tokio::task::spawn_blocking(move || unpack_into(&parent))
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
        .map_err(|error| io_error("cannot unpack the Python host files to", &shown, &error))
}

fn unpack_into(parent: &Path) -> io::Result<HostFolder> {
    let mut names: Vec<String> = HostFiles::iter().map(|name| name.into_owned()).collect();
    names.retain(|name| !name.ends_with(".pyc") && !name.split('/').any(|part| part == "__pycache__"));
    names.sort();
    let mut files = Vec::with_capacity(names.len());
    let mut hasher = blake3::Hasher::new();
    for name in names {
        let Some(file) = HostFiles::get(&name) else { continue };
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(file.data.len() as u64).to_le_bytes()).update(&file.data);
        files.push((name, file.data));
    }
    let hash = hasher.finalize().to_hex().to_string();
    let folder = parent.join(&hash);
    if folder.is_dir() {
        return Ok(HostFolder { folder, hash });
    }
    std::fs::create_dir_all(parent)?;
    let partial = tempfile::Builder::new().prefix(".unpack-").tempdir_in(parent)?;
    for (name, content) in files {
        let path = partial.path().join(name);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, content)?;
    }
    match std::fs::rename(partial.path(), &folder) {
        // The name now belongs to the finished folder; there is nothing left to remove.
        Ok(()) => drop(partial.keep()),
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(HostFolder { folder, hash })
}

/// Removes what servers of other versions unpacked. Only for the server that has the data directory: their workers have died with them,
/// but those of one that a command finds at work have not.
pub(crate) async fn remove_former(data: &Path, host: &HostFolder) {
    let (parent, hash) = (data.join("host"), host.hash.clone());
    if let Err(error) = tokio::task::spawn_blocking(move || remove_former_blocking(&parent, &hash)).await {
        tracing::warn!(error = %error, "cannot remove what other versions unpacked");
    }
}

fn remove_former_blocking(parent: &Path, hash: &str) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // With a dot: being unpacked now.
        if name.ends_with(hash) || name.starts_with('.') {
            continue;
        }
        if let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), error = %error, "cannot remove what another version unpacked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unpacks_once_and_leaves_nothing_half_made() {
        let data = tempfile::tempdir().unwrap();
        for former in ["0123", "wheels-0123"] {
            std::fs::create_dir_all(data.path().join("host").join(former)).unwrap();
        }
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let data = data.path().to_owned();
                tokio::spawn(async move { unpack(&data).await })
            })
            .collect();
        let mut folders = Vec::new();
        for task in tasks {
            folders.push(task.await.unwrap().unwrap());
        }
        assert!(folders.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(folders[0].folder.join("pegboard/_discover.py").is_file());
        let entries = || std::fs::read_dir(data.path().join("host")).unwrap().count();
        // A server of another version may be at work here.
        assert_eq!(entries(), 3);
        remove_former(data.path(), &folders[0]).await;
        assert_eq!(entries(), 1);
    }

    #[test]
    fn byte_code_stays_out() {
        assert!(HostFiles::iter().all(|name| !name.contains("__pycache__") && !name.ends_with(".pyc")));
    }

    #[tokio::test]
    async fn an_unwritable_place_is_an_error_that_names_it() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("host"), "a file").unwrap();
        let error = unpack(data.path()).await.unwrap_err();
        assert!(error.message.contains("host"), "{error}");
    }
}
