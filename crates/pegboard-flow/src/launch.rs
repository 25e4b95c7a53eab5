//! How a run begins: admitted, recorded together with what asked for it, driven by a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use pegboard_model::{Error, Failure, FailureKind, Run, RunCause, RunId, RunState, StageRun, Workflow};
use pegboard_store::Change;
use serde_json::{Map, Value as Json};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::config;
use crate::driver::drive;
use crate::event_log;
use crate::events::header;
use crate::flow::{Active, Shared};
use crate::graph::{Dependency, Graph, Node};
use crate::names::run_name;
use crate::plan::plan;
use crate::record::{Channels, now};
use crate::retention::Retention;

/// How long whoever asked for a run that is not kept can still learn how it ended.
const LINGERS: Duration = Duration::from_secs(10);

/// What is to be run, and what becomes durable together with it.
pub(crate) struct Launch {
    pub(crate) workflow: Workflow,
    pub(crate) input: Map<String, Json>,
    pub(crate) namespace: Option<String>,
    pub(crate) cause: RunCause,
    /// The event that asks for it.
    pub(crate) because: Option<Uuid>,
    /// Changes of the same transaction.
    pub(crate) with: Vec<Change>,
}

impl Shared {
    /// Records a run and starts it; durable when this returns.
    ///
    /// # Errors
    /// `server-stopping`, `draining`; the store's. Then nothing of it is recorded.
    pub(crate) async fn launch(self: &Arc<Self>, launch: Launch) -> Result<Run, Error> {
        let Launch { workflow, input, namespace, cause, because, with } = launch;
        let graph = Graph::of(&workflow.spec);
        let run = Run {
            uid: RunId::random(),
            name: run_name(),
            workflow: workflow.metadata.name.to_string(),
            namespace: namespace.unwrap_or_else(|| self.options.default_namespace.clone()),
            source: cause,
            state: RunState::Pending,
            input,
            created_at: now(),
            started_at: None,
            finished_at: None,
            stages: stage_runs(&graph),
            result: Json::Null,
            result_object: None,
            configs: Vec::new(),
            failure: None,
        };
        let channels = self.admit(run.uid)?;
        if let Some(event) = because {
            self.triggers.run_begins(run.uid, event);
        }
        let mut changes = with;
        let (recorded, outcome) = oneshot::channel();
        let shared = Arc::clone(self);
        let mut created = run;
        // A task from the beginning: a caller that goes away meanwhile must not leave a recorded run without a driver.
        self.drivers.spawn(async move {
            let uid = created.uid;
            let begun = match config::of(&shared.store, &workflow).await {
                Ok(configs) => {
                    let config = config::merged(&configs);
                    created.configs = config::kept(configs);
                    if channels.is_kept {
                        changes.push(Change::RunCreated(created.clone()));
                    }
                    shared.recorder.record(changes).await.map(|()| config)
                }
                Err(error) => Err(error),
            };
            let config = match begun {
                Ok(config) => config,
                Err(error) => {
                    shared.remove(uid);
                    shared.triggers.run_ended(uid);
                    let _ = recorded.send(Err(error));
                    return;
                }
            };
            let _ = recorded.send(Ok(created.clone()));
            let driving = async { drive(Arc::clone(&shared), created, &workflow, config, plan(graph), channels).await };
            if AssertUnwindSafe(driving).catch_unwind().await.is_err() {
                shared.end_abandoned(uid).await;
            }
        });
        Ok(outcome.await.map_err(|_| Error::internal("run-lost", "the run could not be started"))??)
    }

    fn admit(&self, run: RunId) -> Result<Channels, Error> {
        let (sender, control) = mpsc::unbounded_channel();
        let (announce, end) = watch::channel(None);
        let is_kept = self.options.retention != Retention::Never;
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: a run is either refused here or seen by `shutdown`.
        if self.is_stopping() {
            let refused = Error::unavailable("server-stopping", "the server is stopping and takes no runs");
            return Err(refused.hint("repeat it when the server is back"));
        }
        self.refuse_when_draining()?;
        active.insert(run, Active { control: sender, end, is_kept });
        Ok(Channels { control, announce, is_kept })
    }

    /// The run is over and recorded: from now on the store answers for it. One that is not kept is remembered for a while.
    pub(crate) fn forget(self: &Arc<Self>, run: RunId) {
        if self.active(run).is_none_or(|active| active.is_kept) || self.is_stopping() {
            return self.remove(run);
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(LINGERS) => {}
                () = shared.stop.cancelled() => {}
            }
            shared.remove(run);
        });
    }

    fn remove(&self, run: RunId) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// Ends a run whose driver panicked: our fault, but nobody may wait for it for ever.
    async fn end_abandoned(&self, uid: RunId) {
        tracing::error!(run.id = %uid, "the driver of a run panicked");
        if let Ok(Some(mut run)) = self.store.run(uid).await {
            let failure = Failure::noticed(FailureKind::Unavailable, "Pegboard itself failed while it drove the run")
                .hint("please report this with the server's log");
            let mut changes = Vec::new();
            for (position, stage) in run.stages.iter_mut().enumerate().filter(|(_, stage)| !stage.state.is_final()) {
                stage.state = RunState::Interrupted;
                changes.push(Change::StageChanged { run: uid, position, stage: stage.clone() });
            }
            if !run.state.is_final() {
                run.state = RunState::Failed;
                run.failure = Some(failure);
                run.finished_at = Some(now());
                changes.push(Change::RunChanged(header(&run)));
                changes.push(Change::EventStored(event_log::finished(&run)));
            }
            if let Err(error) = self.recorder.record(changes).await {
                tracing::error!(run.id = %uid, %error, "the end of a run could not be recorded");
            }
        }
        self.remove(uid);
    }
}

fn stage_runs(graph: &Graph) -> Vec<StageRun> {
    let name = |dependency: &Dependency| match dependency {
        Dependency::On(position) => graph.nodes.get(*position).map(|node| node.name.clone()),
        Dependency::Itself | Dependency::Unknown(_) => None,
    };
    let stage = |node: &Node| StageRun {
        name: node.name.clone(),
        target: node.target.clone(),
        state: RunState::Pending,
        started_at: None,
        finished_at: None,
        items: None,
        failure: None,
        cached: false,
        depends_on: node.dependencies.iter().filter_map(name).collect(),
        plugin: None,
    };
    graph.nodes.iter().map(stage).collect()
}
