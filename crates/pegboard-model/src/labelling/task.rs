//! One unit of work on an asset, with its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::hub::HubId;
use crate::time::Timestamp;

/// What somebody, or a model, says about an asset (Ango specification, section 6.2).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Drawn objects.
    #[serde(default)]
    pub tools: Vec<Json>,
    /// Answered questions.
    #[serde(default)]
    pub classifications: Vec<Json>,
    /// Between objects.
    #[serde(default)]
    pub relations: Vec<Json>,
}

impl Answer {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.classifications.is_empty() && self.relations.is_empty()
    }
}

/// How a task in a plugin stage stands with its plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginWait {
    /// To be sent.
    Waiting,
    /// A session is at it.
    Taken,
    /// Was put here by hand and is not sent before somebody says so.
    Held,
    /// The plugin failed; somebody may say again.
    Failed,
}

impl PluginWait {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// One unit of work on an asset.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Identity.
    pub id: HubId,
    /// Whose it is.
    pub project: HubId,
    /// What it is about.
    pub asset: HubId,
    /// Id of the stage that it is in.
    pub stage: String,
    /// Since when.
    pub entered_at: Timestamp,
    /// `Todo` or `Completed`: whether the stage before the last has been left with an answer.
    pub status: String,
    /// `Accepted`, `Rejected`, `Todo` or `Fixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_status: Option<String>,
    /// Email.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// -1000 to 1000; higher first.
    #[serde(default)]
    pub priority: i64,
    /// What is said so far.
    pub answer: Answer,
    /// A picture of what was painted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brush_data_url: Option<String>,
    /// A volume of what was painted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medical_brush_data_url: Option<String>,
    /// The answer was imported.
    #[serde(default)]
    pub is_prelabeled: bool,
    /// The answer is a yardstick for others.
    #[serde(default)]
    pub is_benchmark: bool,
    /// Milliseconds of work in this stage.
    #[serde(default)]
    pub duration_ms: u64,
    /// Milliseconds of work in the stages before.
    #[serde(default)]
    pub past_duration_ms: u64,
    /// In a plugin stage: how it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginWait>,
    /// In a plugin stage: whose turn it is, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_note: Option<String>,
    /// Counts changes; writers say which one they saw.
    pub revision: u64,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Email.
    pub created_by: String,
    /// Set by the server.
    pub updated_at: Timestamp,
    /// Email of whoever answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
}

/// A stage that a task has left.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PastStage {
    /// Identity.
    pub id: HubId,
    /// Which task.
    pub task: HubId,
    /// Id of the stage.
    pub stage: String,
    /// Its name at that time.
    pub stage_name: String,
    /// Milliseconds of work.
    pub duration_ms: u64,
    /// When it was left.
    pub completed_at: Timestamp,
    /// Email of who sent it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<String>,
    /// What a review said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_status: Option<String>,
    /// The answer at that time.
    pub answer: Answer,
}
