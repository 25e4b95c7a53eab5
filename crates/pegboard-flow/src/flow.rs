//! The handle: workflows in, runs out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pegboard_model::{
    AppliedConfig, ConfigSpec, Error, Metadata, PluginName, PluginRunner, Resource, ResourceSpec, Run, RunCause, RunId,
    StagePlugin, Workflow, WorkflowSpec,
};
use pegboard_store::{Store, StoreError, StoredEvent};
use serde_json::{Map, Value as Json};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::cache;
use crate::clock::Clock;
use crate::config;
use crate::document::{self, Document, ResourceDocument, Warnings};
use crate::event_log;
use crate::events::RunEvent;
use crate::gate::Gate;
use crate::launch::Launch;
use crate::plan;
use crate::record::{Control, now};
use crate::recorder::Recorder;
use crate::resources::Resources;
use crate::retention::{self, Retention};
use crate::trigger::{self, Triggers};

/// News that a slow listener may fall behind.
const EVENTS: usize = 4096;
/// Stored events that a slow follower may fall behind before it reads the store.
const TOLD: usize = 256;
/// Annotations below this prefix belong to the server (Flowdapt specification, section 2).
const SERVER_ANNOTATIONS: &str = "flowdapt.ai/";
/// Attempts to replace a workflow that somebody else changes at the same time.
const APPLY_ATTEMPTS: usize = 10;
/// Longest text in bytes that is read in passing: a few milliseconds.
const LONG: usize = 32 << 10;
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
    /// Kind of the executor, as stages see it: `local`, `ray`, `dask`, or the name of a class.
    pub executor: String,
    /// Items that one call of a fan-out carries at least, as far as shares stay even.
    pub least_batch: usize,
    /// What stages may read of the server's configuration, in the dialect's keys; `storage` says where artifacts are.
    pub configuration: Map<String, Json>,
    /// How long runs are kept after their end.
    pub retention: Retention,
    /// How much there is of what stages ask for.
    pub resources: Resources,
    /// What schedules and retention go by.
    pub clock: Clock,
}

/// Handle; cheap to clone.
#[derive(Clone)]
pub struct Flow {
    pub(crate) shared: Arc<Shared>,
    /// Ends the tasks in the background with the last handle.
    _background: Arc<DropGuard>,
}

/// What drivers and the handle share.
pub(crate) struct Shared {
    pub(crate) options: FlowOptions,
    pub(crate) store: Store,
    pub(crate) runner: Arc<dyn PluginRunner>,
    pub(crate) recorder: Recorder,
    /// Who may call now.
    pub(crate) gate: Gate,
    pub(crate) events: broadcast::Sender<RunEvent>,
    pub(crate) triggers: Triggers,
    /// Ends the tasks in the background.
    pub(crate) stop: CancellationToken,
    pub(crate) active: Mutex<HashMap<RunId, Active>>,
    pub(crate) stopping: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Tells of events that are stored.
    pub(crate) told: broadcast::Sender<Arc<StoredEvent>>,
    pub(crate) drivers: TaskTracker,
}

/// A run with a driver, or one whose end could not be recorded.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) control: mpsc::UnboundedSender<Control>,
    pub(crate) end: watch::Receiver<Option<Arc<Run>>>,
    /// The store has a record of it.
    pub(crate) is_kept: bool,
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
        // What is stored from here on is told, and pending events are handled whenever they were stored.
        let told_through = store.last_event().await?;
        let events = broadcast::Sender::new(EVENTS);
        let recorder = Recorder::start(store.clone(), events.clone());
        let shared = Shared {
            options,
            store,
            runner,
            recorder,
            gate: Gate::default(),
            events,
            active: Mutex::default(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            told: broadcast::Sender::new(TOLD),
            triggers: Triggers::default(),
            stop: CancellationToken::new(),
            drivers: TaskTracker::new(),
        };
        let shared = Arc::new(shared);
        event_log::tell_of_interrupted(&shared, &interrupted).await?;
        shared.drivers.spawn(event_log::dispatch(Arc::clone(&shared), told_through));
        shared.drivers.spawn(trigger::keep_time(Arc::clone(&shared)));
        shared.drivers.spawn(retention::sweep(Arc::clone(&shared)));
        shared.drivers.spawn(cache::sweep(shared.store.clone(), shared.stop.clone()));
        shared.drivers.spawn(Arc::clone(&shared).resume_interrupted(interrupted));
        let background = Arc::new(shared.stop.clone().drop_guard());
        Ok(Self { shared, _background: background })
    }

    /// Reads YAML or JSON, one or several documents.
    ///
    /// # Errors
    /// `invalid-yaml`, `invalid-workflow`, `invalid-config` and `invalid-trigger`, with line and column.
    pub fn parse(text: &str) -> Result<Vec<Document>, Error> {
        document::parse(text)
    }

    /// The same for async code: a long text takes a while.
    ///
    /// # Errors
    /// As `parse`.
    pub async fn read(text: &str) -> Result<Vec<Document>, Error> {
        if text.len() <= LONG {
            return document::parse(text);
        }
        let text = text.to_owned();
        let read = tokio::task::spawn_blocking(move || document::parse(&text)).await;
        read.map_err(|error| Error::internal("document-reader", format!("the document could not be read: {error}")))?
    }

    /// Configs that a run of the workflow that begins now gets, in the order in which they are merged.
    ///
    /// # Errors
    /// The store's.
    pub async fn configs_of(&self, workflow: &Workflow) -> Result<Vec<AppliedConfig>, Error> {
        Ok(config::of(&self.shared.store, workflow).await?)
    }

    /// Whether a config applies to runs of a workflow.
    #[must_use]
    pub fn applies(config: &ConfigSpec, workflow: &Workflow) -> bool {
        config::applies(config, workflow)
    }

    /// Which plugin a target belongs to, and its version; none when it belongs to no plugin.
    #[must_use]
    pub fn plugin_of(&self, target: &str) -> Option<StagePlugin> {
        let name = self.shared.runner.owner(target);
        let version = self.shared.runner.release(&name).unwrap_or_default();
        (name != PluginName::base()).then_some(StagePlugin { name, version })
    }

    /// Who calls the stages: `local`, `ray`, `dask`, or the name of a class.
    #[must_use]
    pub fn executor(&self) -> &str {
        &self.shared.options.executor
    }

    /// What a run of it would stumble over: circles, unknown names, stages that replace others.
    #[must_use]
    pub fn check(spec: &WorkflowSpec) -> Warnings {
        plan::check(spec)
    }

    /// Creates the resource, or replaces spec and annotations of the one with its name. Gives back it and whether it is new.
    ///
    /// # Errors
    /// The store's; `changed-meanwhile` when others change it again and again.
    pub async fn apply<S: ResourceSpec>(&self, document: ResourceDocument<S>) -> Result<(Resource<S>, bool), Error> {
        let store = &self.shared.store;
        let ResourceDocument { name, annotations, spec, .. } = document;
        let mut trouble = StoreError::ChangedMeanwhile(name.to_string());
        for _ in 0..APPLY_ATTEMPTS {
            let now = now();
            let old = store.by_name::<S>(&name).await?;
            let is_new = old.is_none();
            let outcome;
            let resource = match old {
                None => {
                    let annotations = annotations.clone();
                    let metadata =
                        Metadata { uid: Uuid::new_v4(), name: name.clone(), created_at: now, updated_at: now, annotations };
                    let resource = Resource { kind: S::KIND.to_owned(), metadata, spec: spec.clone() };
                    outcome = store.create(&resource).await;
                    resource
                }
                Some(mut resource) => {
                    let seen = resource.metadata.updated_at;
                    let mut merged = annotations.clone();
                    let of_server =
                        resource.metadata.annotations.into_iter().filter(|(key, _)| key.starts_with(SERVER_ANNOTATIONS));
                    merged.extend(of_server);
                    resource.metadata.annotations = merged;
                    resource.metadata.updated_at = now;
                    resource.spec = spec.clone();
                    outcome = store.update(&resource, Some(seen)).await;
                    resource
                }
            };
            match outcome {
                Ok(()) => return Ok((resource, is_new)),
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
        self.shared.launch(Launch { workflow: workflow.clone(), input, namespace, cause, because: None, with: Vec::new() }).await
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
        if let Some(run) = uid
            .and_then(|uid| self.shared.active(uid))
            .filter(|active| active.is_kept)
            .and_then(|active| active.end.borrow().clone())
        {
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
        self.shared.stop.cancel();
        for active in self.shared.all_active() {
            let _ = active.control.send(Control::Interrupt);
        }
        self.shared.drivers.close();
        self.shared.drivers.wait().await;
        if let Err(error) = self.shared.recorder.record(Vec::new()).await {
            tracing::error!(%error, "the last changes of runs could not be recorded");
        }
    }
}

impl Shared {
    pub(crate) fn active(&self, run: RunId) -> Option<Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()
    }

    fn all_active(&self) -> Vec<Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The server takes no more runs.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

fn not_found(identifier: &str) -> Error {
    Error::not_found("run-not-found", format!("there is no run `{identifier}`")).hint("`pegboard runs` lists them")
}
