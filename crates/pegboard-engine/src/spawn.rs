//! The only place that starts processes.
//!
//! Invariants: every process is started by one operating-system thread that never ends, because Linux delivers the
//! parent-death signal when the *thread* that started a process ends, and an async runtime retires its threads. Every process
//! leads a process group of its own, dies with us, and is reaped: a value here that is dropped kills its group first. No process
//! inherits our settings, which may be secret and mean nothing to it.
//! What a process prints and why it is started is the caller's business.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

mod process;
mod tool;

#[cfg(test)]
mod tests;

pub(crate) use tool::{RunError, Tool, run};

/// How often a killed process is looked at until it is gone.
const REAP_INTERVAL: Duration = Duration::from_millis(20);
/// How the names of variables begin that are meant for us.
const OURS: &str = "PEGBOARD";

/// One change of the environment variables that a process inherits from us.
#[derive(Clone, Debug)]
pub(crate) enum Variable {
    /// Sets it.
    Set(OsString, OsString),
    /// Takes it away.
    Remove(OsString),
}

impl Variable {
    /// Sets `name` to `value`.
    pub(crate) fn set(name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        Self::Set(name.into(), value.into())
    }

    /// Takes `name` away.
    pub(crate) fn remove(name: impl Into<OsString>) -> Self {
        Self::Remove(name.into())
    }
}

/// Where a descriptor of a new process leads.
#[derive(Debug)]
pub(crate) enum Target {
    /// To `/dev/null`.
    Null,
    /// To this descriptor; our copy is closed when the process has started.
    Descriptor(OwnedFd),
}

impl From<Target> for Stdio {
    fn from(target: Target) -> Self {
        match target {
            Target::Null => Self::null(),
            Target::Descriptor(descriptor) => Self::from(descriptor),
        }
    }
}

/// What to start: program, arguments and surroundings.
#[derive(Debug)]
pub(crate) struct Program {
    /// The file to execute, or a name to look up on PATH.
    pub(crate) program: PathBuf,
    /// Its arguments, without the program's own name.
    pub(crate) arguments: Vec<OsString>,
    /// Applied in order to the variables it inherits.
    pub(crate) variables: Vec<Variable>,
    /// Its working directory; none: ours.
    pub(crate) directory: Option<PathBuf>,
}

impl Program {
    /// A program without arguments, in our surroundings.
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), variables: Vec::new(), directory: None }
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds changes of variables.
    #[must_use]
    pub(crate) fn variables(mut self, variables: impl IntoIterator<Item = Variable>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }
}

/// A running process that leads its group. Dropping it kills the group and reaps the process without blocking.
#[derive(Debug)]
pub(crate) struct StartedProcess {
    pid: Pid,
    /// Readable when the process has ended; absent where the kernel or a sandbox refuses process descriptors.
    ended: Option<AsyncFd<OwnedFd>>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running(Child),
    Ended(ExitStatus),
    /// Handed to the reaper.
    Dropped,
}

impl StartedProcess {
    /// Its process id, which is its group's id as well.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the process ends; then what is left of its group is killed. May be called again, and dropped at any time.
    pub(crate) async fn wait(&self) -> io::Result<ExitStatus> {
        match &self.ended {
            Some(descriptor) => drop(descriptor.ready(Interest::READABLE).await?),
            None => {
                while self.ended_group()?.is_none() {
                    tokio::time::sleep(REAP_INTERVAL).await;
                }
            }
        }
        loop {
            if let Some(status) = self.ended_group()? {
                return Ok(status);
            }
            tokio::time::sleep(REAP_INTERVAL).await;
        }
    }

    /// Sends a signal to the process and its group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        // Under the lock, so that the number is still that of this group.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Running(_)) {
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
    }

    /// The exit status if the process has ended; then the rest of its group is killed before the number is given back.
    fn ended_group(&self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Running(child) => {
                let options = rustix::process::WaitIdOptions::EXITED
                    | rustix::process::WaitIdOptions::NOHANG
                    | rustix::process::WaitIdOptions::NOWAIT;
                if rustix::process::waitid(rustix::process::WaitId::Pid(self.pid), options)?.is_none() {
                    return Ok(None);
                }
                let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
                let status = child.wait()?;
                *state = State::Ended(status);
                Ok(Some(status))
            }
            State::Ended(status) => Ok(Some(*status)),
            State::Dropped => Err(io::Error::other("the process was given up")),
        }
    }
}

impl Drop for StartedProcess {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(mut child) = std::mem::replace(state, State::Dropped) {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            if !matches!(child.try_wait(), Ok(Some(_))) {
                // A process can take a while to die (memory to give back, a disk to wait for): the spawning thread reaps it.
                let _ = SPAWNER.send(Request::Reap(child));
            }
        }
    }
}

/// Starts a long-lived process with the given descriptors: a parked interpreter, a worker.
pub(crate) async fn start_with_stdin(
    program: Program,
    stdin: OwnedFd,
    stdout: Target,
    stderr: Target,
) -> io::Result<StartedProcess> {
    let (process, _) = start(program, Stdio::from(stdin), stdout.into(), stderr.into()).await?;
    Ok(process)
}

/// Ends of the pipes that were asked for with `Stdio::piped`.
struct Pipes {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

async fn start(program: Program, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> io::Result<(StartedProcess, Pipes)> {
    let (reply, answer) = oneshot::channel();
    SPAWNER
        .send(Request::Spawn { program, stdin, stdout, stderr, reply })
        .map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
    let mut started = answer.await.map_err(|_| io::Error::other("the thread that starts processes has ended"))??;
    let mut child = match started.0.take() {
        Some(child) => child,
        None => return Err(io::Error::other("the process was given up")),
    };
    let pipes = Pipes { stdout: child.stdout.take().map(OwnedFd::from), stderr: child.stderr.take().map(OwnedFd::from) };
    let pid = Pid::from_child(&child);
    let ended =
        rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK).ok().and_then(|descriptor| process::register(descriptor).ok());
    Ok((StartedProcess { pid, ended, state: Mutex::new(State::Running(child)) }, pipes))
}

/// A child on its way to the caller; killed when the caller has gone away meanwhile.
struct InTransit(Option<Child>);

impl Drop for InTransit {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = SPAWNER.send(Request::Reap(child));
        }
    }
}

enum Request {
    Spawn { program: Program, stdin: Stdio, stdout: Stdio, stderr: Stdio, reply: oneshot::Sender<io::Result<InTransit>> },
    Reap(Child),
}

/// The way to the spawning thread, which lives as long as the process.
static SPAWNER: LazyLock<Sender<Request>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<Request>();
    let serve = move || {
        let mut dying: Vec<Child> = Vec::new();
        loop {
            let request = if dying.is_empty() {
                receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                receiver.recv_timeout(REAP_INTERVAL)
            };
            match request {
                Ok(Request::Spawn { program, stdin, stdout, stderr, reply }) => {
                    let started = spawn(program, stdin, stdout, stderr).map(|child| InTransit(Some(child)));
                    let _ = reply.send(started);
                }
                Ok(Request::Reap(child)) => dying.push(child),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            dying.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("pegboard-spawn".to_owned()).spawn(serve) {
        // The receiver is gone with the closure, so every start will say that the thread has ended.
        tracing::error!("cannot start the thread that starts processes: {error}");
    }
    sender
});

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
fn spawn(program: Program, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
    let mut command = Command::new(&program.program);
    command.args(&program.arguments).stdin(stdin).stdout(stdout).stderr(stderr).process_group(0);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(OURS)) {
        command.env_remove(name);
    }
    for variable in &program.variables {
        match variable {
            Variable::Set(name, value) => command.env(name, value),
            Variable::Remove(name) => command.env_remove(name),
        };
    }
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    process::die_with_parent(&mut command);
    command.spawn()
}
