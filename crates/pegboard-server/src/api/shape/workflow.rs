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
}

/// All workflows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowList {
    /// In the order in which they were applied first.
    pub workflows: Vec<WorkflowAnswer>,
}

/// What became of an applied text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApplyAnswer {
    /// One per workflow, in order.
    pub applied: Vec<AppliedWorkflow>,
    /// One per config and trigger rule, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<AppliedResource>,
}

/// What became of one config or trigger rule.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedResource {
    /// `config` or `trigger_rule`.
    pub kind: String,
    /// Unique within its kind.
    pub name: String,
    /// Identity: a UUID.
    pub uid: String,
    /// Whether it is new; else the one with its name was replaced.
    pub created: bool,
    /// What cannot be meant, one sentence each.
    pub warnings: Vec<String>,
}

/// What became of one document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedWorkflow {
    /// Whether it is new; else the one with its name was replaced.
    pub created: bool,
    /// Problems that a run would fail at, one sentence each.
    pub warnings: Vec<String>,
    /// As stored.
    pub workflow: WorkflowAnswer,
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
