//! Workflows.

use pegboard_model::{Run, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::run::{AppliedConfigAnswer, StagePluginAnswer, duration, word};

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
    /// Its last runs, newest first; only in lists, and only when they are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<RecentRun>,
}

/// A run in a word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecentRun {
    /// Identity: a UUID.
    pub uid: String,
    /// Readable name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// When it was asked for.
    pub created_at: String,
    /// From start to end.
    pub duration_ms: Option<u64>,
}

/// What a run of a workflow would meet that begins now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewAnswer {
    /// Who calls the stages: `local`, `ray`, `dask`, or the name of a class.
    pub executor: String,
    /// In definition order.
    pub stages: Vec<PreviewStage>,
    /// Configs that apply, in the order in which they are merged.
    pub configs: Vec<AppliedConfigAnswer>,
    /// What stages see as `config`: later keys replace earlier ones, whole.
    #[schema(value_type = Object)]
    pub config: Map<String, Json>,
    /// What a run would stumble over, one sentence each.
    pub warnings: Vec<String>,
}

/// A stage of a workflow and who would serve it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewStage {
    /// Its name.
    pub name: String,
    /// The plugin that its target belongs to; null: none.
    pub plugin: Option<StagePluginAnswer>,
}

/// What can be given to a workflow as input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ParametersAnswer {
    /// In the order of the stages.
    pub parameters: Vec<ParameterAnswer>,
    /// Stages that take input and could not be asked, because their plugin does not load or does not answer.
    pub unknown: Vec<String>,
}

/// One key of the input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ParameterAnswer {
    /// The key.
    pub name: String,
    /// Stages that take it.
    pub stages: Vec<String>,
    /// Its type, as the function's author wrote it; empty when nobody wrote one.
    pub annotation: String,
    /// JSON text of its default; null when there is none, or it has no JSON form.
    pub default: Option<String>,
    /// Whether a run fails without it.
    pub required: bool,
    /// Whether a stage runs once for each of its items.
    pub is_list: bool,
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
            recent: Vec::new(),
        }
    }
}

impl From<Run> for RecentRun {
    fn from(run: Run) -> Self {
        Self {
            uid: run.uid.to_string(),
            name: run.name,
            state: run.state.as_str().to_owned(),
            created_at: run.created_at.to_string(),
            duration_ms: duration(run.started_at, run.finished_at),
        }
    }
}
