//! One process that runs a plugin's code, as the rest of the house sees it.

use serde::{Deserialize, Serialize};

use crate::id::{CallId, PluginName};
use crate::time::Timestamp;

/// What a worker is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Forked or started, importing the plugin.
    Starting,
    /// Loaded and waiting.
    Idle,
    /// On a call, and its Python threads answer.
    Busy,
    /// Alive, but the interpreter lock is held: only the heartbeat that does not need the lock answers.
    Blocked,
    /// Finishing its last call before it is stopped.
    Draining,
    /// Gone.
    Dead,
}

/// One worker now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// The plugin whose code it runs.
    pub plugin: PluginName,
    /// Process id; absent for a remote worker.
    pub process_id: Option<u32>,
    /// What it does.
    pub state: WorkerState,
    /// The call that it is on.
    pub call: Option<CallId>,
    /// Reload generation of the plugin: grows with each swap.
    pub generation: u64,
    /// Since when it lives.
    pub started_at: Timestamp,
    /// Calls that it has answered.
    pub calls: u64,
    /// Resident private memory in bytes, when known.
    pub memory_bytes: Option<u64>,
}
