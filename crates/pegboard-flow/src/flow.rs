//! The handle: workflows in, runs out.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use pegboard_model::{
    Error, Failure, FailureKind, Metadata, PluginRunner, Run, RunCause, RunId, RunState, StageRun, Workflow, WorkflowSpec,
};
use pegboard_store::{Change, Store, StoreError, StoredEvent};
use serde_json::{Map, Value as Json};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::document::{self, Warnings, WorkflowDocument};
use crate::driver::drive;
use crate::events::{RunEvent, header};
use crate::graph::Graph;
use crate::names::run_name;
use crate::plan::{self, plan};
use crate::record::{Channels, Control, now};
use crate::recorder::Recorder;

/// News that a slow listener may fall behind.
const EVENTS: usize = 4096;
/// Annotations below this prefix belong to the server (Flowdapt specification, section 2).
const SERVER_ANNOTATIONS: &str = "flowdapt.ai/";
/// Attempts to replace a workflow that somebody else changes at the same time.
const APPLY_ATTEMPTS: usize = 10;
/// How often a run is looked at that another server drives.
const POLL: Duration = Duration::from_millis(500);

/// What runs may leave behind, and where.
#[derive(Clone, Debug)]
pub struct FlowOptions {
    /// Longest result in bytes of JSON that is kept with its run; longer ones become an object.
    pub result_limit: usize,
    /// Log bytes kept per run; what comes later is counted and said.
    pub log_limit: u64,
    /// Namespace of runs that name none.
    pub default_namespace: String,
    /// Where stages keep artifacts: `storage.base_path` of their context.
    pub artifacts_directory: PathBuf,
}

/// Handle; cheap to clone.
#[derive(Clone)]
pub struct Flow {
    pub(crate) shared: Arc<Shared>,
}

/// What drivers and the handle share.
pub(crate) struct Shared {
    pub(crate) options: FlowOptions,
    pub(crate) store: Store,
    pub(crate) runner: Arc<dyn PluginRunner>,
    pub(crate) recorder: Recorder,
    pub(crate) events: broadcast::Sender<RunEvent>,
    active: Mutex<HashMap<RunId, Active>>,
    stopping: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Tells of events that are stored.
    pub(crate) told: broadcast::Sender<StoredEvent>,
    drivers: TaskTracker,
}

/// A run with a driver, or one whose end could not be recorded.
#[derive(Clone)]
struct Active {
    control: mpsc::UnboundedSender<Control>,
    end: watch::Receiver<Option<Arc<Run>>>,
}

impl Flow {
    /// Ends what an earlier server left under way as interrupted, then takes runs.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(options: FlowOptions, store: Store, runner: Arc<dyn PluginRunner>) -> Result<Self, Error> {
        let interrupted = store.interrupt_unfinished(now()).await?;
        if !interrupted.is_empty() {
            tracing::warn!(runs = interrupted.len(), "runs were under way when the server stopped; they are interrupted");
        }
        let events = broadcast::Sender::new(EVENTS);
        let recorder = Recorder::start(store.clone(), events.clone());
        let shared = Shared {
            options,
            store,
            runner,
            recorder,
            events,
            active: Mutex::default(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            told: broadcast::Sender::new(EVENTS),
            drivers: TaskTracker::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads YAML or JSON, one or several documents.
    ///
    /// # Errors
    /// `invalid-yaml` and `invalid-workflow`, with line and column.
    pub fn parse(text: &str) -> Result<Vec<WorkflowDocument>, Error> {
        document::parse(text)
    }

    /// What a run of it would stumble over: circles, unknown names, stages that replace others.
    #[must_use]
    pub fn check(spec: &WorkflowSpec) -> Warnings {
        plan::check(spec)
    }

    /// Creates the workflow, or replaces spec and annotations of the one with that name. Gives back it and whether it is new.
    ///
    /// # Errors
    /// The store's; `changed-meanwhile` when others change it again and again.
    pub async fn apply(&self, document: WorkflowDocument) -> Result<(Workflow, bool), Error> {
        let store = &self.shared.store;
        let WorkflowDocument { name, annotations, spec, .. } = document;
        let mut trouble = StoreError::ChangedMeanwhile(name.to_string());
        for _ in 0..APPLY_ATTEMPTS {
            let now = now();
            let old = store.by_name::<WorkflowSpec>(&name).await?;
            let is_new = old.is_none();
            let outcome;
            let workflow = match old {
                None => {
                    let annotations = annotations.clone();
                    let metadata =
                        Metadata { uid: Uuid::new_v4(), name: name.clone(), created_at: now, updated_at: now, annotations };
                    let workflow = Workflow { kind: "workflow".to_owned(), metadata, spec: spec.clone() };
                    outcome = store.create(&workflow).await;
                    workflow
                }
                Some(mut workflow) => {
                    let seen = workflow.metadata.updated_at;
                    let mut merged = annotations.clone();
                    let of_server =
                        workflow.metadata.annotations.into_iter().filter(|(key, _)| key.starts_with(SERVER_ANNOTATIONS));
                    merged.extend(of_server);
                    workflow.metadata.annotations = merged;
                    workflow.metadata.updated_at = now;
                    workflow.spec = spec.clone();
                    outcome = store.update(&workflow, Some(seen)).await;
                    workflow
                }
            };
            match outcome {
                Ok(()) => return Ok((workflow, is_new)),
                // Somebody was faster: look again.
                Err(error @ (StoreError::AlreadyExists(_) | StoreError::ChangedMeanwhile(_) | StoreError::NotFound(_))) => {
                    trouble = error
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(trouble.into())
    }

    /// Records a run and starts it; durable when this returns.
    ///
    /// # Errors
    /// `server-stopping`, `draining`; the store's.
    pub async fn run(
        &self,
        workflow: &Workflow,
        input: Map<String, Json>,
        namespace: Option<String>,
        cause: RunCause,
    ) -> Result<Run, Error> {
        let graph = Graph::of(&workflow.spec);
        let run = Run {
            uid: RunId::random(),
            name: run_name(),
            workflow: workflow.metadata.name.to_string(),
            namespace: namespace.unwrap_or_else(|| self.shared.options.default_namespace.clone()),
            source: cause,
            state: RunState::Pending,
            input,
            created_at: now(),
            started_at: None,
            finished_at: None,
            stages: stage_runs(&graph),
            result: Json::Null,
            result_object: None,
            failure: None,
        };
        let channels = self.admit(run.uid)?;
        let (recorded, outcome) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let (created, workflow) = (run.clone(), workflow.clone());
        // A task from the beginning: a caller that goes away meanwhile must not leave a recorded run without a driver.
        self.shared.drivers.spawn(async move {
            let uid = created.uid;
            if let Err(error) = shared.recorder.record(vec![Change::RunCreated(created.clone())]).await {
                shared.forget(uid);
                let _ = recorded.send(Err(error));
                return;
            }
            let _ = recorded.send(Ok(()));
            let driving = async { drive(Arc::clone(&shared), created, &workflow, plan(graph), channels).await };
            if AssertUnwindSafe(driving).catch_unwind().await.is_err() {
                shared.end_abandoned(uid).await;
            }
        });
        outcome.await.map_err(|_| Error::internal("run-lost", "the run could not be started"))??;
        Ok(run)
    }

    /// A run by its id or its name.
    ///
    /// # Errors
    /// `run-not-found`; the store's.
    pub async fn run_find(&self, identifier: &str) -> Result<Run, Error> {
        let found = match identifier.parse::<RunId>() {
            Ok(uid) => self.shared.store.run(uid).await,
            Err(_) => self.shared.store.run_by_name(identifier).await,
        };
        // One whose end could not be recorded is known better here, even when the store does not answer at all.
        let uid = found.as_ref().ok().and_then(Option::as_ref).map(|run| run.uid).or_else(|| identifier.parse().ok());
        if let Some(run) = uid.and_then(|uid| self.shared.active(uid)).and_then(|active| active.end.borrow().clone()) {
            return Ok(Run::clone(&run));
        }
        found?.ok_or_else(|| not_found(identifier))
    }

    /// Ends a run, with everything of it that is under way. Gives back the run as it ended; one that is over stays as it is.
    ///
    /// # Errors
    /// `run-not-found`; the store's.
    pub async fn cancel(&self, run: RunId) -> Result<Run, Error> {
        if let Some(active) = self.shared.active(run) {
            let _ = active.control.send(Control::Cancel);
        }
        self.wait(run).await
    }

    /// News from now on. Subscribe first, then read the store: nothing is missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<RunEvent> {
        self.shared.events.subscribe()
    }

    /// Waits for the end of a run. One that is over answers at once.
    ///
    /// # Errors
    /// `run-not-found`; the store's.
    pub async fn wait(&self, run: RunId) -> Result<Run, Error> {
        if let Some(mut active) = self.shared.active(run)
            && let Ok(end) = active.end.wait_for(Option::is_some).await
            && let Some(run) = end.as_deref()
        {
            return Ok(run.clone());
        }
        loop {
            match self.shared.store.run(run).await? {
                None => return Err(not_found(&run.to_string())),
                Some(run) if run.state.is_final() => return Ok(run),
                // Another server on the same store drives it.
                Some(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Takes no more runs, ends those under way as interrupted, waits until that is recorded.
    pub async fn shutdown(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for active in self.shared.all_active() {
            let _ = active.control.send(Control::Interrupt);
        }
        self.shared.drivers.close();
        self.shared.drivers.wait().await;
        if let Err(error) = self.shared.recorder.record(Vec::new()).await {
            tracing::error!(%error, "the last changes of runs could not be recorded");
        }
    }

    fn admit(&self, run: RunId) -> Result<Channels, Error> {
        let (sender, control) = mpsc::unbounded_channel();
        let (announce, end) = watch::channel(None);
        let mut active = self.shared.active.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: a run is either refused here or seen by `shutdown`.
        if self.shared.is_stopping() {
            let refused = Error::unavailable("server-stopping", "the server is stopping and takes no runs");
            return Err(refused.hint("repeat it when the server is back"));
        }
        self.shared.refuse_when_draining()?;
        active.insert(run, Active { control: sender, end });
        Ok(Channels { control, announce })
    }
}

impl Shared {
    fn active(&self, run: RunId) -> Option<Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()
    }

    fn all_active(&self) -> Vec<Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The run is over and recorded: from now on the store answers for it.
    pub(crate) fn forget(&self, run: RunId) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// The server takes no more runs.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
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
            }
            if let Err(error) = self.recorder.record(changes).await {
                tracing::error!(run.id = %uid, %error, "the end of a run could not be recorded");
            }
        }
        self.forget(uid);
    }
}

fn stage_runs(graph: &Graph) -> Vec<StageRun> {
    let stage = |node: &crate::graph::Node| StageRun {
        name: node.name.clone(),
        target: node.target.clone(),
        state: RunState::Pending,
        started_at: None,
        finished_at: None,
        items: None,
        failure: None,
    };
    graph.nodes.iter().map(stage).collect()
}

fn not_found(identifier: &str) -> Error {
    Error::not_found("run-not-found", format!("there is no run `{identifier}`")).hint("`pegboard runs` lists them")
}
