//! Objects: large values by key, in a folder or in a bucket.
//!
//! Invariant: a key's object is whole or absent; a put that was cut short leaves the one before. The driver's errors and its
//! escaped paths go no further than this file.

mod folder;
mod key;
mod local;
mod probe;
mod s3;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

pub use folder::RemoteFolder;
pub use probe::{Bucket, probe};
pub use stream::ObjectWriter;

use crate::backup::{Keeping, SharedKeeping};
use crate::error::StoreError;
use crate::options::StoreOptions;
use key::Keys;

/// Objects up to this many bytes are sent to a bucket in one request.
const IN_ONE: usize = 32 << 20;
/// Bytes of a part of larger ones.
const PART: usize = 16 << 20;
const PARTS_AT_ONCE: usize = 4;

/// One folder or one bucket.
pub(crate) struct Objects {
    driver: Arc<dyn ObjectStore>,
    keys: Keys,
    /// Large objects are sent in parts, several at once; a bucket takes at most 5 GiB in one.
    in_parts: bool,
    /// Of objects on this machine.
    folder: Option<PathBuf>,
    closed: AtomicBool,
    /// What snapshots keep.
    pub(crate) keeping: SharedKeeping,
}

impl Objects {
    pub(crate) async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let (driver, keys) = match &options.s3 {
            Some(s3) => (s3::open(s3).await?, Keys::in_bucket(&s3.prefix)),
            None => (local::open(options.directory.join("objects")).await?, Keys::in_folder()),
        };
        let folder = options.s3.is_none().then(|| options.directory.join("objects"));
        Ok(Self {
            driver,
            keys,
            in_parts: options.s3.is_some(),
            folder,
            closed: AtomicBool::new(false),
            keeping: SharedKeeping::default(),
        })
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let path = self.keys.to_path(key)?;
        let driver = self.driver()?;
        if self.in_parts && bytes.len() > IN_ONE {
            let mut upload = WriteMultipart::new_with_chunk_size(driver.put_multipart(&path).await.map_err(from_driver)?, PART);
            for start in (0..bytes.len()).step_by(PART) {
                // A failed part ends the loop here; the bucket forgets unfinished uploads by its own rules.
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(from_driver)?;
                upload.put(bytes.slice(start..bytes.len().min(start + PART)));
            }
            upload.finish().await.map_err(from_driver)?;
        } else {
            driver.put(&path, bytes.into()).await.map_err(from_driver)?;
        }
        self.is_put(key);
        Ok(())
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.keys.to_path(key)?;
        if self.is_deleted(key) {
            return Ok(None);
        }
        match self.driver()?.get(&path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(from_driver),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_driver(error)),
        }
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.keys.to_path(key)?;
        if self.keeping().puts_off(key) {
            return Ok(());
        }
        match self.driver()?.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(from_driver(error)),
        }
    }

    /// Asks for the folder that the prefix lies in, and keeps what begins with it.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = self.stored_keys(prefix).await?;
        let keeping = self.keeping();
        keys.retain(|key| !keeping.is_deleted(key));
        Ok(keys)
    }

    /// Those that only snapshots keep included.
    pub(crate) async fn all_keys(&self) -> Result<Vec<String>, StoreError> {
        self.stored_keys("").await
    }

    /// How many objects there are, and their bytes.
    pub(crate) async fn count(&self) -> Result<(u64, u64), StoreError> {
        let entries = self.driver()?.list(self.keys.folder_of("").as_ref());
        let add = |(count, bytes), entry: object_store::ObjectMeta| async move { Ok((count + 1, bytes + entry.size)) };
        entries.try_fold((0, 0), add).await.map_err(from_driver)
    }

    /// In a folder of this machine.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// There is an object of that key from now on.
    fn is_put(&self, key: &str) {
        self.keeping().put(key);
    }

    /// Deleted, though a snapshot still keeps it.
    fn is_deleted(&self, key: &str) -> bool {
        self.keeping().is_deleted(key)
    }

    fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stored_keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = self.keys.folder_of(prefix);
        let mut found: Vec<String> = self
            .driver()?
            .list(folder.as_ref())
            .try_filter_map(|entry| async move { Ok(self.keys.to_key(&entry.location).filter(|key| key.starts_with(prefix))) })
            .try_collect()
            .await
            .map_err(from_driver)?;
        found.sort_unstable();
        Ok(found)
    }

    /// Where the object's bytes lie on this machine, if they do.
    pub(crate) fn file(&self, key: &str) -> Result<Option<PathBuf>, StoreError> {
        let path = self.keys.to_path(key)?;
        Ok(self.folder.as_ref().map(|folder| folder.join(path.as_ref())))
    }

    fn driver(&self) -> Result<&dyn ObjectStore, StoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(self.driver.as_ref())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.driver)
    }
}

/// What a driver says, in the words of the store. The system's own error is somewhere in the chain of causes.
fn from_driver(error: object_store::Error) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    return StoreError::Full(error.to_string());
                }
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    return StoreError::ReadOnly("objects".into(), error.to_string());
                }
                _ => {}
            }
        }
        cause = one.source();
    }
    StoreError::Unavailable(format!("objects: {error}"))
}
