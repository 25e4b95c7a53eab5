//! Plugins that somebody else keeps: one worker each, prepared by calls of its own, spoken to in JSON.
//!
//! Invariant: a worker serves only when its preparation has been accepted; until then, and when it is not, the former one goes on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pegboard_model::{
    Call, CallEvent, CallId, Error, Failure, FailureKind, Operation, PluginName, PluginState, RunContext, Value,
};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use super::source::{PluginSource, failure};
use super::{Engine, Inner};
use crate::environment::Progress;
use crate::pool::{News, NewsSink, Pool, PoolOptions, PooledWorker, WorkerSource};
use crate::supervisor::{History, Standing, refusal};
use crate::worker::{AfterCall, StatusSink};

/// One call of a preparation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Dotted path of the function.
    pub target: String,
    /// One JSON value.
    pub payload: Bytes,
    /// Longest time.
    pub deadline: Duration,
}

/// What a new worker is asked before it serves. Called anew for every worker: the first one and each that follows a crash.
pub trait Preparation: Send + Sync + 'static {
    /// The first call, whose answer decides.
    fn first(&self) -> Invocation;

    /// Looks at the answer of the first call.
    ///
    /// # Errors
    /// Why this worker must not serve.
    fn accept(&self, answer: Bytes) -> Result<(), Failure>;

    /// What to say again to a worker that takes the place of one that was lost; failures of these do not count.
    fn again(&self) -> Vec<Invocation>;
}

/// A plugin that the engine runs but does not list.
#[derive(Clone)]
pub struct HostedPlugin {
    /// Its name among the workers; see [`PluginName::panel`].
    pub name: PluginName,
    /// Where it runs; equal ones share a parked interpreter.
    pub environment: PanelEnvironment,
    /// What makes a worker ready.
    pub preparation: Arc<dyn Preparation>,
}

/// What an environment of hosted plugins is made from.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct PanelEnvironment {
    /// Lines of a requirements file.
    pub requirements: String,
    /// The `workbench` that the lines ask for is there, in place of ours.
    pub original_workbench: bool,
}

/// An environment that is made at the first need.
pub(super) struct SharedEnvironment {
    made_from: PanelEnvironment,
    preload: Vec<String>,
    /// Holds the lease of the parked interpreter.
    keeper: OnceCell<Arc<PluginSource>>,
}

impl Engine {
    /// Starts a worker of it beside the one that serves, prepares it, and lets it take over. On failure nothing changes.
    ///
    /// # Errors
    /// How the environment, the start or the preparation failed.
    pub async fn host(&self, plugin: HostedPlugin, preload: &[String]) -> Result<(), Failure> {
        let (inner, preload) = (Arc::clone(&self.inner), preload.to_vec());
        let change = async move { Ok(inner.host(plugin, preload).await) };
        self.finish(change).await.unwrap_or_else(|error| Err(failure(error)))
    }

    /// Lets it go: running calls have the stop deadline to end.
    pub async fn unhost(&self, name: &PluginName) {
        let pool = self.inner.hosted.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let Some(pool) = pool else { return };
        pool.close(Failure::noticed(FailureKind::Unavailable, format!("`{name}` was removed")));
        if tokio::time::timeout(self.inner.options.stop_deadline, pool.drained()).await.is_err() {
            pool.cancel_running();
            pool.drained().await;
        }
        self.inner.forget(&pool);
    }

    /// Sends its worker away when its calls are done; the next call starts and prepares another one.
    pub fn rest(&self, name: &PluginName) {
        if let Some(pool) = self.inner.hosted_pool(name) {
            pool.rest();
        }
    }

    /// How it stands; none when it is not hosted.
    #[must_use]
    pub fn hosted_state(&self, name: &PluginName) -> Option<(PluginState, Option<Failure>)> {
        let pool = self.inner.hosted_pool(name)?;
        let standing = pool.standing();
        Some(match &standing {
            Standing::Serving => (PluginState::Ready, None),
            Standing::Broken(_) => (PluginState::Broken, Some(refusal(name.as_str(), &standing))),
            Standing::Parked(..) => (PluginState::Parked, Some(refusal(name.as_str(), &standing))),
        })
    }
}

impl Inner {
    pub(super) fn hosted_pool(&self, name: &PluginName) -> Option<Arc<Pool>> {
        self.hosted.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    async fn host(self: Arc<Self>, plugin: HostedPlugin, preload: Vec<String>) -> Result<(), Failure> {
        let shared = self.shared_environment(&plugin.environment, &preload);
        let keeper = self.keeper(&shared).await.map_err(failure)?;
        let source = Arc::new(PreparedSource {
            plugin: keeper.of_another(&plugin.name),
            name: plugin.name.clone(),
            preparation: plugin.preparation,
        });
        let known = self.hosted_pool(&plugin.name);
        let pool = known.unwrap_or_else(|| self.make_hosted(&plugin.name));
        match pool.swap(Arc::clone(&source) as Arc<dyn WorkerSource>).await {
            Ok(_) => Ok(()),
            Err(failed) => {
                // Without a former generation there would be nothing to call.
                if !pool.has_code() {
                    pool.offer_broken(source, failed.clone());
                }
                Err(failed)
            }
        }
    }

    fn make_hosted(self: &Arc<Self>, name: &PluginName) -> Arc<Pool> {
        let inner = Arc::downgrade(self);
        let news: NewsSink = Box::new(move |news| {
            if let (Some(inner), News::Worker(status)) = (inner.upgrade(), news) {
                inner.tell(super::EngineEvent::WorkerChanged(status));
            }
        });
        // State lives in the worker, so there is one.
        let options = PoolOptions { plugin: name.clone(), workers: 1, idle_timeout: self.options.idle_timeout };
        let pool = Pool::new(options, History::default(), self.closing.child_token(), news);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pool));
        let mut hosted = self.hosted.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosted.entry(name.clone()).or_insert(pool))
    }

    fn shared_environment(&self, environment: &PanelEnvironment, preload: &[String]) -> Arc<SharedEnvironment> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let (made_from, preload) = (environment.clone(), preload.to_vec());
            Arc::new(SharedEnvironment { made_from, preload, keeper: OnceCell::new() })
        };
        Arc::clone(shared.entry(environment.clone()).or_insert_with(made))
    }

    async fn keeper(&self, shared: &SharedEnvironment) -> Result<Arc<PluginSource>, Error> {
        let make = async || {
            let progress: Progress =
                Arc::new(|step, detail| tracing::info!(step, detail, "making the environment of the dashboard's panels"));
            let lines = &shared.made_from.requirements;
            let environment = if shared.made_from.original_workbench {
                self.environments.with_original_workbench(lines, &progress).await?
            } else {
                self.environments.script(lines, false, &progress).await?
            };
            Ok(self.sources.prepared(&PluginName::panels(), environment, shared.preload.clone()))
        };
        shared.keeper.get_or_try_init(make).await.cloned()
    }
}

/// Starts workers and prepares them.
struct PreparedSource {
    name: PluginName,
    plugin: PluginSource,
    preparation: Arc<dyn Preparation>,
}

#[async_trait]
impl WorkerSource for PreparedSource {
    async fn start(&self, generation: u64, sink: StatusSink) -> Result<Box<dyn PooledWorker>, Failure> {
        let mut worker = self.plugin.start(generation, sink).await?;
        let (answer, after) = self.ask(worker.as_mut(), self.preparation.first()).await;
        let accepted = answer.and_then(|answer| self.preparation.accept(answer));
        if let Err(failure) = accepted {
            if matches!(after, AfterCall::Reusable) {
                worker.stop().await;
            }
            return Err(failure);
        }
        for again in self.preparation.again() {
            if let (Err(failure), AfterCall::Dead(_)) = self.ask(worker.as_mut(), again).await {
                return Err(failure);
            }
        }
        Ok(worker)
    }
}

impl PreparedSource {
    async fn ask(&self, worker: &mut dyn PooledWorker, asked: Invocation) -> (Result<Bytes, Failure>, AfterCall) {
        let (sender, mut events) = mpsc::channel(64);
        let call = Call {
            id: CallId::next(),
            plugin: self.name.clone(),
            operation: Operation::Invoke { name: asked.target, payload: asked.payload },
            context: Arc::new(RunContext { id: String::new(), json: Bytes::from_static(b"{}") }),
            stage: "prepare".to_owned(),
            deadline: Some(asked.deadline),
        };
        let cancel = CancellationToken::new();
        let running = worker.run(&call, &sender, &cancel);
        let hearing = async {
            while let Some(event) = events.recv().await {
                match event {
                    CallEvent::Finished { mut values, .. } => {
                        return match values.pop() {
                            Some(Value::Inline(answer)) => Ok(answer),
                            _ => Err(Failure::noticed(FailureKind::Protocol, "the preparation was answered with no JSON")),
                        };
                    }
                    CallEvent::Failed(failure) => return Err(failure),
                    CallEvent::Log(lines) => {
                        for line in lines {
                            tracing::debug!(plugin.name = %self.name, text = line.text, "said while it was prepared");
                        }
                    }
                    _ => {}
                }
            }
            Err(Failure::noticed(FailureKind::Protocol, "the preparation ended without an answer"))
        };
        let (after, answer) = tokio::join!(running, hearing);
        (answer, after)
    }
}

/// Calls since it was first hosted.
impl Engine {
    /// Calls, failed calls, restarts of a hosted plugin.
    #[must_use]
    pub fn hosted_counts(&self, name: &PluginName) -> Option<[u64; 3]> {
        let pool = self.inner.hosted_pool(name)?;
        let counters = pool.counters();
        Some([&counters.calls, &counters.failed, &counters.restarts].map(|count| count.load(Ordering::Relaxed)))
    }
}
