//! A flow over a store in a temporary folder.

use std::sync::Arc;
use std::time::Duration;

use pegboard_flow::{Clock, Document, Flow, FlowOptions, Resources, Retention, WorkflowDocument};
use pegboard_model::{PluginRunner, Run, RunCause, RunId, Workflow};
use pegboard_store::{Store, StoreOptions};
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use crate::fake::FakeRunner;

pub(crate) struct World {
    pub(crate) flow: Flow,
    pub(crate) store: Store,
    pub(crate) runner: Arc<FakeRunner>,
    pub(crate) directory: TempDir,
}

pub(crate) async fn world(runner: FakeRunner) -> World {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let runner = Arc::new(runner);
    let flow = Flow::start(options(), store.clone(), Arc::clone(&runner) as Arc<dyn PluginRunner>).await.unwrap();
    World { flow, store, runner, directory }
}

pub(crate) async fn open(directory: &TempDir) -> Store {
    Store::open(StoreOptions { directory: directory.path().to_owned(), postgres_url: None, s3: None }).await.unwrap()
}

pub(crate) fn options() -> FlowOptions {
    FlowOptions {
        result_limit: 1000,
        log_limit: 10_000,
        default_namespace: "default".to_owned(),
        executor: "local".to_owned(),
        least_batch: 1,
        configuration: object(json!({ "storage": { "protocol": "file", "base_path": "/data/artifacts" } })),
        retention: Retention::Forever,
        resources: Resources::default(),
        clock: Clock::default(),
    }
}

/// The workflow of a text with one.
pub(crate) fn workflow_document(text: &str) -> WorkflowDocument {
    match Flow::parse(text).unwrap().remove(0) {
        Document::Workflow(document) => document,
        other => panic!("no workflow: {other:?}"),
    }
}

/// One stage of a workflow: name, what it depends on, more keys.
pub(crate) fn stage(name: &str, depends_on: &[&str], more: Json) -> Json {
    let mut stage = json!({ "name": name, "target": format!("fake.{name}"), "depends_on": depends_on });
    stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage
}

pub(crate) fn simple(name: &str, depends_on: &[&str]) -> Json {
    stage(name, depends_on, json!({}))
}

pub(crate) fn mapped(name: &str, depends_on: &[&str], options: Json) -> Json {
    stage(name, depends_on, json!({ "type": "parameterized", "options": options }))
}

impl World {
    pub(crate) async fn workflow(&self, stages: &[Json]) -> Workflow {
        let text = json!({ "kind": "workflow", "metadata": { "name": "w" }, "spec": { "stages": stages } }).to_string();
        self.flow.apply(workflow_document(&text)).await.unwrap().0
    }

    pub(crate) async fn start(&self, stages: &[Json], input: Json) -> RunId {
        let workflow = self.workflow(stages).await;
        self.flow.run(&workflow, object(input), None, RunCause::Api).await.unwrap().uid
    }

    /// Runs to the end; what is told and what is stored must agree.
    pub(crate) async fn run(&self, stages: &[Json], input: Json) -> Run {
        let uid = self.start(stages, input).await;
        let run = within(self.flow.wait(uid)).await.unwrap();
        assert_eq!(self.store.run(uid).await.unwrap().unwrap(), run);
        run
    }

    pub(crate) async fn log(&self, run: RunId) -> Vec<String> {
        let lines = self.store.log(run, 0, 100_000).await.unwrap();
        lines.into_iter().map(|line| line.line.text).collect()
    }
}

pub(crate) fn object(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

/// A test that hangs is a failure with a name.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("took longer than a minute")
}
