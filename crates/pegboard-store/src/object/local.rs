//! Objects as files below the data directory.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::error::StoreError;
use crate::lock::from_io;
use crate::store::blocking;

/// Makes the folder when it is absent. Files are written aside, synchronised, then renamed.
pub(super) async fn open(folder: PathBuf) -> Result<Arc<dyn ObjectStore>, StoreError> {
    blocking(move || {
        std::fs::create_dir_all(&folder).map_err(|error| from_io(&folder, &error))?;
        let driver = LocalFileSystem::new_with_prefix(&folder).map_err(super::from_driver)?;
        Ok(Arc::new(driver.with_fsync(true).with_automatic_cleanup(true)) as Arc<dyn ObjectStore>)
    })
    .await
}
