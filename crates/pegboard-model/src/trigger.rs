//! Trigger rules and the events that they look at (Flowdapt specification, section 5).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::resource::{Resource, ResourceSpec};
use crate::time::Timestamp;

/// A stored trigger rule.
pub type TriggerRule = Resource<TriggerSpec>;

impl ResourceSpec for TriggerSpec {
    const KIND: &'static str = "trigger_rule";
}

/// When, and what then.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// What `rule` is.
    #[serde(rename = "type", default)]
    pub trigger_type: TriggerType,
    /// An expression over an event (object), or cron expressions (list of strings).
    pub rule: Json,
    /// What then.
    pub action: TriggerAction,
}

/// What makes a trigger fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerType {
    /// An event for which the rule is true.
    #[default]
    Condition,
    /// The time.
    Schedule,
}

/// What a trigger does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TriggerAction {
    /// `run_workflow`, `print_event`, or a dotted path.
    pub target: String,
    /// For `run_workflow`: `workflow` (uid or name) and `input` (object).
    #[serde(default)]
    pub parameters: Map<String, Json>,
}

/// Something that happened. Stored before any trigger sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Identity.
    pub id: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// `workflows`, `hub`.
    pub channel: String,
    /// Who says it: `compute`, `trigger`, `api`, `hub`.
    pub source: String,
    /// `com.event.workflow.workflow_started`, `…workflow_finished`, `…run_workflow`, `com.pegboard.hub.session_finished`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    pub data: Json,
}
