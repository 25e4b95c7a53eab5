//! One recorded execution.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::call::Failure;
use crate::config::Selector;
use crate::id::{PluginName, RunId};
use crate::time::Timestamp;

/// State of a run, and of a stage within it. The last four are final.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Recorded, not started.
    Pending,
    /// Under way.
    Running,
    /// Ended well.
    Finished,
    /// A stage failed.
    Failed,
    /// A user stopped it.
    Cancelled,
    /// The server stopped while it was under way.
    Interrupted,
}

impl RunState {
    /// Nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// As stored and printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What started a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCause {
    /// A request over HTTP, the command line included.
    Api,
    /// A trigger rule.
    Trigger,
    /// A test or a script outside the server.
    Manual,
}

/// One stage within a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StageRun {
    /// Name in the workflow.
    pub name: String,
    /// Its callable.
    pub target: String,
    /// Its state.
    pub state: RunState,
    /// First call begun.
    pub started_at: Option<Timestamp>,
    /// Last call ended.
    pub finished_at: Option<Timestamp>,
    /// Items of a parameterized stage; none for a simple one, and before the items are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemCounts>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its result is that of an earlier call with the same inputs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// Names of the stages whose results it receives, as the workflow said when the run began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Who served it; none before its first call, and for a target that belongs to no plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<StagePlugin>,
}

/// The plugin that served a stage, as it was then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StagePlugin {
    /// Its name.
    pub name: PluginName,
    /// Version of its distribution; empty when it has none.
    pub version: String,
}

/// A config that a run began with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AppliedConfig {
    /// Its name.
    pub name: String,
    /// Why it applied.
    pub selector: Selector,
    /// Which version of it: when it was changed last.
    pub updated_at: Timestamp,
    /// What it said; none when that is too much to be kept with each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Json>>,
}

/// Progress of a fan-out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemCounts {
    /// All items.
    pub total: u64,
    /// Ended well.
    pub done: u64,
    /// Raised, and dropped from the result.
    pub failed: u64,
}

/// One execution of a workflow. Stored as a versioned document; the log lies beside it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Identity.
    pub uid: RunId,
    /// Generated: adjective, animal, eight hexadecimal digits.
    pub name: String,
    /// Name of the workflow at start.
    pub workflow: String,
    /// Separates keys of the object store.
    pub namespace: String,
    /// What started it.
    pub source: RunCause,
    /// Its state.
    pub state: RunState,
    /// Input as given.
    pub input: Map<String, Json>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first stage began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Stages in definition order.
    pub stages: Vec<StageRun>,
    /// The workflow's result as JSON when it is small; null before the end and when it has no JSON form.
    pub result: Json,
    /// Key of the result among the objects when it is too large to stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_object: Option<String>,
    /// Configs that applied, in the order in which they were merged: later keys replaced earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<AppliedConfig>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
