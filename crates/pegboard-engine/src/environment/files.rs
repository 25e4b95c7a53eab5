//! The folders below the data directory, locks between makers, and what disk errors are called.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pegboard_model::{Error, ErrorKind};

/// How often a lock that somebody else holds is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Where environments are.
pub(super) fn environments(data: &Path) -> PathBuf {
    data.join("environments")
}

/// Where half-finished things are: on the same file system, removed when they are old.
pub(super) fn scratch(data: &Path) -> PathBuf {
    environments(data).join(".scratch")
}

/// Makes the folders that everything else expects.
pub(super) async fn make_directories(data: &Path) -> Result<(), Error> {
    for folder in [scratch(data), environments(data).join(".locks"), data.join("tools"), data.join("cache/uv"), data.join("host")]
    {
        tokio::fs::create_dir_all(&folder).await.map_err(|error| io_error("cannot make the directory", &folder, &error))?;
    }
    Ok(())
}

/// A temporary folder that only we can read; removed on drop.
pub(super) async fn temporary(data: &Path) -> Result<tempfile::TempDir, Error> {
    use std::os::unix::fs::PermissionsExt;

    let parent = scratch(data);
    let shown = parent.clone();
    blocking(move || {
        std::fs::create_dir_all(&parent)?;
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir_in(&parent)
    })
    .await
    .map_err(|error| io_error("cannot make a temporary directory in", &shown, &error))
}

/// Runs file work off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// An exclusive lock between threads and between servers; given back on drop, also when the process is killed.
#[derive(Debug)]
pub(super) struct LockFile {
    _file: File,
}

impl LockFile {
    /// Waits for the lock named `name`.
    pub(super) async fn acquire(data: &Path, name: &str) -> Result<Self, Error> {
        let path = lock_path(data, name);
        loop {
            match Self::try_acquire(data, name) {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) => tokio::time::sleep(LOCK_INTERVAL).await,
                Err(error) => return Err(io_error("cannot lock", &path, &error)),
            }
        }
    }

    /// The lock, or nothing when somebody holds it. Two quick system calls: never waits.
    pub(super) fn try_acquire(data: &Path, name: &str) -> io::Result<Option<Self>> {
        let file = File::options().create(true).truncate(false).write(true).open(lock_path(data, name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn lock_path(data: &Path, name: &str) -> PathBuf {
    environments(data).join(".locks").join(name)
}

/// An error of the file system in our words: `what` happened to `path`.
pub(crate) fn io_error(what: &str, path: &Path, error: &io::Error) -> Error {
    let message = format!("{what} `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(message),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::new(ErrorKind::Exhausted, "data-directory", message)
                .hint("give the user that runs the server the right to write there, or name another data directory")
        }
        _ => Error::internal("data-directory", message),
    }
}

/// No space left.
pub(super) fn disk_full(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Exhausted, "disk-full", message)
        .hint("free some space in the data directory (unused environments go with their plugins), then try again")
}
