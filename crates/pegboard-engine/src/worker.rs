//! One local worker: start, call, watch, stop.
//!
//! Invariants: a worker is on at most one call; a call ends with exactly one `Finished` or `Failed`; no process of a worker's
//! group outlives its [`Worker`], however that ends. A worker that broke the protocol once is killed, never called again.
//!
//! [`Worker::start`] and [`Worker::run`] own the data channel; [`watch`] owns the control channel and runs beside both.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pegboard_model::{Call, CallEvent, Failure, FailureKind, PluginName, WorkerState, WorkerStatus};
use pegboard_protocol::hello::{FEATURE_EXECUTOR, FEATURE_INVOKE, FEATURE_SHARED_MEMORY, FEATURE_STACK_DUMP};
use pegboard_protocol::{ExecutorChoice, FromWorker, PROTOCOL, ToWorker};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::convert;
use crate::link::{self, LinkError, LinkReader, LinkWriter};
use crate::memory::ClusterMemory;
use crate::output::Capture;
use crate::shm::Blocks;
use crate::zygote::{Forked, Origin, Zygote};
use crate::{ExecutorOptions, WorkerLimits};

mod run;
mod verdict;
mod watch;

use watch::Watch;

/// What this side can do.
const FEATURES: [&str; 4] = [FEATURE_SHARED_MEMORY, FEATURE_STACK_DUMP, FEATURE_EXECUTOR, FEATURE_INVOKE];
/// How long a killed process may take to be gone; the kernel has to give back its memory first.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Told every change of a worker's state, from any thread; must not block.
pub type StatusSink = Arc<dyn Fn(WorkerStatus) + Send + Sync>;

/// What a worker is and how it is kept.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Whose code.
    pub plugin: PluginName,
    /// Modules of its entry points, imported before it is ready.
    pub modules: Vec<String>,
    /// Modules that calls of the generation before named, imported as well where they still exist.
    pub called: Vec<String>,
    /// Where its stages run; none: in the worker itself.
    pub executor: Option<ExecutorOptions>,
    /// Reload generation, for the status.
    pub generation: u64,
    /// Its working directory; made when it is not there.
    pub directory: PathBuf,
    /// Limits that it takes before any plugin code is imported.
    pub limits: WorkerLimits,
    /// From the fork to the end of the imports.
    pub load_deadline: Duration,
    /// A call without a deadline of its own; none: no limit.
    pub call_deadline: Option<Duration>,
    /// From the request to stop, or to cancel, to SIGKILL.
    pub stop_deadline: Duration,
    /// Ping interval.
    pub heartbeat: Duration,
    /// Values above this many bytes travel in shared memory.
    pub inline_limit: u64,
    /// Map shared values read-only instead of copy-on-write.
    pub read_only: bool,
    /// Most bytes of captured output per call.
    pub output_limit: u64,
}

/// What is left of a worker when a call has ended.
#[derive(Clone, Debug)]
pub enum AfterCall {
    /// It can take the next call.
    Reusable,
    /// It is dead or was killed; why. Kinds `Cancelled` and `Deadline` are our own doing.
    Dead(Failure),
}

/// A loaded worker. Dropping it kills its process group.
pub struct Worker {
    options: WorkerOptions,
    watch: Arc<Watch>,
    reader: LinkReader,
    writer: LinkWriter,
    capture: Arc<Capture>,
    tasks: Tasks,
    blocks: Arc<Blocks>,
    memory: Arc<ClusterMemory>,
    /// Number of the last call; the load is 0.
    number: u64,
    /// Context that it has seen last.
    context: Option<String>,
    /// A call is on, or was given up half way.
    on_call: bool,
    /// Why it must not be called again.
    dead: Option<Failure>,
    _origin: Origin,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Worker({}, process {})", self.options.plugin, self.watch.process.id())
    }
}

/// The tasks beside a worker; they end with it. The watch ends by itself when the process has.
#[derive(Debug)]
struct Tasks {
    capture: JoinHandle<()>,
    watch: Option<JoinHandle<()>>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.capture.abort();
    }
}

impl Worker {
    /// Forks, greets, loads.
    ///
    /// # Errors
    /// `Protocol` for another protocol version, `Load` with the Python traceback, `Deadline` with the stacks when an import
    /// hangs, `Died`, `Unavailable` when the zygote cannot be started, `Exhausted` when the machine has no descriptors left.
    pub async fn start(
        options: WorkerOptions,
        zygote: Arc<Zygote>,
        blocks: Arc<Blocks>,
        memory: Arc<ClusterMemory>,
        sink: StatusSink,
    ) -> Result<Self, Failure> {
        let until = Instant::now() + options.load_deadline;
        tokio::fs::create_dir_all(&options.directory).await.map_err(|error| exhausted(&options, &error))?;
        let forked = zygote.fork(&options.directory, convert::limits(&options.limits)).await?;
        let Forked { process, control, data, stdout, stderr, dump, origin } = forked;
        let (control_reader, control_writer) = link::split(control);
        let (reader, writer) = link::split(data);
        let (capture, follow) =
            Capture::start(options.plugin.clone(), stdout, stderr).map_err(|error| exhausted(&options, &error))?;
        let status = WorkerStatus {
            plugin: options.plugin.clone(),
            process_id: Some(process.id()),
            state: WorkerState::Starting,
            call: None,
            generation: options.generation,
            started_at: SystemTime::now().into(),
            calls: 0,
            memory_bytes: None,
        };
        let watch = Watch::new(process, status, sink, control_writer, dump).map_err(|error| exhausted(&options, &error))?;
        let mut worker = Self {
            watch: Arc::new(watch),
            reader,
            writer,
            capture,
            tasks: Tasks { capture: follow, watch: None },
            blocks,
            memory,
            number: 0,
            context: None,
            on_call: false,
            dead: None,
            _origin: origin,
            options,
        };
        match worker.load(control_reader, until).await {
            Ok(()) => Ok(worker),
            Err(failure) => {
                worker.end().await;
                Err(failure)
            }
        }
    }

    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> WorkerStatus {
        self.watch.status()
    }

    /// Where its threads stood when it was last found blocked, or what was found out instead.
    #[must_use]
    pub fn stacks(&self) -> Option<String> {
        self.watch.stacks()
    }

    /// Performs one call to its end. `events` receives everything, the last one being `Finished` or `Failed`; when its receiver
    /// is dropped the call is cancelled, as it is by `cancel`. A call that fails without `Started` has not begun. The future must be driven to its end: a worker whose call was
    /// dropped half way is dead.
    pub async fn run(&mut self, call: &Call, events: &mpsc::Sender<CallEvent>, cancel: &CancellationToken) -> AfterCall {
        run::perform(self, call, events, cancel).await
    }

    /// Asks it to leave, then SIGTERM after half the stop deadline, SIGKILL at its end.
    pub async fn stop(self) {
        self.watch.change(|status| status.state = WorkerState::Draining);
        self.watch.tell(&ToWorker::Stop).await;
        let half = self.options.stop_deadline / 2;
        let mut exit = self.watch.exited_within(half).await;
        if exit.is_none() {
            self.watch.process.signal_group(Signal::TERM);
            exit = self.watch.exited_within(half).await;
        }
        if exit.is_none() {
            tracing::warn!(plugin.name = %self.options.plugin, process.id = self.watch.process.id(), "a worker did not leave and is killed");
        }
        self.end().await;
    }

    /// SIGKILL to the group, at once.
    pub async fn kill(self) {
        self.end().await;
    }

    /// Kills what is left of the group and waits until it is known to be gone.
    async fn end(mut self) {
        self.watch.process.kill();
        match &mut self.tasks.watch {
            Some(task) => drop(tokio::time::timeout(KILL_PATIENCE, task).await),
            None => {
                let _ = self.watch.exited_within(KILL_PATIENCE).await;
            }
        }
    }

    async fn load(&mut self, mut control: LinkReader, until: Instant) -> Result<(), Failure> {
        let hello = tokio::select! {
            hello = control.next() => hello,
            () = tokio::time::sleep_until(until) => return Err(self.hung().await),
        };
        let frame = match hello {
            Ok(frame) => frame,
            Err(error) => return Err(self.lost(error, "before it said hello").await),
        };
        let (process_id, python) = match serde_json::from_slice(&frame.header) {
            Ok(FromWorker::Hello { protocol, features, process_id, python, stack_signal }) => {
                pegboard_protocol::hello::check(protocol).map_err(|error| {
                    Failure::noticed(FailureKind::Protocol, format!("worker of plugin `{}`: {error}", self.options.plugin))
                        .hint(convert::VERSION_HINT)
                })?;
                let features: Vec<String> = features.into_iter().filter(|theirs| FEATURES.contains(&theirs.as_str())).collect();
                if features.iter().any(|feature| feature == FEATURE_STACK_DUMP) {
                    self.watch.dumps_on(stack_signal);
                }
                let hello = ToWorker::Hello {
                    protocol: PROTOCOL,
                    features,
                    inline_limit: self.options.inline_limit,
                    read_only: self.options.read_only,
                };
                self.watch.tell(&hello).await;
                (process_id, python)
            }
            Ok(other) => return Err(verdict::protocol(&self.options.plugin, &format!("it began with {other:?}"))),
            Err(error) => {
                return Err(verdict::protocol(&self.options.plugin, &format!("its first message is unreadable: {error}")));
            }
        };
        tracing::debug!(plugin.name = %self.options.plugin, process.id = process_id, python, "a worker said hello");
        self.tasks.watch = Some(tokio::spawn(Arc::clone(&self.watch).follow(control, self.options.heartbeat)));
        let executor = self.options.executor.as_ref();
        let load = ToWorker::Load {
            plugin: self.options.plugin.to_string(),
            modules: self.options.modules.clone(),
            called: self.options.called.clone(),
            executor: executor.map(|chosen| ExecutorChoice { target: chosen.target.clone(), options: chosen.options.clone() }),
        };
        self.writer.queue(&convert::frame(&load, Vec::new()), &[]);
        loop {
            let frame = tokio::select! {
                frame = self.reader.next() => frame,
                sent = self.writer.flush(), if self.writer.has_queued() => match sent {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                () = tokio::time::sleep_until(until) => return Err(self.hung().await),
            };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Err(self.lost(error, verdict::WHILE_LOADED).await),
            };
            match serde_json::from_slice(&frame.header) {
                Ok(FromWorker::Loaded { seconds }) => {
                    tracing::debug!(plugin.name = %self.options.plugin, seconds, "a worker is loaded");
                    self.watch.change(|status| status.state = WorkerState::Idle);
                    return Ok(());
                }
                Ok(FromWorker::Failed { failure, .. }) => {
                    return Err(verdict::not_loaded(convert::failure(failure), &self.options.modules));
                }
                // What a plugin logs and reports while it is imported belongs to no call.
                Ok(FromWorker::Log { records }) => {
                    for record in records {
                        tracing::debug!(plugin.name = %self.options.plugin, record.level, record.text, "a plugin logged while it was loaded");
                    }
                }
                Ok(FromWorker::Progress { .. }) => {}
                Ok(FromWorker::Request { request, .. }) => {
                    let answer = convert::refusal(
                        request,
                        "cluster memory belongs to a run and cannot be used during an import".to_owned(),
                    );
                    self.writer.queue(&answer.frame, &answer.descriptors);
                }
                Ok(other) => {
                    return Err(verdict::protocol(&self.options.plugin, &format!("it answered its load with {other:?}")));
                }
                Err(error) => return Err(verdict::protocol(&self.options.plugin, &format!("unreadable message: {error}"))),
            }
        }
    }

    /// The import takes too long.
    async fn hung(&self) -> Failure {
        let stacks = self.watch.dump().await;
        let failure = Failure::noticed(
            FailureKind::Deadline,
            format!("plugin `{}` was not loaded within {:?}", self.options.plugin, self.options.load_deadline),
        )
        .hint("an import that waits or computes is the usual reason: move such work into the stages, or raise `engine.load_deadline`");
        match stacks {
            Some(stacks) => failure.traceback(stacks),
            None => failure,
        }
    }

    /// The channel is of no use any more: finds out whether the process has died, and kills it when it has not.
    async fn lost(&self, error: LinkError, when: &str) -> Failure {
        verdict::lost(&self.options, &self.watch, &self.capture, &error, when).await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.watch.process.kill();
        if self.tasks.watch.is_none() {
            // Nobody follows it to its end.
            self.watch.gone();
        }
    }
}

fn exhausted(options: &WorkerOptions, error: &io::Error) -> Failure {
    Failure::noticed(FailureKind::Exhausted, format!("cannot start a worker of plugin `{}`: {error}", options.plugin))
        .hint("look at the disk of the data directory and at the limit of open files")
}
