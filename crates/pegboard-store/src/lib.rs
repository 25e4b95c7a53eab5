//! Every durable byte.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use bytes::Bytes;
use pegboard_model::{LogLine, PluginName, PluginRecord, ResourceName, Run, RunId, RunState, StageRun, Timestamp, Workflow};

/// Where things are kept.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data directory; made when absent. Holds `pegboard.db`, `objects/` and the lock.
    pub directory: PathBuf,
    /// `postgres://…` instead of SQLite.
    pub postgres_url: Option<String>,
    /// Objects in a bucket instead of the folder.
    pub s3: Option<S3Options>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3Options {
    pub bucket: String,
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{0}` exists already")]
    AlreadyExists(String),
    #[error("somebody changed `{0}` meanwhile")]
    ChangedMeanwhile(String),
    #[error("data directory {0} is locked by another server")]
    Locked(PathBuf),
    #[error("cannot write to {0}: {1}")]
    ReadOnly(PathBuf, String),
    #[error("disk full: {0}")]
    Full(String),
    #[error("store unavailable: {0}")]
    Unavailable(String),
    #[error("stored document unreadable: {0}")]
    Corrupt(String),
}

/// One durable change. A batch of them is one transaction.
#[derive(Clone, Debug)]
pub enum Change {
    /// Insert the run with all its stages.
    RunCreated(Run),
    /// Replace the run's document; its `stages` are not looked at.
    RunChanged(Run),
    /// Replace one stage of a run.
    StageChanged { run: RunId, position: usize, stage: StageRun },
    /// Append lines to a run's log; sequence numbers are given by the store, from 1, without gaps.
    Logged { run: RunId, lines: Vec<LogLine> },
}

/// A line and its place in the run's log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLine {
    pub sequence: u64,
    pub line: LogLine,
}

/// Which runs to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub workflow: Option<String>,
    pub state: Option<RunState>,
    /// Only runs created before this one (paging).
    pub before: Option<RunId>,
    /// 0: all.
    pub limit: usize,
}

/// All durable state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}


impl Store {
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> { todo!() }
    /// Waits until everything accepted is durable and releases the lock.
    pub async fn close(&self) { todo!() }
    /// One transaction; returns when it is durable. Batches of concurrent callers are committed together; one bad batch does not fail the others.
    pub async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> { todo!() }

    pub async fn put_plugin(&self, record: &PluginRecord) -> Result<(), StoreError> { todo!() }
    pub async fn plugin(&self, name: &PluginName) -> Result<Option<PluginRecord>, StoreError> { todo!() }
    pub async fn plugins(&self) -> Result<Vec<PluginRecord>, StoreError> { todo!() }
    pub async fn delete_plugin(&self, name: &PluginName) -> Result<bool, StoreError> { todo!() }

    /// Fails with `AlreadyExists` when the name is taken.
    pub async fn create_workflow(&self, workflow: &Workflow) -> Result<(), StoreError> { todo!() }
    /// Replaces by uid; `expected`: the `updated_at` that the caller saw, else `ChangedMeanwhile`.
    pub async fn update_workflow(&self, workflow: &Workflow, expected: Option<Timestamp>) -> Result<(), StoreError> { todo!() }
    pub async fn workflow_by_name(&self, name: &ResourceName) -> Result<Option<Workflow>, StoreError> { todo!() }
    pub async fn workflow_by_uid(&self, uid: uuid::Uuid) -> Result<Option<Workflow>, StoreError> { todo!() }
    /// In insertion order.
    pub async fn workflows(&self) -> Result<Vec<Workflow>, StoreError> { todo!() }
    pub async fn delete_workflow(&self, uid: uuid::Uuid) -> Result<bool, StoreError> { todo!() }

    pub async fn run(&self, uid: RunId) -> Result<Option<Run>, StoreError> { todo!() }
    pub async fn run_by_name(&self, name: &str) -> Result<Option<Run>, StoreError> { todo!() }
    /// Without their stages (empty vectors): a list is O(rows listed).
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> { todo!() }
    pub async fn delete_run(&self, uid: RunId) -> Result<bool, StoreError> { todo!() }
    /// Lines with a sequence above `after`, oldest first, at most `limit`.
    pub async fn log(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<StoredLine>, StoreError> { todo!() }
    /// Ends every pending and running run and stage as interrupted; returns them. For the start of the server.
    pub async fn interrupt_unfinished(&self, now: Timestamp) -> Result<Vec<RunId>, StoreError> { todo!() }

    pub async fn put_object(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> { todo!() }
    pub async fn object(&self, key: &str) -> Result<Option<Bytes>, StoreError> { todo!() }
    pub async fn delete_object(&self, key: &str) -> Result<(), StoreError> { todo!() }
    pub async fn object_keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> { todo!() }
}
