//! What the engine is told at its start, and what it tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{PluginName, PluginRecord, WorkerStatus};

/// Limits of every worker of a plugin.
#[derive(Clone, Debug)]
pub struct WorkerLimits {
    /// Memory in bytes: data allowance; enforced by RLIMIT_DATA plus `mapped_bytes`, and by polling private memory.
    pub memory_bytes: Option<u64>,
    /// Budget in bytes for mapped inputs, on top (copy-on-write maps are charged in full).
    pub mapped_bytes: u64,
    /// Processor seconds per call.
    pub cpu_seconds: Option<u64>,
    /// Largest file that it may write.
    pub file_bytes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
    /// Processes (no effect for root).
    pub processes: Option<u64>,
}

/// Where stages run instead of in the workers themselves, which then drive it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecutorOptions {
    /// `ray`, `dask`, or the dotted path of a class in the plugins' environments.
    pub target: String,
    /// Its options, by the executor's own names.
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl ExecutorOptions {
    /// Requirement that the environments need for it.
    #[must_use]
    pub fn requirement(&self) -> Option<&'static str> {
        match self.target.as_str() {
            // Without its extra, Ray cannot prepare an environment for tasks.
            "ray" => Some("ray[default]"),
            "dask" => Some("distributed"),
            _ => None,
        }
    }
}

/// How the engine works; filled from settings.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Data directory; the engine owns `environments/`, `host/`, `work/`, `spill/`, `tools/`, `cache/` in it.
    pub data: PathBuf,
    /// Most workers of one plugin.
    pub workers_per_plugin: usize,
    /// Limits of every worker.
    pub limits: WorkerLimits,
    /// Where stages run; none: in the workers.
    pub executor: Option<ExecutorOptions>,
    /// Import of the plugin's modules.
    pub load_deadline: Duration,
    /// A call without a deadline of its own; none: no limit.
    pub call_deadline: Option<Duration>,
    /// From the request to stop, or to cancel, to SIGKILL.
    pub stop_deadline: Duration,
    /// Ping interval; a worker that does not answer for two of them is probed for being blocked.
    pub heartbeat: Duration,
    /// An idle worker beyond the first is stopped after this long.
    pub idle_timeout: Duration,
    /// Values above this go to shared memory.
    pub inline_limit: u64,
    /// Sum of shared values above which the oldest are spilled to disk.
    pub memory_budget: u64,
    /// Map values read-only instead of copy-on-write.
    pub read_only_values: bool,
    /// Modules that the parked interpreter imports, when the environment has them.
    pub preload: Vec<String>,
    /// Most bytes of captured output per call.
    pub output_limit: u64,
    /// Environment variables that every worker gets besides the server's own.
    pub variables: Vec<(String, String)>,
}

/// News from the engine. A receiver that lags reads [`crate::Engine::plugins`] and [`crate::Engine::workers`] anew.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// A record changed state, failure or environment: store it.
    PluginChanged(Arc<PluginRecord>),
    /// A worker came, left or turned blocked (said at once), or went between idle and busy (said once per heartbeat at most).
    WorkerChanged(WorkerStatus),
}

/// Workers by what they do.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct WorkerCounts {
    /// Importing their plugin.
    pub starting: usize,
    /// Waiting for calls.
    pub idle: usize,
    /// On a call.
    pub busy: usize,
    /// Holding the interpreter lock for longer than two heartbeats.
    pub blocked: usize,
    /// On their last call, or about to end.
    pub draining: usize,
}

/// Calls of one plugin since it was installed or the server started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PluginStatistics {
    /// The plugin, or [`PluginName::base`].
    pub plugin: PluginName,
    /// Calls, refused ones included.
    pub calls: u64,
    /// Those that ended with a failure.
    pub failed: u64,
    /// Workers started in place of one that died.
    pub restarts: u64,
    /// Calls that wait now.
    pub queued: usize,
    /// Its workers now.
    pub workers: WorkerCounts,
}

/// What the metrics say of the engine.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct EngineStatistics {
    /// Per plugin, by name.
    pub plugins: Vec<PluginStatistics>,
    /// All workers now.
    pub workers: WorkerCounts,
    /// Calls since the start, those of plugins that are gone included.
    pub calls: u64,
    /// Those that ended with a failure.
    pub failed: u64,
    /// Workers started in place of one that died.
    pub restarts: u64,
    /// Calls that wait now.
    pub queued: usize,
    /// Bytes of shared values in memory now.
    pub shared_bytes: u64,
    /// Bytes of shared values on disk now.
    pub spilled_bytes: u64,
}
