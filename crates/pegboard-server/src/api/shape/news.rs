//! What streams carry, and what the server says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plugin::PluginAnswer;
use crate::error::ErrorBody;

/// One line of the answer to an install or upgrade: any number of `step`, then one `done` or one `error`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum InstallNews {
    /// It goes on.
    Step(Progress),
    /// It ended well: the plugin is installed. Its code may still not load: then `state` is `broken` and `failure` says why.
    Done {
        /// As installed.
        plugin: Box<PluginAnswer>,
    },
    /// It failed.
    Error {
        /// Why.
        error: ErrorBody,
    },
}

/// How far an install is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// `resolve`, `create`, `install`, `compile`, `discover`, `load` or `swap`.
    pub step: String,
    /// A word about it.
    pub detail: String,
}

/// The server about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusAnswer {
    /// `pegboard`.
    pub app: String,
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Its process id.
    pub process_id: u32,
    /// Path of the data directory.
    pub data_directory: String,
    /// Installed plugins.
    pub plugins: usize,
    /// Live workers.
    pub workers: usize,
}
