//! Hosted plugins as the API shows them.

use pegboard_model::{LogLine, ScriptStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A script to be run here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HubHostBody {
    /// Its name, such as `detector.py`.
    pub file_name: String,
    /// Its Python.
    pub script: String,
    /// Lines of a requirements file; empty: only `pegboard` is there to be imported.
    #[serde(default)]
    pub requirements: String,
}

/// How a hosted script is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HubHosted {
    /// `preparing` (its environment is made), `running`, `waiting` (to be started again) or `stopping`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// Its process.
    pub process_id: Option<u32>,
    /// Starts in place of one that ended.
    pub restarts: u32,
    /// When it is started again.
    pub next_start: Option<String>,
    /// Why it is not running, or why the one before is not.
    pub failure: Option<HubHostFailure>,
}

/// Why a script is not running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HubHostFailure {
    /// Stable.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// What it printed last to standard error, or the installer's own words.
    pub detail: Option<String>,
}

/// What a hosted script printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HubHostLog {
    /// How it is.
    pub hosted: HubHosted,
    /// Oldest first.
    pub lines: Vec<HubHostLine>,
}

/// One line that a hosted script printed, or that we say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HubHostLine {
    /// When.
    pub time: String,
    /// `stdout`, `stderr` or `pegboard`.
    pub stream: String,
    /// Without its line feed.
    pub text: String,
}

impl From<ScriptStatus> for HubHosted {
    fn from(status: ScriptStatus) -> Self {
        Self {
            state: word(&status.state),
            since: status.since.to_string(),
            process_id: status.process_id,
            restarts: status.restarts,
            next_start: status.next_start.map(|time| time.to_string()),
            failure: status.failure.map(|error| HubHostFailure {
                code: error.code,
                message: error.message,
                hint: error.hint,
                detail: error.detail,
            }),
        }
    }
}

impl HubHostLog {
    pub(crate) fn new(hosted: HubHosted, lines: Vec<LogLine>) -> Self {
        let line = |line: LogLine| HubHostLine { time: line.time.to_string(), stream: word(&line.stream), text: line.text };
        Self { hosted, lines: lines.into_iter().map(line).collect() }
    }
}

/// How the value is written in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
