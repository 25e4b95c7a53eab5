//! The parked interpreter of one environment, from which workers are forked.
//!
//! Invariants: it never imports plugin code; it is the parent of every worker, so it tells how each one ended; when it dies its
//! workers die with it (the kernel sees to that), and the next fork starts a new one. A worker that is forked and not wanted any
//! more is killed.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pegboard_model::{Failure, FailureKind};
use pegboard_protocol::{FromZygote, Limits, ToZygote};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::convert;
use crate::link::{self, LinkReader, LinkWriter};
use crate::process::{Exit, ProcessHandle};
use crate::spawn::{Program, StartedProcess, Target, Variable, start_with_stdin};

/// Lines of a zygote's standard error that are kept for the message when it fails.
const KEPT_LINES: usize = 60;
/// Pause between two looks for the last words of a zygote that failed.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How an environment's zygote is started.
#[derive(Clone, Debug)]
pub struct ZygoteOptions {
    /// The environment's interpreter, `<environment>/bin/python`.
    pub python: PathBuf,
    /// Folder that holds the unpacked `pegboard` package of the worker host.
    pub host: PathBuf,
    /// Modules to import before parking, when the environment has them.
    pub preload: Vec<String>,
    /// Folder of modules that workers can import as `user_modules`.
    pub user_modules: Option<PathBuf>,
    /// Environment variables besides our own.
    pub variables: Vec<(String, String)>,
    /// Start fresh interpreters instead of forking copies.
    pub fresh: bool,
    /// From the start to the message that it is parked; also for one fork.
    pub start_deadline: Duration,
}

/// A zygote; restarted when it is needed and dead. Dropped, it goes on until its last worker has ended.
#[derive(Debug)]
pub struct Zygote {
    options: ZygoteOptions,
    current: tokio::sync::Mutex<Option<Arc<Parked>>>,
}

/// A new worker and our ends of its channels.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) process: ProcessHandle,
    pub(crate) control: UnixStream,
    pub(crate) data: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) dump: OwnedFd,
    /// The zygote that it came from, which must outlive it.
    pub(crate) origin: Origin,
}

/// Keeps a zygote running; the kernel ends workers together with theirs.
#[derive(Debug)]
pub(crate) struct Origin {
    _parked: Arc<Parked>,
}

impl Zygote {
    /// Starts the interpreter and waits until it is parked.
    ///
    /// # Errors
    /// `Unavailable` with what it printed when it does not park; `Protocol` when it speaks another version.
    pub async fn start(options: ZygoteOptions) -> Result<Arc<Self>, Failure> {
        let parked = Parked::start(&options).await?;
        Ok(Arc::new(Self { options, current: tokio::sync::Mutex::new(Some(parked)) }))
    }

    /// Starts a worker process in `directory`, a copy of the zygote or a fresh interpreter.
    pub(crate) async fn fork(&self, directory: &Path, limits: Limits) -> Result<Forked, Failure> {
        let parked = self.parked().await?;
        match tokio::time::timeout(self.options.start_deadline, parked.fork(directory, limits)).await {
            Ok(forked) => forked,
            Err(_) => {
                // One that does not answer in all this time is stuck; the next fork starts another.
                parked.table().dead = true;
                Err(unavailable(&self.options, "the parked interpreter did not start a worker in time", &parked.last_words()))
            }
        }
    }

    /// Forks no more; the interpreter ends with the last worker that came from it.
    pub async fn stop(&self) {
        drop(self.current.lock().await.take());
    }

    async fn parked(&self) -> Result<Arc<Parked>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(parked) = current.as_ref().filter(|parked| !parked.table().dead) {
            return Ok(Arc::clone(parked));
        }
        if current.take().is_some() {
            tracing::warn!(python = %self.options.python.display(), "the parked interpreter has died, starting another one");
        }
        let parked = Parked::start(&self.options).await?;
        *current = Some(Arc::clone(&parked));
        Ok(parked)
    }
}

/// A running zygote.
#[derive(Debug)]
struct Parked {
    options: ZygoteOptions,
    fresh: bool,
    _process: StartedProcess,
    writer: tokio::sync::Mutex<LinkWriter>,
    table: Arc<Mutex<Table>>,
    said: Arc<Mutex<VecDeque<String>>>,
    tasks: [JoinHandle<()>; 2],
}

/// What is asked of a zygote and what runs under it.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<ProcessHandle, String>>>,
    running: HashMap<u32, watch::Sender<Option<Exit>>>,
    dead: bool,
}

impl Parked {
    async fn start(options: &ZygoteOptions) -> Result<Arc<Self>, Failure> {
        let unable =
            |error: io::Error| unavailable(options, &format!("cannot start `{}`: {error}", options.python.display()), "");
        let (ours, theirs) = link::pair().map_err(unable)?;
        let (errors, their_errors) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| unable(error.into()))?;
        let program = Program::new(&options.python)
            .arguments([Path::new("-I"), &options.host.join("pegboard/__main__.py"), Path::new("zygote")])
            .arguments(if options.preload.is_empty() {
                Vec::new()
            } else {
                vec!["--preload".to_owned(), options.preload.join(",")]
            })
            .arguments(options.user_modules.iter().flat_map(|folder| [Path::new("--user-modules"), folder]))
            .variables(single_threaded())
            .variables(options.variables.iter().map(|(name, value)| Variable::set(name, value)));
        let process = start_with_stdin(program, theirs, Target::Null, Target::Descriptor(their_errors)).await.map_err(unable)?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let listen = tokio::spawn(keep_lines(errors, Arc::clone(&said)));
        let (mut reader, writer) = link::split(ours);
        let parked = tokio::time::timeout(options.start_deadline, reader.next()).await;
        let message = match parked {
            Ok(Ok(frame)) => serde_json::from_slice::<FromZygote>(&frame.header).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it was not ready after {:?}", options.start_deadline)),
        };
        let (protocol, python_threads) = match message {
            Ok(FromZygote::Parked { protocol, python, python_threads, imported, failed, seconds }) => {
                tracing::debug!(python, seconds, python_threads, ?imported, ?failed, "an interpreter is parked");
                (protocol, python_threads)
            }
            other => {
                let reason = other.map_or_else(|reason| reason, |message| format!("it began with {message:?}"));
                tokio::time::sleep(LAST_WORDS).await;
                listen.abort();
                return Err(unavailable(options, &format!("the parked interpreter did not start: {reason}"), &joined(&said)));
            }
        };
        if let Err(error) = pegboard_protocol::hello::check(protocol) {
            listen.abort();
            return Err(Failure::noticed(FailureKind::Protocol, error.to_string()).hint(convert::VERSION_HINT));
        }
        let table = Arc::new(Mutex::new(Table::default()));
        let serve = tokio::spawn(serve(reader, Arc::clone(&table)));
        Ok(Arc::new(Self {
            fresh: options.fresh || python_threads > 0,
            options: options.clone(),
            _process: process,
            writer: tokio::sync::Mutex::new(writer),
            table,
            said,
            tasks: [listen, serve],
        }))
    }

    async fn fork(self: &Arc<Self>, directory: &Path, limits: Limits) -> Result<Forked, Failure> {
        let exhausted = |error: io::Error| {
            Failure::noticed(FailureKind::Exhausted, format!("cannot make the channels of a worker: {error}"))
                .hint("raise the hard limit of open files (`ulimit -Hn`) or keep fewer workers")
        };
        let (ours, theirs) = Channels::open().map_err(exhausted)?;
        let (reply, answer) = oneshot::channel();
        let request = {
            let mut table = self.table();
            let request = table.next;
            table.next += 1;
            if !table.dead {
                table.waiting.insert(request, reply);
            }
            request
        };
        let message = ToZygote::Fork {
            request,
            fresh: self.fresh,
            directory: directory.to_string_lossy().into_owned(),
            limits,
            descriptors: theirs.len(),
        };
        {
            let mut writer = self.writer.lock().await;
            writer.queue(&convert::frame(&message, Vec::new()), &theirs);
            // A failure shows as an answer that never comes.
            let _ = writer.flush().await;
        }
        drop(theirs);
        match answer.await {
            Ok(Ok(process)) => Ok(Forked {
                process,
                control: ours.control,
                data: ours.data,
                stdout: ours.stdout,
                stderr: ours.stderr,
                dump: ours.dump,
                origin: Origin { _parked: Arc::clone(self) },
            }),
            Ok(Err(reason)) => Err(Failure::noticed(FailureKind::Exhausted, format!("cannot start a worker: {reason}"))
                .hint("look at the limits of processes and memory of the user that runs the server")),
            Err(_) => {
                self.table().dead = true;
                tokio::time::sleep(LAST_WORDS).await;
                Err(unavailable(&self.options, "the parked interpreter died", &self.last_words()))
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_words(&self) -> String {
        joined(&self.said)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Our ends of a worker's channels.
struct Channels {
    control: UnixStream,
    data: UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
    dump: OwnedFd,
}

impl Channels {
    /// Ours, and theirs in the order of the message.
    fn open() -> io::Result<(Self, Vec<Arc<OwnedFd>>)> {
        let (control, their_control) = link::pair()?;
        let (data, their_data) = link::pair()?;
        let (stdout, their_stdout) = half_blocking_pipe()?;
        let (stderr, their_stderr) = half_blocking_pipe()?;
        let (dump, their_dump) = half_blocking_pipe()?;
        // Stacks are written within a signal handler, which must not wait for us.
        rustix::fs::fcntl_setfl(&their_dump, OFlags::WRONLY | OFlags::NONBLOCK)?;
        let theirs = [their_control, their_data, their_stdout, their_stderr, their_dump];
        Ok((Self { control, data, stdout, stderr, dump }, theirs.map(Arc::new).into()))
    }
}

/// A pipe whose reading end does not block and whose writing end does.
fn half_blocking_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&read, OFlags::RDONLY | OFlags::NONBLOCK)?;
    Ok((read, write))
}

/// Takes what the zygote says until it says nothing more; then nobody waits in vain.
async fn serve(mut reader: LinkReader, table: Arc<Mutex<Table>>) {
    let lock = || table.lock().unwrap_or_else(PoisonError::into_inner);
    let reason = loop {
        let frame = match reader.next().await {
            Ok(frame) => frame,
            Err(error) => break error.to_string(),
        };
        match serde_json::from_slice(&frame.header) {
            Ok(FromZygote::Forked { request, process_id, descriptors }) => {
                let descriptor = match reader.descriptors(descriptors) {
                    Ok(mut all) => all.pop(),
                    Err(error) => break error.to_string(),
                };
                let Some(descriptor) = descriptor else { break "no process descriptor came".to_owned() };
                let (told, status) = watch::channel(None);
                let handle = ProcessHandle::new(process_id, descriptor, status).map_err(|error| error.to_string());
                let mut table = lock();
                table.running.insert(process_id, told);
                if let Some(reply) = table.waiting.remove(&request) {
                    // Nobody waits any more: the handle comes back, and its drop kills the worker.
                    let _ = reply.send(handle);
                }
            }
            Ok(FromZygote::ForkFailed { request, message }) => {
                if let Some(reply) = lock().waiting.remove(&request) {
                    let _ = reply.send(Err(message));
                }
            }
            Ok(FromZygote::Exited { process_id, code, signal }) => {
                let exit = match (code, signal) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                };
                if let Some(told) = lock().running.remove(&process_id) {
                    let _ = told.send(Some(exit));
                }
            }
            Ok(FromZygote::Parked { .. }) => {}
            Err(error) => break error.to_string(),
        }
    };
    tracing::debug!(reason, "the channel of a parked interpreter has ended");
    let mut table = lock();
    table.dead = true;
    table.waiting.clear();
    table.running.clear();
}

/// Keeps the last lines of standard error.
async fn keep_lines(errors: OwnedFd, said: Arc<Mutex<VecDeque<String>>>) {
    let receiver = match pipe::Receiver::from_owned_fd(errors) {
        Ok(receiver) => receiver,
        Err(error) => {
            tracing::warn!(%error, "the standard error of a parked interpreter cannot be read");
            return;
        }
    };
    let mut reader = BufReader::new(receiver);
    let mut line = Vec::new();
    // A line without an end does not fill the memory: it is taken in pieces.
    while let Ok(taken) = tokio::io::AsyncReadExt::take(&mut reader, 16 << 10).read_until(b'\n', &mut line).await {
        if taken == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        tracing::debug!(text, "a parked interpreter said");
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT_LINES {
            said.pop_front();
        }
        said.push_back(text);
    }
}

fn joined(said: &Mutex<VecDeque<String>>) -> String {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.make_contiguous().join("\n")
}

/// Libraries that start a thread per core when they are imported would make forking unsafe; workers share the cores anyway.
/// What the user has set stays.
fn single_threaded() -> Vec<Variable> {
    ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
        .into_iter()
        .filter(|name| std::env::var_os(name).is_none())
        .map(|name| Variable::set(name, "1"))
        .collect()
}

fn unavailable(options: &ZygoteOptions, message: &str, said: &str) -> Failure {
    let failure = Failure::noticed(FailureKind::Unavailable, message)
        .hint(format!("check that `{}` runs; `pegboard doctor` says what this machine lacks", options.python.display()));
    if said.is_empty() { failure } else { failure.traceback(said) }
}
