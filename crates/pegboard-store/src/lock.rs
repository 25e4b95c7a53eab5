//! One server per data directory.
//!
//! Invariant: while a [`DirectoryLock`] lives, no other process holds one for the same directory. The kernel drops the lock when
//! the process ends, however it ends; the file stays and means nothing by itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;

use crate::error::StoreError;

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Makes the directory when it is absent, and takes it. Blocking.
    pub(crate) fn take(directory: &Path) -> Result<Self, StoreError> {
        let refused = |error: std::io::Error| from_io(directory, &error);
        std::fs::create_dir_all(directory).map_err(refused)?;
        let path = directory.join("pegboard.lock");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process_id = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked { directory: directory.to_owned(), process_id });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        // The process id is for the reader of the error above; the lock itself is the kernel's.
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    /// Said to the kernel, because a process that is being forked right now may still hold a copy of the descriptor.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the lock goes when the file is closed");
        }
    }
}

/// What the system said about a path below the data directory.
pub(crate) fn from_io(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(format!("`{}`: {error}", path.display())),
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::NotFound => StoreError::ReadOnly(path.to_owned(), error.to_string()),
        _ => StoreError::Unavailable(format!("`{}`: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_hears_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let held = DirectoryLock::take(directory.path()).unwrap();
        let refused = DirectoryLock::take(directory.path()).unwrap_err();
        assert_eq!(refused, StoreError::Locked { directory: directory.path().to_owned(), process_id: Some(std::process::id()) });
        drop(held);
        DirectoryLock::take(directory.path()).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.join("below"), file] {
            assert!(matches!(DirectoryLock::take(&path), Err(StoreError::ReadOnly(named, _)) if named == path));
        }
        assert!(matches!(from_io(directory.path(), &std::io::Error::from(ErrorKind::StorageFull)), StoreError::Full(_)));
    }
}
