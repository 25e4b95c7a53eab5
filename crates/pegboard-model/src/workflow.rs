//! Workflows in their resource form (Flowdapt specification, section 3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::resource::{Resource, ResourceSpec};

/// A stored workflow.
pub type Workflow = Resource<WorkflowSpec>;

impl ResourceSpec for WorkflowSpec {
    const KIND: &'static str = "workflow";
}

/// Graph of stages.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WorkflowSpec {
    /// At least one, in definition order.
    pub stages: Vec<Stage>,
}

/// How a stage's callable is applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageType {
    /// Called once.
    #[default]
    Simple,
    /// Called once per item of an iterable; the result is the list of results.
    Parameterized,
}

/// One node of a workflow. All keys appear in every answer, in this order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// How the callable is applied.
    #[serde(rename = "type", default)]
    pub stage_type: StageType,
    /// Dotted path of a callable; not resolved before a run.
    pub target: String,
    /// Key in the graph.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Free text.
    #[serde(default)]
    pub version: String,
    /// Names of the stages whose results it receives, in this order.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// `map_on` (string) and `allow_partial_failure` (boolean, default true) for a parameterized stage; others are kept.
    #[serde(default)]
    pub options: Map<String, Json>,
    /// Resource requests: `cpus`, `gpus`, `memory`, custom labels.
    #[serde(default)]
    pub resources: Map<String, Json>,
    /// Stored; used by no executor.
    #[serde(default)]
    pub priority: Option<i64>,
    /// Beyond the dialect: how often and when to try again. May also stand in `options`, as the next three may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// Beyond the dialect: longest time in seconds that one call, or one item, may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Beyond the dialect: take the result of an earlier call with the same target version and the same inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// Beyond the dialect: most items, or calls of all runs, of this stage at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// How often and when a failed call, or a failed item, is tried again.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// Attempts after the first one.
    pub count: u32,
    /// Seconds before the second attempt.
    #[serde(default = "one")]
    pub delay: f64,
    /// Each further delay is this many times the one before.
    #[serde(default = "two")]
    pub factor: f64,
    /// No delay is longer, in seconds.
    #[serde(default = "minute")]
    pub longest: f64,
    /// Each delay is lengthened at random by up to this share of itself.
    #[serde(default)]
    pub jitter: f64,
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn minute() -> f64 {
    60.0
}

impl Stage {
    /// The input key whose items a parameterized stage runs over.
    #[must_use]
    pub fn map_on(&self) -> Option<&str> {
        self.options.get("map_on").and_then(Json::as_str)
    }

    /// Whether items that raise are dropped (true, the default) or fail the run.
    #[must_use]
    pub fn allow_partial_failure(&self) -> bool {
        self.options.get("allow_partial_failure").and_then(Json::as_bool).unwrap_or(true)
    }
}
