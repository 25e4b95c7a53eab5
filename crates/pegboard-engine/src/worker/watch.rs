//! What is known about a worker from beside its calls: whether it lives, whether it answers, how it ended.
//!
//! Invariants: every change of the status goes through [`Watch::change`] and is told in order; a worker that does not answer is
//! `Blocked`, which is a state and not a death: only deadlines end calls; when the process has ended its group is killed and the
//! last status is `Dead`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pegboard_model::{Failure, WorkerState, WorkerStatus};
use pegboard_protocol::{FromWorker, ToWorker};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::{StatusSink, verdict};
use crate::convert;
use crate::link::{LinkError, LinkReader, LinkWriter};
use crate::output::DumpPipe;
use crate::process::{Exit, ProcessHandle, kernel_memory_kills};

/// How long a process may live on when its control channel has ended, before that counts as a broken protocol.
const CLOSED_GRACE: Duration = Duration::from_millis(300);

/// One worker's process, status and control channel.
pub(super) struct Watch {
    pub(super) process: ProcessHandle,
    status: Mutex<WorkerStatus>,
    sink: StatusSink,
    control: tokio::sync::Mutex<LinkWriter>,
    dump: tokio::sync::Mutex<DumpPipe>,
    stack_signal: AtomicI32,
    stacks: Mutex<Option<String>>,
    exit: watch::Sender<Option<Exit>>,
    /// Why we killed it.
    cause: Mutex<Option<Failure>>,
    /// Kills of the kernel for lack of memory before it was started.
    memory_kills: Option<u64>,
}

impl Watch {
    pub(super) fn new(
        process: ProcessHandle,
        status: WorkerStatus,
        sink: StatusSink,
        control: LinkWriter,
        dump: OwnedFd,
    ) -> io::Result<Self> {
        sink(status.clone());
        Ok(Self {
            process,
            status: Mutex::new(status),
            sink,
            control: tokio::sync::Mutex::new(control),
            dump: tokio::sync::Mutex::new(DumpPipe::new(dump)?),
            stack_signal: AtomicI32::new(0),
            stacks: Mutex::new(None),
            exit: watch::channel(None).0,
            cause: Mutex::new(None),
            memory_kills: kernel_memory_kills(),
        })
    }

    pub(super) fn status(&self) -> WorkerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the status and tells it. A dead worker stays dead.
    pub(super) fn change(&self, change: impl FnOnce(&mut WorkerStatus)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state != WorkerState::Dead {
            change(&mut status);
            // Told under the lock, so that changes arrive in order.
            (self.sink)(status.clone());
        }
    }

    /// Notes how much memory it has; that alone is no news.
    pub(super) fn note_memory(&self, bytes: u64) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).memory_bytes = Some(bytes);
    }

    pub(super) fn stacks(&self) -> Option<String> {
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn dumps_on(&self, signal: i32) {
        self.stack_signal.store(signal, Ordering::Relaxed);
    }

    /// Where its threads stand now; none when it cannot tell.
    pub(super) async fn dump(&self) -> Option<String> {
        let signal = self.stack_signal.load(Ordering::Relaxed);
        if signal == 0 {
            return None;
        }
        self.dump.lock().await.take(|| self.process.signal_number(signal)).await
    }

    /// Says something on the control channel. That it cannot be said shows elsewhere.
    pub(super) async fn tell(&self, message: &ToWorker) {
        let mut control = self.control.lock().await;
        control.queue(&convert::frame(message, Vec::new()), &[]);
        // A worker that does not read must not hold us up: the rest is sent with the next message.
        let _ = tokio::time::timeout(Duration::from_millis(50), control.flush()).await;
    }

    /// Waits until it has ended and its group was killed.
    pub(super) async fn exited(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        let seen = exit.wait_for(Option::is_some).await.map(|exit| *exit);
        match seen {
            Ok(exit) => exit.unwrap_or(Exit::Unknown),
            // The sender lives in `self`.
            Err(_) => Exit::Unknown,
        }
    }

    /// Waits at most that long, whether the control channel is followed yet or not.
    pub(super) async fn exited_within(&self, patience: Duration) -> Option<Exit> {
        self.process.exited_within(patience).await
    }

    /// Kills it for a reason, which the call that is on will tell.
    pub(super) fn kill(&self, cause: Failure) {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        self.process.kill();
    }

    /// Why we killed it.
    pub(super) fn cause(&self) -> Option<Failure> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the kernel has killed somebody for lack of memory since the worker was started.
    pub(super) fn kernel_was_short_of_memory(&self) -> bool {
        matches!((self.memory_kills, kernel_memory_kills()), (Some(before), Some(now)) if now > before)
    }

    /// The process has ended and nobody follows it.
    pub(super) fn gone(&self) {
        self.process.sweep();
        self.change(|status| {
            status.state = WorkerState::Dead;
            status.call = None;
        });
    }

    /// Follows the worker to its end.
    pub(super) async fn follow(self: Arc<Self>, mut control: LinkReader, heartbeat: Duration) {
        let exit = tokio::select! {
            exit = self.process.exited() => exit,
            never = self.listen(&mut control, heartbeat) => match never {},
        };
        self.gone();
        self.exit.send_replace(Some(exit));
    }

    /// Pings and hears pongs; when the channel breaks it kills the process, whose end then ends this.
    async fn listen(&self, control: &mut LinkReader, heartbeat: Duration) -> std::convert::Infallible {
        let mut tick = tokio::time::interval(heartbeat);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping = Ping::default();
        loop {
            tokio::select! {
                biased;
                frame = control.next() => match self.heard(frame, &mut ping) {
                    Ok(()) => {}
                    Err(error) => {
                        // A dying process closes its channels a moment before it is dead.
                        let grace = if error == LinkError::Closed.to_string() { CLOSED_GRACE } else { Duration::ZERO };
                        if self.process.exited_within(grace).await.is_none() {
                            self.kill(verdict::protocol(&self.status().plugin, &format!("on its control channel: {error}")));
                        }
                        std::future::pending::<()>().await;
                    }
                },
                _ = tick.tick() => self.beat(&mut ping, heartbeat).await,
            }
        }
    }

    fn heard(&self, frame: Result<pegboard_protocol::Frame, LinkError>, ping: &mut Ping) -> Result<(), String> {
        let frame = frame.map_err(|error| error.to_string())?;
        match serde_json::from_slice(&frame.header) {
            Ok(FromWorker::Pong { sequence, mapped_bytes }) if sequence <= ping.sequence => {
                tracing::trace!(process.id = self.process.id(), mapped_bytes, "a worker answered");
                if sequence == ping.sequence {
                    ping.sent = None;
                    ping.probed = false;
                }
                if self.status().state == WorkerState::Blocked {
                    self.change(|status| {
                        status.state = if status.call.is_some() { WorkerState::Busy } else { WorkerState::Idle };
                    });
                }
                Ok(())
            }
            Ok(other) => Err(format!("unexpected message {other:?}")),
            Err(error) => Err(format!("unreadable message: {error}")),
        }
    }

    async fn beat(&self, ping: &mut Ping, heartbeat: Duration) {
        match ping.sent {
            None => {
                ping.sequence += 1;
                ping.sent = Some(Instant::now());
                self.tell(&ToWorker::Ping { sequence: ping.sequence }).await;
            }
            // A tick may come a little early against the clock of the ping before it.
            Some(sent) if !ping.probed && sent.elapsed() + heartbeat / 4 >= heartbeat * 2 => {
                ping.probed = true;
                self.probe().await;
            }
            // A call has begun meanwhile, and changed the state; what holds the interpreter is still there.
            Some(_) if ping.probed => self.change_to_blocked(),
            Some(_) => {}
        }
    }

    fn change_to_blocked(&self) {
        if matches!(self.status().state, WorkerState::Idle | WorkerState::Busy) {
            self.change(|status| status.state = WorkerState::Blocked);
        }
    }

    /// It does not answer: finds out what it does. An import may hold the interpreter for long, so that is left alone.
    async fn probe(&self) {
        if matches!(self.status().state, WorkerState::Starting | WorkerState::Draining) {
            return;
        }
        let found = match self.dump().await {
            Some(stacks) => stacks,
            None if self.process.is_stopped() => {
                "the process is stopped (state T), by SIGSTOP or a debugger; it goes on with SIGCONT".to_owned()
            }
            None => "the process is alive but does not run: it answers no signal".to_owned(),
        };
        tracing::warn!(
            plugin.name = %self.status().plugin,
            process.id = self.process.id(),
            stacks = found,
            "a worker does not answer: something holds its interpreter"
        );
        *self.stacks.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        self.change_to_blocked();
    }
}

/// The ping that is on its way.
#[derive(Debug, Default)]
struct Ping {
    sequence: u64,
    /// When it was sent; none: it was answered.
    sent: Option<Instant>,
    /// Its silence was looked into.
    probed: bool,
}
