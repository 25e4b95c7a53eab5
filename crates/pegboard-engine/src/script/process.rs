//! One script and its process: prepared, started, read, waited for, started again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pegboard_model::{Error, ErrorKind, LogLevel, LogLine, LogStream, Script, ScriptState, ScriptStatus, Timestamp};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use serde_json::json;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Folder, Log, ScriptOptions, ScriptVariables, clean, script_path};
use crate::environment::{Environment, Environments, Progress};
use crate::output::LineBuffer;
use crate::spawn::{Program, StartedProcess, Target, Variable, start_with_stdin};

/// Pause before the first restart.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_LAST: Duration = Duration::from_secs(60);
/// One that ran for so long begins anew with its pauses.
const HEALTHY: Duration = Duration::from_secs(60);
/// How long output is awaited after the process has ended.
const DRAIN: Duration = Duration::from_millis(500);
/// Of our surroundings: they would lead the interpreter elsewhere.
const MISLEADING: [&str; 5] = ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PYTHONSAFEPATH"];

/// A script that is kept running. Dropping it kills the process.
pub(super) struct Supervised {
    state: Arc<State>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    key: String,
    log: Log,
    status: Mutex<ScriptStatus>,
    environment: Mutex<Option<String>>,
}

impl Supervised {
    pub(super) fn start(
        key: &str,
        folder: Folder,
        script: Script,
        anew: bool,
        variables: ScriptVariables,
        environments: Environments,
        options: ScriptOptions,
    ) -> Arc<Self> {
        let status = ScriptStatus {
            state: ScriptState::Preparing,
            since: now(),
            process_id: None,
            restarts: 0,
            next_start: None,
            failure: None,
        };
        let state = Arc::new(State {
            key: key.to_owned(),
            log: Log::default(),
            status: Mutex::new(status),
            environment: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let life = Life { state: Arc::clone(&state), stop: stop.clone(), folder, script, anew, variables, environments, options };
        let task = tokio::spawn(life.live());
        Arc::new(Self { state, stop, task: Mutex::new(Some(task)) })
    }

    pub(super) fn status(&self) -> ScriptStatus {
        self.state.status().clone()
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.state.log.lines()
    }

    pub(super) fn environment(&self) -> Option<String> {
        lock(&self.state.environment).clone()
    }

    /// Asks the process to end, kills it at the deadline, and returns when it is gone.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // What the task holds goes with it: the process is killed.
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

impl State {
    fn status(&self) -> MutexGuard<'_, ScriptStatus> {
        lock(&self.status)
    }

    fn enter(&self, state: ScriptState, change: impl FnOnce(&mut ScriptStatus)) {
        let mut status = self.status();
        (status.state, status.since) = (state, now());
        (status.process_id, status.next_start) = (None, None);
        change(&mut status);
    }

    fn say(&self, level: LogLevel, text: String) {
        self.log.add(LogStream::Pegboard, level, text);
    }
}

struct Life {
    state: Arc<State>,
    stop: CancellationToken,
    folder: Folder,
    script: Script,
    /// Its requirements are to be resolved, even if they were before.
    anew: bool,
    variables: ScriptVariables,
    environments: Environments,
    options: ScriptOptions,
}

impl Life {
    async fn live(self) {
        let mut streak = 0;
        // Once: a script that ends and is started again has what it had.
        let mut anew = self.anew;
        loop {
            let begun = Instant::now();
            let ended = tokio::select! {
                prepared = self.prepare(std::mem::take(&mut anew)) => match prepared {
                    Ok(environment) => self.run(&environment).await,
                    Err(error) => Some(error),
                },
                () = self.stop.cancelled() => None,
            };
            let Some(failure) = ended else { return };
            if begun.elapsed() >= HEALTHY {
                streak = 0;
            }
            let pause = PAUSE_FIRST.saturating_mul(1_u32.checked_shl(streak).unwrap_or(u32::MAX)).min(PAUSE_LAST);
            streak = streak.saturating_add(1);
            tracing::warn!(script.key = self.state.key, "{failure}; starting it again in {} s", pause.as_secs());
            self.state.say(LogLevel::Warning, format!("{}; starting it again in {} s", failure.message, pause.as_secs()));
            let next: Timestamp = (SystemTime::now() + pause).into();
            self.state.enter(ScriptState::Waiting, |status| {
                (status.next_start, status.failure) = (Some(next), Some(failure));
                status.restarts += 1;
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn prepare(&self, anew: bool) -> Result<Environment, Error> {
        self.state.enter(ScriptState::Preparing, |_| {});
        let state = Arc::clone(&self.state);
        let progress: Progress = Arc::new(move |step, detail| state.say(LogLevel::Info, format!("{step}: {detail}")));
        let environment = self.environments.script(&self.script.requirements, anew, &progress).await?;
        *lock(&self.state.environment) = Some(environment.key.clone());
        Ok(environment)
    }

    /// Starts the process and returns when it has ended: how, or none when it was to end.
    async fn run(&self, environment: &Environment) -> Option<Error> {
        let (process, output) = match self.spawn(environment).await {
            Ok(started) => started,
            Err(error) => {
                let message = format!("cannot start `{}`: {error}", self.script.file_name);
                return Some(Error::new(ErrorKind::Unavailable, "script-not-started", message));
            }
        };
        let process_id = process.pid();
        self.state.say(LogLevel::Info, format!("started {} as process {process_id}", self.script.file_name));
        self.state.enter(ScriptState::Running, |status| status.process_id = Some(process_id));
        let status = tokio::select! {
            status = process.wait() => status,
            () = self.stop.cancelled() => {
                self.state.enter(ScriptState::Stopping, |status| status.process_id = Some(process_id));
                process.signal_group(Signal::TERM);
                if tokio::time::timeout(self.options.stop_deadline, process.wait()).await.is_err() {
                    process.signal_group(Signal::KILL);
                    // Not for ever: a process that waits for a disk dies when it is done with that.
                    let _ = tokio::time::timeout(DRAIN, process.wait()).await;
                }
                return None;
            }
        };
        let _ = tokio::time::timeout(DRAIN, output).await;
        let message = match status {
            Ok(status) => format!("`{}` ended {}", self.script.file_name, told(status)),
            Err(error) => format!("`{}` was lost: {error}", self.script.file_name),
        };
        let mut error = Error::new(ErrorKind::PluginFailed, "script-ended", message)
            .hint("`pegboard hub output PLUGIN` shows what it printed");
        error.detail = self.state.log.tail();
        Some(error)
    }

    async fn spawn(&self, environment: &Environment) -> io::Result<(StartedProcess, JoinHandle<()>)> {
        let limits = &self.options.limits;
        let limits = json!({
            "memory_bytes": limits.memory_bytes,
            "open_files": limits.open_files,
            "processes": limits.processes,
            "file_bytes": limits.file_bytes,
        });
        let program = Program::new(&environment.python)
            .arguments(["-u", "-m", "pegboard._script"])
            .arguments([limits.to_string()])
            .arguments([script_path(&self.folder.path, &self.script)])
            .variables(MISLEADING.map(Variable::remove))
            .variables([Variable::set("PYTHONIOENCODING", "utf-8")])
            .variables(clean((self.variables)()).into_iter().map(|(name, value)| Variable::set(name, value)))
            .directory(self.folder.work());
        let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        let (their_stdout, their_stderr) = (Target::Descriptor(their_stdout), Target::Descriptor(their_stderr));
        let process = start_with_stdin(program, nothing, their_stdout, their_stderr).await?;
        let state = Arc::clone(&self.state);
        let output = tokio::spawn(async move {
            tokio::join!(follow(&state, stdout, LogStream::Stdout), follow(&state, stderr, LogStream::Stderr));
        });
        Ok((process, output))
    }
}

/// Ends of a pipe: ours does not block.
fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&read, OFlags::RDONLY | OFlags::NONBLOCK)?;
    Ok((Receiver::from_owned_fd(read)?, write))
}

/// Keeps the lines of one stream until it ends.
async fn follow(state: &State, pipe: Receiver, stream: LogStream) {
    let (mut buffer, mut lines, mut piece) = (LineBuffer::default(), Vec::new(), vec![0; 16 << 10]);
    while pipe.readable().await.is_ok() {
        match pipe.try_io(|| Ok(rustix::io::read(pipe.as_fd(), &mut *piece)?)) {
            Ok(0) => break,
            Ok(count) => buffer.feed(&piece[..count], &mut lines),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        lines.drain(..).for_each(|text| state.log.add(stream, LogLevel::Info, text));
    }
    if let Some(text) = buffer.finish() {
        state.log.add(stream, LogLevel::Info, text);
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "without a status".to_owned(),
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
