//! Cluster memory: what plugins put under a key for one another, shared by all workers of this server.

use std::sync::Arc;

use crate::shm::Blocks;

/// Values by namespace and key, counted in the same budget as all others.
#[derive(Debug)]
pub struct ClusterMemory {
    _blocks: Arc<Blocks>,
}

impl ClusterMemory {
    /// An empty one.
    #[must_use]
    pub fn new(blocks: Arc<Blocks>) -> Arc<Self> {
        Arc::new(Self { _blocks: blocks })
    }
}
