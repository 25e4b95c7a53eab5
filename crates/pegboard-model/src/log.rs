//! Lines that a plugin, or Pegboard on its behalf, says during a run.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where a line came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The plugin's standard output.
    Stdout,
    /// The plugin's standard error, Python's `logging` included.
    Stderr,
    /// The plugin's structured logger.
    Logger,
    /// Pegboard itself.
    Pegboard,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For whoever wrote the plugin.
    Debug,
    /// Normal.
    Info,
    /// Something is odd.
    Warning,
    /// Something failed.
    Error,
}

/// One line of a run's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// When the server received it.
    pub time: Timestamp,
    /// The stage that was on; none for lines about the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Where it came from.
    pub stream: LogStream,
    /// How bad it is.
    pub level: LogLevel,
    /// The line without its line feed; invalid UTF-8 replaced; at most 16 KiB, then cut with `…`.
    pub text: String,
}
