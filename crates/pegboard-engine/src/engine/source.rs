//! Where real workers come from: one parked interpreter per environment, shared by everybody who forks from it.
//!
//! Invariant: an interpreter is started at the first need and ended with the last [`Lease`] of its environment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pegboard_model::{Call, CallEvent, Error, ErrorKind, Failure, FailureKind, PluginName};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::edition::Edition;
use super::granted::{Variables, environment_of, shared_key};
use super::options::EngineOptions;
use super::user_modules;
use crate::environment::{Environment, Environments};
use crate::memory::ClusterMemory;
use crate::pool::{PooledWorker, WorkerSource};
use crate::shm::Blocks;
use crate::worker::{AfterCall, StatusSink, Worker, WorkerOptions};
use crate::zygote::{Zygote, ZygoteOptions};

/// From the start of an interpreter to the message that it is parked: heavy imports on a cold disk take a while.
const PARK_DEADLINE: Duration = Duration::from_secs(120);

/// A parked interpreter, once somebody needed it.
type Cell = Arc<OnceCell<Arc<Zygote>>>;

/// Makes sources of workers.
pub(super) struct Sources {
    options: EngineOptions,
    /// Folder of the unpacked Python package.
    host: PathBuf,
    blocks: Arc<Blocks>,
    memory: Arc<ClusterMemory>,
    /// What single plugins get, by name.
    pub(super) granted: ArcSwap<HashMap<String, Variables>>,
    /// By environment and variables: leases and interpreter.
    parked: Mutex<HashMap<String, (usize, Cell)>>,
    /// Interpreters that are being ended.
    ending: TaskTracker,
    runtime: Handle,
}

/// The right to use an environment's interpreter.
struct Lease {
    sources: Arc<Sources>,
    environment: Environment,
    /// Which interpreter.
    key: String,
    /// What its processes get besides the others'.
    variables: Variables,
    /// What its interpreter imports, if this lease is the first to need it.
    preload: Vec<String>,
    cell: Cell,
}

impl Sources {
    /// For this server; `host` is the folder of the unpacked Python package.
    pub(super) fn new(options: EngineOptions, host: PathBuf, blocks: Arc<Blocks>) -> Arc<Self> {
        let memory = ClusterMemory::new(Arc::clone(&blocks));
        let (parked, ending, runtime) = (Mutex::default(), TaskTracker::new(), Handle::current());
        Arc::new(Self { options, host, blocks, memory, granted: ArcSwap::default(), parked, ending, runtime })
    }

    /// Workers of a plugin in its environment; `called` are modules to import beside its own, `edition` tells when code that is installed in place changes.
    pub(super) fn plugin(
        self: &Arc<Self>,
        plugin: &PluginName,
        modules: &[String],
        called: Vec<String>,
        environment: Environment,
        edition: Option<Edition>,
    ) -> Arc<PluginSource> {
        let (plugin, modules) = (plugin.clone(), modules.to_vec());
        let preload = self.options.preload.clone();
        let lease = self.lease(&plugin, environment, preload);
        Arc::new(PluginSource { plugin, modules, called, edition, lease: Arc::new(lease) })
    }

    /// Workers in an environment whose parked interpreter imports these modules, not those of the settings.
    pub(super) fn prepared(
        self: &Arc<Self>,
        plugin: &PluginName,
        environment: Environment,
        preload: Vec<String>,
    ) -> Arc<PluginSource> {
        let lease = Arc::new(self.lease(plugin, environment, preload));
        Arc::new(PluginSource { plugin: plugin.clone(), modules: Vec::new(), called: Vec::new(), edition: None, lease })
    }

    /// Workers without a plugin, in an environment of its own that holds these requirements; it is made when the first one is
    /// needed.
    pub(super) fn own(
        self: &Arc<Self>,
        plugin: PluginName,
        requirements: &'static str,
        environments: Environments,
    ) -> Arc<OwnSource> {
        Arc::new(OwnSource { sources: Arc::clone(self), plugin, requirements, environments, source: OnceCell::new() })
    }

    /// Keys of the environments that somebody works in.
    pub(super) fn leased(&self) -> Vec<String> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).keys().map(|key| environment_of(key).to_owned()).collect()
    }

    /// Ends every interpreter, and with it whatever is left of its workers.
    pub(super) async fn shutdown(&self) {
        let cells: Vec<_> =
            self.parked.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(_, cell)| Arc::clone(cell)).collect();
        let stops = cells.iter().filter_map(|cell| cell.get()).map(|zygote| zygote.stop());
        futures::future::join_all(stops).await;
        self.ending.close();
        self.ending.wait().await;
    }

    fn lease(self: &Arc<Self>, plugin: &PluginName, environment: Environment, preload: Vec<String>) -> Lease {
        let variables = self.granted_to(plugin.as_str());
        let key = shared_key(&environment.key, &variables);
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let (leases, cell) = parked.entry(key.clone()).or_default();
        *leases += 1;
        Lease { sources: Arc::clone(self), cell: Arc::clone(cell), environment, key, variables, preload }
    }
}

impl Lease {
    /// The interpreter; starts it when nobody has.
    async fn zygote(&self) -> Result<Arc<Zygote>, Failure> {
        let start = || {
            Zygote::start(ZygoteOptions {
                python: self.environment.python.clone(),
                host: self.sources.host.clone(),
                preload: self.preload.clone(),
                user_modules: Some(user_modules::folder(&self.sources.options.data)),
                variables: [self.sources.options.variables.as_slice(), &self.variables].concat(),
                fresh: false,
                start_deadline: PARK_DEADLINE,
            })
        };
        self.cell.get_or_try_init(start).await.cloned()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut parked = self.sources.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((leases, _)) = parked.get_mut(&self.key) else { return };
        *leases -= 1;
        if *leases > 0 {
            return;
        }
        parked.remove(&self.key);
        drop(parked);
        if let Some(zygote) = self.cell.get().cloned() {
            let stop = async move { zygote.stop().await };
            self.sources.runtime.spawn(self.sources.ending.track_future(stop));
        }
    }
}

/// Starts workers of one plugin.
pub(super) struct PluginSource {
    plugin: PluginName,
    modules: Vec<String>,
    called: Vec<String>,
    edition: Option<Edition>,
    lease: Arc<Lease>,
}

impl PluginSource {
    /// The same environment for a plugin of another name.
    pub(super) fn of_another(&self, plugin: &PluginName) -> Self {
        let lease = Arc::clone(&self.lease);
        Self { plugin: plugin.clone(), modules: Vec::new(), called: Vec::new(), edition: None, lease }
    }
}

#[async_trait]
impl WorkerSource for PluginSource {
    async fn start(&self, generation: u64, sink: StatusSink) -> Result<Box<dyn PooledWorker>, Failure> {
        let sources = &self.lease.sources;
        let options = &sources.options;
        let worker = WorkerOptions {
            plugin: self.plugin.clone(),
            modules: self.modules.clone(),
            called: self.called.clone(),
            // Without a plugin there is no environment that an executor could be in.
            executor: options.executor.clone().filter(|_| !self.plugin.is_own()),
            generation,
            directory: options.data.join("work").join(self.plugin.as_str()),
            limits: options.limits.clone(),
            load_deadline: options.load_deadline,
            call_deadline: options.call_deadline,
            stop_deadline: options.stop_deadline,
            heartbeat: options.heartbeat,
            inline_limit: options.inline_limit,
            read_only: options.read_only_values,
            output_limit: options.output_limit,
        };
        let zygote = self.lease.zygote().await?;
        if let Some(edition) = &self.edition {
            edition.note().await;
        }
        let (blocks, memory) = (Arc::clone(&sources.blocks), Arc::clone(&sources.memory));
        Ok(Box::new(Worker::start(worker, zygote, blocks, memory, sink).await?))
    }

    async fn unchanged(&self) -> bool {
        match &self.edition {
            Some(edition) => edition.unchanged().await,
            None => true,
        }
    }

    fn accept(&self) {
        if let Some(edition) = &self.edition {
            edition.accept();
        }
    }
}

/// Starts workers of an environment without a plugin.
pub(super) struct OwnSource {
    sources: Arc<Sources>,
    plugin: PluginName,
    /// Lines of a requirements file.
    requirements: &'static str,
    environments: Environments,
    source: OnceCell<Arc<PluginSource>>,
}

#[async_trait]
impl WorkerSource for OwnSource {
    async fn start(&self, generation: u64, sink: StatusSink) -> Result<Box<dyn PooledWorker>, Failure> {
        let make = async || {
            let plugin = self.plugin.clone();
            let progress: crate::environment::Progress = Arc::new(
                move |step, detail| tracing::info!(plugin.name = %plugin, step, detail, "making an environment of the server's own"),
            );
            let environment = self.environments.script(self.requirements, false, &progress).await.map_err(failure)?;
            Ok(self.sources.plugin(&self.plugin, &[], Vec::new(), environment, None))
        };
        self.source.get_or_try_init(make).await?.start(generation, sink).await
    }
}

#[async_trait]
impl PooledWorker for Worker {
    async fn run(&mut self, call: &Call, events: &mpsc::Sender<CallEvent>, cancel: &CancellationToken) -> AfterCall {
        Worker::run(self, call, events, cancel).await
    }

    async fn stop(self: Box<Self>) {
        Worker::stop(*self).await;
    }
}

/// A refusal as a call's failure.
pub(super) fn failure(error: Error) -> Failure {
    let kind = if error.kind == ErrorKind::Exhausted { FailureKind::Exhausted } else { FailureKind::Unavailable };
    Failure { traceback: error.detail, hint: error.hint, ..Failure::noticed(kind, error.message) }
}
