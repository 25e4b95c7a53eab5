//! The server's own key: what signs URLs and seals credentials.
//!
//! Invariant: the file is only its owner's to read, and never written a second time. Whoever has the database but not the file has
//! no credentials; whoever loses the file enters them again.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::StoreError;
use crate::lock::from_io;
use crate::store::{Store, blocking};

const FILE: &str = "secret.key";
const LENGTH: usize = 32;

impl Store {
    /// 32 random bytes that this data directory keeps; made on first use.
    pub async fn secret_key(&self) -> Result<[u8; LENGTH], StoreError> {
        let path = self.directory().join(FILE);
        blocking(move || read(&path).and_then(|key| key.map_or_else(|| make(&path), Ok))).await
    }
}

fn read(path: &Path) -> Result<Option<[u8; LENGTH]>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .map(Some)
            .map_err(|_| StoreError::Corrupt(format!("`{}` is not {LENGTH} bytes long", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(from_io(path, &error)),
    }
}

/// Written aside and linked into place: another server of this directory, or a crash, never leaves half a key.
fn make(path: &Path) -> Result<[u8; LENGTH], StoreError> {
    let aside = path.with_extension(format!("new-{}", uuid::Uuid::new_v4().simple()));
    let mut key = [0; LENGTH];
    for part in key.chunks_mut(8) {
        // Six bits of the sixteen bytes are fixed; the first and the last part of them are not touched by that.
        let random = uuid::Uuid::new_v4().into_bytes();
        part[..4].copy_from_slice(&random[..4]);
        part[4..].copy_from_slice(&random[12..]);
    }
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()))
        .and_then(|()| match std::fs::hard_link(&aside, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    let _ = std::fs::remove_file(&aside);
    written.map_err(|error| from_io(path, &error))?;
    read(path)?.ok_or_else(|| StoreError::Unavailable(format!("`{}` is gone", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(read(&path).unwrap(), None);
        let key = make(&path).unwrap();
        assert_eq!(make(&path).unwrap(), key, "the second one finds the first one's");
        assert_eq!(read(&path).unwrap(), Some(key));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Corrupt(_))));
    }
}
