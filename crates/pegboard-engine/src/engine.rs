//! The engine: starts, calls, reloads and stops plugins.
//!
//! Invariants: a call finds its plugin without waiting for anybody (the directory is swapped whole); changes of one plugin take
//! turns and run to their end even when whoever asked has gone; after [`Engine::shutdown`], or soon after the last
//! clone is dropped, no child process lives.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use pegboard_model::{
    Call, CallEvent, Error, Failure, FailureKind, PluginName, PluginRecord, PluginRunner, Value, WorkerState, WorkerStatus,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::Owners;
use crate::environment::{Environments, InstallRequest, Progress};
use crate::host_files;
use crate::pool::{News, NewsSink, Pool, PoolOptions, refused};
use crate::reload::Turns;
use crate::script::{ScriptOptions, Scripts};
use crate::shm::{self, Blocks, BlocksOptions};
use crate::supervisor::History;

mod bounds;
mod edition;
mod granted;
mod hosted;
mod life;
mod options;
mod plugin;
mod source;
mod statistics;
mod tidying;
mod user_modules;
mod version;

pub use bounds::{Bounds, KernelView};
pub use hosted::{HostedPlugin, Invocation, PanelEnvironment, Preparation};
pub use options::{EngineEvent, EngineOptions, EngineStatistics, ExecutorOptions, PluginStatistics, WorkerCounts, WorkerLimits};
pub use tidying::EnvironmentUse;

use hosted::SharedEnvironment;
use plugin::{Plugin, Reloaded};
use source::Sources;
use version::Code;

/// Events that a slow receiver may fall behind.
const EVENTS: usize = 512;
/// Most that a script may take to end: remote plugins wait five seconds for a server that restarts in place.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(2);
/// What workers need that read the catalog's tables.
const TABLES: &str = "duckdb>=1.4,<3\npyarrow>=15\n";

/// Handle; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    options: EngineOptions,
    environments: Environments,
    sources: Arc<Sources>,
    blocks: Arc<Blocks>,
    scripts: Scripts,
    directory: ArcSwap<Directory>,
    /// Held while the directory is replaced.
    editing: Mutex<()>,
    base: Arc<Pool>,
    /// Workers that read and ask the catalog's tables.
    tables: Arc<Pool>,
    /// Workers that somebody else keeps, by name.
    hosted: Mutex<HashMap<PluginName, Arc<Pool>>>,
    /// Their environments.
    shared: Mutex<HashMap<PanelEnvironment, Arc<SharedEnvironment>>>,
    /// Every pool that may still have workers, those of removed plugins included.
    pools: Mutex<Vec<Weak<Pool>>>,
    /// By plugin; they outlive the plugin, so that an install waits for the removal before it.
    turns: Mutex<HashMap<PluginName, Arc<Turns<Reloaded>>>>,
    /// Installs that may have made an environment which nobody uses yet.
    installing: tokio::sync::RwLock<()>,
    /// Held while unused environments are removed.
    collecting: tokio::sync::Mutex<()>,
    /// Of calls to nobody and to plugins that are gone: calls, failed ones, restarts.
    past: [AtomicU64; 3],
    events: broadcast::Sender<EngineEvent>,
    /// Cancelled by shutdown.
    closing: CancellationToken,
    /// Installs, reloads, removals, and what they leave to be done.
    tasks: TaskTracker,
}

/// What is installed now.
#[derive(Default)]
struct Directory {
    plugins: BTreeMap<PluginName, Arc<Plugin>>,
    owners: Owners,
}

impl Engine {
    /// Unpacks the worker host and opens the table of shared values; starts no process.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub async fn start(options: EngineOptions, environments: Environments) -> Result<Self, Error> {
        let host = host_files::unpack(&options.data).await?;
        host_files::remove_former(&options.data, &host).await;
        user_modules::prepare(&options.data).await?;
        let blocks_options = BlocksOptions { spill: options.data.join("spill"), memory_budget: options.memory_budget };
        let opened = tokio::task::spawn_blocking(move || Blocks::open(blocks_options)).await;
        let blocks = opened.map_err(|_| Error::internal("engine-start", "opening the table of shared values was given up"))??;
        let sources = Sources::new(options.clone(), host.folder, Arc::clone(&blocks));
        let closing = CancellationToken::new();
        let own = |plugin: PluginName, requirements| {
            let pool_options = pool_options(&options, plugin.clone());
            let pool = Pool::new(pool_options, History::default(), closing.child_token(), Box::new(|_| {}));
            pool.offer(sources.own(plugin, requirements, environments.clone()));
            pool
        };
        let base = own(PluginName::base(), "");
        let tables = own(PluginName::tables(), TABLES);
        let scripts = ScriptOptions {
            folder: options.data.join("scripts"),
            limits: options.limits.clone(),
            stop_deadline: options.stop_deadline.min(SCRIPT_DEADLINE),
        };
        let inner = Arc::new(Inner {
            scripts: Scripts::new(scripts, environments.clone()),
            pools: Mutex::new(vec![Arc::downgrade(&base), Arc::downgrade(&tables)]),
            base,
            tables,
            environments,
            sources,
            blocks,
            directory: ArcSwap::default(),
            hosted: Mutex::default(),
            shared: Mutex::default(),
            editing: Mutex::default(),
            turns: Mutex::default(),
            installing: tokio::sync::RwLock::default(),
            collecting: tokio::sync::Mutex::default(),
            past: Default::default(),
            events: broadcast::channel(EVENTS).0,
            closing,
            tasks: TaskTracker::new(),
            options,
        });
        tokio::spawn(statistics::watch(Arc::downgrade(&inner), inner.options.heartbeat, inner.closing.clone()));
        Ok(Self { inner })
    }

    /// Makes known plugins callable without starting anything: workers start at the first call. A record whose environment is
    /// gone becomes broken.
    pub fn activate(&self, records: Vec<PluginRecord>) {
        self.inner.activate(records);
    }

    /// Environment, discovery, first worker, load; on success it serves. The record returned is Ready or Broken (an import
    /// failure installs as Broken). `replace`: upgrade of an installed plugin; the old generation serves until the new one has
    /// loaded, and goes on when it fails.
    ///
    /// # Errors
    /// Those of [`Environments::install`]; `plugin-exists`, or with `replace` `plugin-not-found` and `plugin-import-failed`.
    pub async fn install(&self, request: InstallRequest, replace: bool, progress: Progress) -> Result<PluginRecord, Error> {
        let inner = Arc::clone(&self.inner);
        self.finish(async move { inner.install(request, replace, progress).await }).await
    }

    /// New worker beside the old one, load, swap, drain the old. On failure the old one goes on serving and the error says why.
    ///
    /// # Errors
    /// `plugin-not-found`; `reload-failed` with the traceback as its detail; `environment-missing`.
    pub async fn reload(&self, name: &PluginName) -> Result<PluginRecord, Error> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        self.finish(async move { inner.reload(&name).await }).await
    }

    /// Drains and forgets; removes the environment when nobody else uses it. Running calls have half a minute to end, then
    /// they are cancelled.
    ///
    /// # Errors
    /// `plugin-not-found`.
    pub async fn uninstall(&self, name: &PluginName) -> Result<(), Error> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        self.finish(async move { inner.uninstall(&name).await }).await
    }

    /// Every worker now, by plugin.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.inner.workers()
    }

    /// Every record now, by name.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginRecord> {
        self.inner.directory.load().plugins.values().map(|plugin| plugin.record()).collect()
    }

    /// News from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<EngineEvent> {
        self.inner.events.subscribe()
    }

    /// Scripts that are kept running.
    #[must_use]
    pub fn scripts(&self) -> &Scripts {
        &self.inner.scripts
    }

    /// Counts for the metrics.
    #[must_use]
    pub fn statistics(&self) -> EngineStatistics {
        self.inner.statistics()
    }

    /// Refuses new calls, cancels running ones, ends every child: ask, terminate, kill. When it returns each has ended or been
    /// killed; one that was killed may be reaped a moment later.
    pub async fn shutdown(&self) {
        let inner = &self.inner;
        inner.close();
        // Ask and kill take one stop deadline each; what is left after that goes with its interpreter.
        let patience = inner.options.stop_deadline * 2 + Duration::from_secs(1);
        let gone = async {
            inner.tasks.close();
            inner.tasks.wait().await;
            for pool in inner.pools() {
                pool.drained().await;
            }
        };
        let (left, ()) = tokio::join!(tokio::time::timeout(patience, gone), inner.scripts.shutdown());
        if left.is_err() {
            tracing::warn!("workers did not leave in time and are killed");
        }
        inner.sources.shutdown().await;
    }

    /// The port.
    #[must_use]
    pub fn runner(&self) -> Arc<dyn PluginRunner> {
        Arc::new(self.clone())
    }

    /// Runs a change to its end, whether or not the caller waits for it.
    async fn finish<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if self.inner.closing.is_cancelled() {
            return Err(stopping());
        }
        let task = tokio::spawn(self.inner.tasks.track_future(change));
        task.await.unwrap_or_else(|_| Err(Error::internal("change-given-up", "a change of a plugin was given up half way")))
    }
}

impl PluginRunner for Engine {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let inner = &self.inner;
        if let Some(plugin) = inner.directory.load().plugins.get(&call.plugin) {
            return plugin.call(call);
        }
        if call.plugin == PluginName::base() {
            return inner.base.call(call).boxed();
        }
        if call.plugin == PluginName::tables() {
            return inner.tables.call(call).boxed();
        }
        if let Some(pool) = inner.hosted_pool(&call.plugin) {
            return pool.call(call).boxed();
        }
        inner.past[0].fetch_add(1, Ordering::Relaxed);
        inner.past[1].fetch_add(1, Ordering::Relaxed);
        let failure = Failure::noticed(FailureKind::Unavailable, format!("plugin `{}` is not installed", call.plugin))
            .hint("`pegboard plugins` lists what is installed, `pegboard install` adds one");
        refused(failure)
    }

    fn slots(&self, _plugin: &PluginName) -> usize {
        self.inner.options.workers_per_plugin.max(1)
    }

    fn owner(&self, target: &str) -> PluginName {
        self.inner.directory.load().owners.owner(target)
    }

    fn release(&self, plugin: &PluginName) -> Option<String> {
        Some(self.inner.directory.load().plugins.get(plugin)?.record().metadata.version.clone())
    }

    fn version(&self, target: &str) -> BoxFuture<'static, Option<String>> {
        let directory = self.inner.directory.load();
        let owner = directory.owners.owner(target);
        let code = match directory.plugins.get(&owner) {
            Some(plugin) => {
                let record = plugin.record();
                let environment = self.inner.environments.get(&record.environment);
                environment.map(|environment| Code::of_plugin(&record, &environment, target))
            }
            None => Code::of_user_module(&self.inner.options.data, target),
        };
        async move { code?.version().await }.boxed()
    }

    fn content(&self, value: &Value) -> BoxFuture<'static, Option<Bytes>> {
        let value = value.clone();
        async move { shm::content(&value).await }.boxed()
    }

    fn object(&self, content: Bytes) -> BoxFuture<'static, Option<Value>> {
        let blocks = Arc::clone(&self.inner.blocks);
        async move { tokio::task::spawn_blocking(move || blocks.make(&content).ok()).await.ok().flatten() }.boxed()
    }
}

impl Inner {
    fn plugin(&self, name: &PluginName) -> Result<Arc<Plugin>, Error> {
        self.directory.load().plugins.get(name).cloned().ok_or_else(|| {
            Error::not_found("plugin-not-found", format!("plugin `{name}` is not installed"))
                .hint("`pegboard plugins` lists what is installed, `pegboard install` adds one")
        })
    }

    /// Replaces the directory by a changed copy.
    fn edit(&self, change: impl FnOnce(&mut BTreeMap<PluginName, Arc<Plugin>>)) {
        let _editing = self.editing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plugins = self.directory.load().plugins.clone();
        change(&mut plugins);
        let records: Vec<_> = plugins.values().map(|plugin| plugin.record()).collect();
        self.directory.store(Arc::new(Directory { plugins, owners: Owners::of(&records) }));
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.iter().filter_map(Weak::upgrade).collect()
    }

    /// A pool for a plugin that is, or is about to be, in the directory.
    fn pool(self: &Arc<Self>, name: &PluginName, history: History) -> Arc<Pool> {
        let (inner, plugin) = (Arc::downgrade(self), name.clone());
        let news: NewsSink = Box::new(move |news| {
            let Some(inner) = inner.upgrade() else { return };
            match news {
                News::Worker(status) => inner.tell(EngineEvent::WorkerChanged(status)),
                News::Standing => {
                    let record = inner.directory.load().plugins.get(&plugin).and_then(|plugin| plugin.follow_pool());
                    inner.tell_record(record);
                }
            }
        });
        let pool = Pool::new(pool_options(&self.options, name.clone()), history, self.closing.child_token(), news);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pool));
        pool
    }

    fn turns(&self, name: &PluginName) -> Arc<Turns<Reloaded>> {
        Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default())
    }

    fn tell(&self, event: EngineEvent) {
        // Nobody listens: nobody minds.
        let _listeners = self.events.send(event);
    }

    fn tell_record(&self, record: Option<PluginRecord>) {
        if let Some(record) = record {
            self.tell(EngineEvent::PluginChanged(Arc::new(record)));
        }
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        let mut workers: Vec<_> = self.pools().iter().flat_map(|pool| pool.workers()).collect();
        workers.retain(|worker| worker.state != WorkerState::Dead);
        workers.sort_by(|one, other| (&one.plugin, one.started_at).cmp(&(&other.plugin, other.started_at)));
        workers
    }

    /// Takes no more calls and cancels the running ones.
    fn close(&self) {
        self.closing.cancel();
        for pool in self.pools() {
            pool.close(Failure::noticed(FailureKind::Unavailable, "the server is stopping").hint("call again when it is back"));
            pool.cancel_running();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn stopping() -> Error {
    Error::unavailable("stopping", "the server is stopping").hint("try again when it is back")
}

fn pool_options(options: &EngineOptions, plugin: PluginName) -> PoolOptions {
    PoolOptions { plugin, workers: options.workers_per_plugin, idle_timeout: options.idle_timeout }
}
