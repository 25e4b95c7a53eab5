//! A script that the engine keeps running for as long as the server runs: a hosted plugin of the hub.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::time::Timestamp;

/// What a script is made of. Everything that is needed to start it again, but no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Script {
    /// As its author called it: `detector.py`.
    pub file_name: String,
    /// Its Python.
    pub text: String,
    /// Lines of a requirements file; empty: only `pegboard` is there.
    #[serde(default)]
    pub requirements: String,
}

/// Where a script is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptState {
    /// Its environment is being made.
    Preparing,
    /// Its process lives.
    Running,
    /// Its process has ended, or its environment could not be made; it is tried again after a pause.
    Waiting,
    /// It ends, because somebody wants it to.
    Stopping,
}

/// How a script is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScriptStatus {
    /// Where it is in its life.
    pub state: ScriptState,
    /// Since when.
    pub since: Timestamp,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
    /// Starts in place of one that ended, since the server started or it was given.
    pub restarts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start: Option<Timestamp>,
    /// Why it is not running, or why the one before is not: how the process ended, or what the environment lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Error>,
}
