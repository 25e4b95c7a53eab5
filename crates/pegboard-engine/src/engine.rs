//! The engine: starts, calls, reloads and stops plugins.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use pegboard_model::{Call, CallEvent, Error, PluginName, PluginRecord, PluginRunner, WorkerStatus};

use crate::environment::{Environments, InstallRequest, Progress};

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

/// How the engine works; filled from settings.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Data directory; the engine owns `environments/`, `host/`, `work/`, `spill/`, `tools/`, `cache/` in it.
    pub data: PathBuf,
    /// Most workers of one plugin.
    pub workers_per_plugin: usize,
    pub limits: WorkerLimits,
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
}

/// News from the engine.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// A record changed state, failure or environment: store it.
    PluginChanged(PluginRecord),
    /// A worker changed state.
    WorkerChanged(WorkerStatus),
}

/// Handle; cheap to clone.
#[derive(Clone)]
pub struct Engine {}


impl Engine {
    pub async fn start(options: EngineOptions, environments: Environments) -> Result<Self, Error> { todo!() }
    /// Makes known plugins callable without starting anything: workers start at the first call.
    pub fn activate(&self, records: Vec<PluginRecord>) { todo!() }
    /// Environment, discovery, first worker, load; on success it serves. The record returned is Ready or Broken (an import failure installs as Broken).
    /// `replace`: upgrade of an installed plugin; the old generation serves until the new one has loaded, and goes on when it fails.
    pub async fn install(&self, request: InstallRequest, replace: bool, progress: Progress) -> Result<PluginRecord, Error> { todo!() }
    /// New worker beside the old one, load, swap, drain the old. On failure the old one goes on serving and the error says why.
    pub async fn reload(&self, name: &PluginName) -> Result<PluginRecord, Error> { todo!() }
    /// Drains and forgets; removes the environment when nobody else uses it.
    pub async fn uninstall(&self, name: &PluginName) -> Result<(), Error> { todo!() }
    pub fn workers(&self) -> Vec<WorkerStatus> { todo!() }
    pub fn plugins(&self) -> Vec<PluginRecord> { todo!() }
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<EngineEvent> { todo!() }
    /// Stops every child: ask, terminate, kill.
    pub async fn shutdown(&self) { todo!() }
    /// The port.
    pub fn runner(&self) -> Arc<dyn PluginRunner> { todo!() }
}

#[allow(clippy::todo, unused_variables, reason = "sketch")]
impl PluginRunner for Engine {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> { todo!() }
    fn slots(&self, plugin: &PluginName) -> usize { todo!() }
    fn owner(&self, target: &str) -> PluginName { todo!() }
}
