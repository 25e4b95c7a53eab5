//! One local worker: start, call, watch, stop.
//!
//! Invariants: a worker is on at most one call; a call ends with exactly one `Finished` or `Failed`; no process of a worker's
//! group outlives its [`Worker`], however that ends. A worker that broke the protocol once is killed, never called again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Call, CallEvent, Failure, PluginName, WorkerStatus};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::WorkerLimits;
use crate::memory::ClusterMemory;
use crate::shm::Blocks;
use crate::zygote::Zygote;

/// Told every change of a worker's state, from any thread; must not block.
pub type StatusSink = Arc<dyn Fn(WorkerStatus) + Send + Sync>;

/// What a worker is and how it is kept.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Whose code.
    pub plugin: PluginName,
    /// Modules of its entry points, imported before it is ready.
    pub modules: Vec<String>,
    /// Reload generation, for the status.
    pub generation: u64,
    /// Its working directory; made when it is not there.
    pub directory: PathBuf,
    /// Limits that it takes before any plugin code is imported.
    pub limits: WorkerLimits,
    /// From the fork to the end of the imports.
    pub load_deadline: Duration,
    /// A call without a deadline of its own; none: no limit.
    pub call_deadline: Option<Duration>,
    /// From the request to stop, or to cancel, to SIGKILL.
    pub stop_deadline: Duration,
    /// Ping interval.
    pub heartbeat: Duration,
    /// Values above this many bytes travel in shared memory.
    pub inline_limit: u64,
    /// Map shared values read-only instead of copy-on-write.
    pub read_only: bool,
    /// Most bytes of captured output per call.
    pub output_limit: u64,
}

/// What is left of a worker when a call has ended.
#[derive(Clone, Debug)]
pub enum AfterCall {
    /// It can take the next call.
    Reusable,
    /// It is dead or was killed; why. Kinds `Cancelled` and `Deadline` are our own doing.
    Dead(Failure),
}

/// A loaded worker. Dropping it kills its process group.
#[derive(Debug)]
pub struct Worker {}

#[allow(clippy::todo, unused_variables, clippy::unused_async, reason = "signatures first")]
impl Worker {
    /// Forks, greets, loads.
    ///
    /// # Errors
    /// `Protocol` for another protocol version, `Load` with the Python traceback, `Deadline` with the stacks when an import
    /// hangs, `Died`, `Memory`, `Unavailable` when the zygote cannot be started, `Exhausted` when the machine has no descriptors.
    pub async fn start(
        options: WorkerOptions,
        zygote: Arc<Zygote>,
        blocks: Arc<Blocks>,
        memory: Arc<ClusterMemory>,
        sink: StatusSink,
    ) -> Result<Self, Failure> {
        todo!()
    }

    /// Performs one call to its end. `events` receives everything, the last one being `Finished` or `Failed`; when its receiver
    /// is dropped the call is cancelled, as it is by `cancel`. The future must be driven to its end: a worker whose call was
    /// dropped half way is dead.
    pub async fn run(&mut self, call: &Call, events: &mpsc::Sender<CallEvent>, cancel: &CancellationToken) -> AfterCall {
        todo!()
    }

    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> WorkerStatus {
        todo!()
    }

    /// Where its threads stood when it was last found blocked.
    #[must_use]
    pub fn stacks(&self) -> Option<String> {
        todo!()
    }

    /// Asks it to leave, then SIGTERM after half the stop deadline, SIGKILL at its end.
    pub async fn stop(self) {
        todo!()
    }

    /// SIGKILL to the group, at once.
    pub async fn kill(self) {
        todo!()
    }
}
