//! Runs, their stages, failures and log lines.

use pegboard_model::{AppliedConfig, Failure, Run, StagePlugin, StageRun, Timestamp};
use pegboard_store::StoredLine;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// Asks for a run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// Name of a stored workflow.
    pub workflow: String,
    /// Its input.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub input: Map<String, Json>,
    /// Separates keys of the object store; the server's default when absent.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// One execution of a workflow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunAnswer {
    /// Identity: a UUID.
    pub uid: String,
    /// Readable name, unique in practice.
    pub name: String,
    /// Name of the workflow at start.
    pub workflow: String,
    /// Namespace of the object store.
    pub namespace: String,
    /// What started it: `api`, `trigger` or `manual`.
    pub source: String,
    /// `pending`, `running`, `finished`, `failed`, `cancelled` or `interrupted`; the last four are final.
    pub state: String,
    /// Input as given.
    #[schema(value_type = Object)]
    pub input: Map<String, Json>,
    /// When it was asked for, RFC 3339.
    pub created_at: String,
    /// When its first stage began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// From start to end.
    pub duration_ms: Option<u64>,
    /// Stages in definition order; empty in lists.
    pub stages: Vec<StageAnswer>,
    /// The result when it is small and has a JSON form, else null.
    #[schema(value_type = Object, nullable)]
    pub result: Json,
    /// Whether the result is too large to stand here: `GET /api/v1/runs/{id}/result` has it.
    pub result_is_apart: bool,
    /// Configs that applied, in the order in which they were merged: later keys replaced earlier ones.
    #[serde(default)]
    pub configs: Vec<AppliedConfigAnswer>,
    /// Why it failed.
    pub failure: Option<FailureAnswer>,
}

/// One stage within a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageAnswer {
    /// Name in the workflow.
    pub name: String,
    /// Its callable.
    pub target: String,
    /// As of a run.
    pub state: String,
    /// First call begun.
    pub started_at: Option<String>,
    /// Last call ended.
    pub finished_at: Option<String>,
    /// From start to end.
    pub duration_ms: Option<u64>,
    /// Progress of a parameterized stage, once its items are known.
    pub items: Option<ItemsAnswer>,
    /// Why it failed.
    pub failure: Option<FailureAnswer>,
    /// Its result is that of an earlier call with the same inputs.
    #[serde(default)]
    pub cached: bool,
    /// Names of the stages whose results it receives, as the workflow said when the run began.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// The plugin that served it; null before its first call, and for a target that belongs to no plugin.
    #[serde(default)]
    pub plugin: Option<StagePluginAnswer>,
}

/// The plugin of a stage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StagePluginAnswer {
    /// Its name.
    pub name: String,
    /// Version of its distribution; empty when it has none.
    pub version: String,
}

/// A config that applies to a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedConfigAnswer {
    /// Its name.
    pub name: String,
    /// Why it applies: `kind`, `type` (`name` or `annotation`), `value`.
    #[schema(value_type = Object)]
    pub selector: Json,
    /// Which version of it: when it was changed last.
    pub updated_at: String,
    /// What it said; null when that was too much to be kept with each run.
    #[schema(value_type = Object, nullable)]
    pub data: Option<Map<String, Json>>,
}

/// Progress of a fan-out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ItemsAnswer {
    /// All items.
    pub total: u64,
    /// Ended well.
    pub done: u64,
    /// Raised.
    pub failed: u64,
}

/// How a plugin failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureAnswer {
    /// What sort: `raised`, `load`, `target`, `unpicklable`, `died`, `memory`, `deadline`, `cancelled`, `protocol`,
    /// `unavailable` or `exhausted`.
    pub kind: String,
    /// Class of the exception.
    pub class: String,
    /// Its message.
    pub message: String,
    /// Python's traceback, or what the process said last.
    pub traceback: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// A page of runs, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// Without their stages.
    pub runs: Vec<RunAnswer>,
    /// Give it as `before` for the next page; null on the last one.
    pub next: Option<String>,
}

/// One line of a run's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogAnswer {
    /// Place in the log, from 1, without gaps.
    pub sequence: u64,
    /// When the server received it.
    pub time: String,
    /// The stage that said it; null for the run as a whole.
    pub stage: Option<String>,
    /// `stdout`, `stderr`, `logger` or `pegboard`.
    pub stream: String,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The line.
    pub text: String,
}

/// A page of a run's log, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogAnswer>,
    /// Give it as `after` for what comes next.
    pub last: u64,
    /// Give it as `before` for what was said before these lines; null when they are the first ones that match, or were not asked
    /// for from the end.
    #[serde(default)]
    pub earlier: Option<u64>,
}

/// A unit variant's name as serde writes it.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn duration(started: Option<Timestamp>, finished: Option<Timestamp>) -> Option<u64> {
    Some(finished?.milliseconds_since(started?))
}

impl From<Run> for RunAnswer {
    fn from(run: Run) -> Self {
        Self {
            uid: run.uid.to_string(),
            name: run.name,
            workflow: run.workflow,
            namespace: run.namespace,
            source: word(run.source),
            state: run.state.as_str().to_owned(),
            input: run.input,
            created_at: run.created_at.to_string(),
            started_at: run.started_at.map(|time| time.to_string()),
            finished_at: run.finished_at.map(|time| time.to_string()),
            duration_ms: duration(run.started_at, run.finished_at),
            stages: run.stages.into_iter().map(StageAnswer::from).collect(),
            result: run.result,
            result_is_apart: run.result_object.is_some(),
            configs: run.configs.into_iter().map(AppliedConfigAnswer::from).collect(),
            failure: run.failure.map(FailureAnswer::from),
        }
    }
}

impl From<StageRun> for StageAnswer {
    fn from(stage: StageRun) -> Self {
        Self {
            name: stage.name,
            target: stage.target,
            state: stage.state.as_str().to_owned(),
            started_at: stage.started_at.map(|time| time.to_string()),
            finished_at: stage.finished_at.map(|time| time.to_string()),
            duration_ms: duration(stage.started_at, stage.finished_at),
            items: stage.items.map(|items| ItemsAnswer { total: items.total, done: items.done, failed: items.failed }),
            failure: stage.failure.map(FailureAnswer::from),
            cached: stage.cached,
            depends_on: stage.depends_on,
            plugin: stage.plugin.map(StagePluginAnswer::from),
        }
    }
}

impl From<StagePlugin> for StagePluginAnswer {
    fn from(plugin: StagePlugin) -> Self {
        Self { name: plugin.name.to_string(), version: plugin.version }
    }
}

impl From<AppliedConfig> for AppliedConfigAnswer {
    fn from(config: AppliedConfig) -> Self {
        Self {
            name: config.name,
            selector: serde_json::to_value(config.selector).unwrap_or_default(),
            updated_at: config.updated_at.to_string(),
            data: config.data,
        }
    }
}

impl From<Failure> for FailureAnswer {
    fn from(failure: Failure) -> Self {
        let Failure { kind, class, message, traceback, hint } = failure;
        Self { kind: word(kind), class, message, traceback, hint }
    }
}

impl From<StoredLine> for LogAnswer {
    fn from(stored: StoredLine) -> Self {
        let line = stored.line;
        Self {
            sequence: stored.sequence,
            time: line.time.to_string(),
            stage: line.stage,
            stream: word(line.stream),
            level: word(line.level),
            text: line.text,
        }
    }
}

impl RunAnswer {
    /// Nothing more will happen.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "pending" | "running")
    }
}
