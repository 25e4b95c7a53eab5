//! Every decision about order.

#![forbid(unsafe_code)]

use std::sync::Arc;

use pegboard_model::{Error, LogLine, PluginRunner, ResourceName, Run, RunCause, RunId, StageRun, Workflow, WorkflowSpec};
use pegboard_store::Store;
use serde_json::{Map, Value as Json};

/// What a document says, before the store gives it an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowDocument {
    pub name: ResourceName,
    pub annotations: std::collections::BTreeMap<String, String>,
    pub spec: WorkflowSpec,
}

/// Problems that do not stop a document from being stored: cycles, unknown names. One sentence each.
pub type Warnings = Vec<String>;

/// Live news of runs. `RunEvent`s of one run come in order.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// Header changed (stages empty).
    Run(Run),
    Stage { run: RunId, position: usize, stage: StageRun },
    Log { run: RunId, lines: Vec<LogLine> },
}

#[derive(Clone, Debug)]
pub struct FlowOptions {
    /// Results whose JSON is longer go to an object.
    pub result_limit: usize,
    /// Log bytes kept per run; what comes later is counted and said.
    pub log_limit: u64,
    pub default_namespace: String,
}

/// Handle; cheap to clone.
#[derive(Clone)]
pub struct Flow {}


impl Flow {
    /// Ends what an earlier server left under way as interrupted, then takes runs.
    pub async fn start(options: FlowOptions, store: Store, runner: Arc<dyn PluginRunner>) -> Result<Self, Error> { todo!() }
    /// YAML or JSON, one or several documents; errors name line and column, unknown keys and the nearest valid one.
    pub fn parse(text: &str) -> Result<Vec<WorkflowDocument>, Error> { todo!() }
    pub fn check(spec: &WorkflowSpec) -> Warnings { todo!() }
    /// Create, or replace the spec of the one with that name. Returns it and whether it is new.
    pub async fn apply(&self, document: WorkflowDocument) -> Result<(Workflow, bool), Error> { todo!() }
    /// Records a run (durable when this returns) and starts it.
    pub async fn run(&self, workflow: &Workflow, input: Map<String, Json>, namespace: Option<String>, cause: RunCause) -> Result<Run, Error> { todo!() }
    pub async fn cancel(&self, run: RunId) -> Result<Run, Error> { todo!() }
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<RunEvent> { todo!() }
    /// Waits for the end; for `--wait`.
    pub async fn wait(&self, run: RunId) -> Result<Run, Error> { todo!() }
    /// Cancels what runs (ends as interrupted), waits until it is recorded.
    pub async fn shutdown(&self) { todo!() }
}
