//! Blocks of shared memory: large values on their way between workers.
//!
//! Invariants: a block is sealed before anybody else sees it; it has exactly one owner here (its [`pegboard_model::ObjectHandle`]s
//! share it) and is gone, with its spilled file, when the last handle is dropped.

use std::path::PathBuf;
use std::sync::Arc;

use pegboard_model::Error;

/// Where blocks may go.
#[derive(Clone, Debug)]
pub struct BlocksOptions {
    /// Folder for spilled blocks, `<data>/spill`; emptied at start.
    pub spill: PathBuf,
    /// Sum of blocks in memory, in bytes, above which the least recently used are spilled.
    pub memory_budget: u64,
}

/// The table of live blocks of this server.
#[derive(Debug)]
pub struct Blocks {}

#[allow(clippy::todo, unused_variables, clippy::unused_async, reason = "signatures first")]
impl Blocks {
    /// Empties the spill folder and raises the soft limit of open files to the hard one.
    ///
    /// # Errors
    /// `spill-folder` when the folder cannot be made or emptied.
    pub fn open(options: BlocksOptions) -> Result<Arc<Self>, Error> {
        todo!()
    }

    /// Bytes of values held in memory now.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        todo!()
    }

    /// Bytes of values spilled to disk now.
    #[must_use]
    pub fn spilled(&self) -> u64 {
        todo!()
    }
}
