//! Workflows.

use pegboard_model::Workflow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::run::word;

/// A stored workflow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowAnswer {
    /// Unique name.
    pub name: String,
    /// Identity: a UUID.
    pub uid: String,
    /// When it was applied first.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
    /// Free text by key.
    pub annotations: BTreeMap<String, String>,
    /// In definition order.
    pub stages: Vec<WorkflowStage>,
}

/// One stage of a workflow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowStage {
    /// Key in the graph.
    pub name: String,
    /// `simple` or `parameterized`.
    #[serde(rename = "type")]
    pub stage_type: String,
    /// Dotted path of a callable.
    pub target: String,
    /// Free text.
    pub description: String,
    /// Names of the stages whose results it receives.
    pub depends_on: Vec<String>,
    /// Options of the stage.
    #[schema(value_type = Object)]
    pub options: Map<String, Json>,
    /// Resources that it asks for.
    #[schema(value_type = Object)]
    pub resources: Map<String, Json>,
    /// Free text.
    #[serde(default)]
    pub version: String,
    /// Kept for other executors.
    #[serde(default)]
    pub priority: Option<i64>,
    /// How often and when a failed call is tried again: `count`, `delay`, `factor`, `longest` (seconds), `jitter`.
    #[serde(default)]
    #[schema(value_type = Object, nullable)]
    pub retries: Json,
    /// Longest time in seconds that one call, or one item, may take.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Whether results of earlier calls with the same inputs are taken.
    #[serde(default)]
    pub cache: Option<bool>,
    /// Most calls of this stage at once.
    #[serde(default)]
    pub concurrency: Option<u32>,
}

/// All workflows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowList {
    /// In the order in which they were applied first.
    pub workflows: Vec<WorkflowAnswer>,
}

impl From<Workflow> for WorkflowAnswer {
    fn from(workflow: Workflow) -> Self {
        let stages = workflow.spec.stages.into_iter().map(|stage| WorkflowStage {
            name: stage.name,
            stage_type: word(stage.stage_type),
            target: stage.target,
            description: stage.description,
            depends_on: stage.depends_on,
            options: stage.options,
            resources: stage.resources,
            version: stage.version,
            priority: stage.priority,
            retries: serde_json::to_value(stage.retries).unwrap_or_default(),
            timeout: stage.timeout,
            cache: stage.cache,
            concurrency: stage.concurrency,
        });
        Self {
            name: workflow.metadata.name.to_string(),
            uid: workflow.metadata.uid.to_string(),
            created_at: workflow.metadata.created_at.to_string(),
            updated_at: workflow.metadata.updated_at.to_string(),
            annotations: workflow.metadata.annotations,
            stages: stages.collect(),
        }
    }
}
