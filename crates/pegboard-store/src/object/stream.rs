//! Objects in pieces: neither a writer nor a reader holds a whole one.
//!
//! Invariant: an object appears when its writer has finished, and not at all when it was dropped before.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, WriteMultipart};

use super::{Objects, PART, PARTS_AT_ONCE, from_driver};
use crate::error::StoreError;
use crate::store::Store;

/// An object on its way in. Dropped before [`ObjectWriter::finish`], there is none.
pub struct ObjectWriter {
    objects: Arc<Objects>,
    key: String,
    upload: Option<WriteMultipart>,
    length: u64,
}

impl ObjectWriter {
    pub(crate) async fn begin(objects: Arc<Objects>, key: &str) -> Result<Self, StoreError> {
        let upload = objects.begin(key).await?;
        Ok(Self { objects, key: key.to_owned(), upload: Some(upload), length: 0 })
    }

    /// Adds bytes at the end.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(from_driver)?;
        self.length += bytes.len() as u64;
        upload.put(bytes);
        Ok(())
    }

    /// Makes the object appear, durably; its length.
    pub async fn finish(mut self) -> Result<u64, StoreError> {
        let Some(upload) = self.upload.take() else { return Ok(0) };
        if self.length == 0 {
            // A bucket takes no upload without parts.
            upload.abort().await.map_err(from_driver)?;
            self.objects.put(&self.key, Bytes::new()).await?;
        } else {
            upload.finish().await.map_err(from_driver)?;
            self.objects.is_put(&self.key);
        }
        Ok(self.length)
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // What was sent already is taken back; when that fails, the bucket forgets unfinished uploads by its own rules.
            runtime.spawn(async move { upload.abort().await.ok() });
        }
    }
}

impl Objects {
    async fn begin(&self, key: &str) -> Result<WriteMultipart, StoreError> {
        let path = self.keys.to_path(key)?;
        let upload = self.driver()?.put_multipart(&path).await.map_err(from_driver)?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART.min(8 << 20)))
    }

    pub(crate) async fn stream(
        &self,
        key: &str,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, StoreError>>)>, StoreError> {
        let path = self.keys.to_path(key)?;
        match self.driver()?.get(&path).await {
            Ok(found) => {
                let length = found.meta.size;
                Ok(Some((length, found.into_stream().map_err(from_driver).boxed())))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(from_driver(error)),
        }
    }
}

impl Store {
    /// Begins an object that is written in pieces, in place of the one that has this key.
    pub async fn write_object(&self, key: &str) -> Result<ObjectWriter, StoreError> {
        ObjectWriter::begin(Arc::clone(self.objects()), key).await
    }

    /// The object of that key in pieces, and its length in bytes.
    pub async fn read_object(
        &self,
        key: &str,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, StoreError>>)>, StoreError> {
        if self.objects().is_deleted(key) { Ok(None) } else { self.objects().stream(key).await }
    }
}
