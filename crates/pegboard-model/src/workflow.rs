//! Workflows in their resource form (Flowdapt specification, sections 2 and 3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::id::ResourceName;
use crate::time::Timestamp;

/// What every resource says about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Version 4, set by the server on create.
    pub uid: Uuid,
    /// Unique per kind.
    pub name: ResourceName,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Set by the server at every change.
    pub updated_at: Timestamp,
    /// Free text by key; keys that begin with `flowdapt.ai/` belong to the server.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A stored document with kind, metadata and spec.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Resource<Spec> {
    /// `workflow`, `config` or `trigger_rule`.
    pub kind: String,
    /// Identity.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

/// A stored workflow.
pub type Workflow = Resource<WorkflowSpec>;

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
