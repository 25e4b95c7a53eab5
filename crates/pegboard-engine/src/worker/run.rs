//! One call on one worker, from the request to the last event.
//!
//! Invariants: reading the worker never waits for writing to it; a slow reader of the events slows the worker down instead of
//! filling the memory; after the deadline or a cancel the worker has the stop deadline to answer, then it is killed; whatever
//! happens, the last event is one `Finished` or `Failed`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pegboard_model::{Call, CallEvent, Failure, FailureKind, LogLine, Operation, Value, WorkerState};
use pegboard_protocol::{Frame, FromWorker, ToWorker};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AfterCall, Worker, verdict};
use crate::convert::{self, Incoming};
use crate::output::Batch;
use crate::process::Exit;

/// Events that wait for a slow reader before the worker is no longer read.
const MAX_WAITING: usize = 8;
/// How long lines are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(50);
/// How often the memory of a busy worker is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_millis(250);
/// A cancel that comes this early may find a worker that has not begun, and is said again.
const EARLY: Duration = Duration::from_millis(150);
/// Answers that may wait to be read: threads of a plugin can ask at the same time, but not thousands of them.
const MAX_UNREAD: usize = 4096;
/// How long the last messages of a process that has ended may take to be read.
const LAST_MESSAGES: Duration = Duration::from_millis(200);

/// Performs the call.
pub(super) async fn perform(
    worker: &mut Worker,
    call: &Call,
    events: &mpsc::Sender<CallEvent>,
    cancel: &CancellationToken,
) -> AfterCall {
    if worker.on_call {
        let half = Failure::noticed(FailureKind::Died, "the worker was left in the middle of an earlier call");
        worker.dead.get_or_insert(half);
        worker.watch.process.kill();
    }
    if worker.dead.is_none() && worker.watch.status().state == WorkerState::Dead {
        let idle = "before the call reached it".to_owned();
        worker.dead = Some(match worker.watch.cause() {
            Some(cause) => cause,
            None => verdict::died(&worker.options, &worker.watch, &worker.capture, worker.watch.exited().await, &idle),
        });
    }
    if let Some(failure) = &worker.dead {
        let failure = failure.clone();
        let _ = events.send(CallEvent::Failed(failure.clone())).await;
        return AfterCall::Dead(failure);
    }
    worker.on_call = true;
    worker.number += 1;
    worker.watch.change(|status| {
        status.state = WorkerState::Busy;
        status.call = Some(call.id);
    });
    worker.capture.begin(&call.stage, worker.options.output_limit);
    let started = Instant::now();
    let mut on = OnCall {
        number: worker.number,
        call,
        events,
        cancel,
        waiting: VecDeque::new(),
        unheard: false,
        phase: Phase::Running { until: call.deadline.or(worker.options.call_deadline).map(|deadline| started + deadline) },
        sent_at: None,
        say_again: false,
        exited: None,
        flush_at: None,
        memory_at: worker.options.limits.memory_bytes.map(|_| started + MEMORY_INTERVAL),
        expanded: Vec::new(),
        answered: 0,
        worker,
    };
    on.push(CallEvent::Started { process_id: Some(on.worker.watch.process.id()) });
    let ending = on.drive().await;
    on.finish(ending).await
}

/// How the call ended for the worker.
enum Ending {
    Finished {
        values: Vec<Value>,
        busy: Duration,
    },
    /// It answered, or was never asked.
    Failed(Failure),
    /// It is dead.
    Dead(Failure),
}

enum Phase {
    Running {
        until: Option<Instant>,
    },
    /// It was asked to stop the call.
    Stopping {
        failure: Failure,
        kill_at: Instant,
    },
}

struct OnCall<'a> {
    worker: &'a mut Worker,
    call: &'a Call,
    number: u64,
    events: &'a mpsc::Sender<CallEvent>,
    cancel: &'a CancellationToken,
    waiting: VecDeque<CallEvent>,
    /// Nobody hears the events any more.
    unheard: bool,
    phase: Phase,
    /// When the worker had the whole request.
    sent_at: Option<Instant>,
    /// The cancel may have come too early.
    say_again: bool,
    /// The process has ended; its last messages are read until then.
    exited: Option<(Exit, Instant)>,
    flush_at: Option<Instant>,
    memory_at: Option<Instant>,
    /// Values of an `Expand`.
    expanded: Vec<Value>,
    /// Items that have come.
    answered: u64,
}

impl OnCall<'_> {
    /// Drives the call until the worker has answered or is dead.
    async fn drive(&mut self) -> Ending {
        let with_context = self.worker.context.as_deref() != Some(self.call.context.id.as_str());
        match convert::request(self.call, self.number, with_context).await {
            Ok(request) => self.worker.writer.queue(&request.frame, &request.descriptors),
            Err(failure) => return Ending::Failed(failure),
        }
        self.worker.context = Some(self.call.context.id.clone());
        loop {
            if let Some(ending) = self.step().await {
                return ending;
            }
        }
    }

    async fn step(&mut self) -> Option<Ending> {
        let worker = &mut *self.worker;
        let crowded = worker.blocks.is_crowded();
        let running = matches!(self.phase, Phase::Running { .. });
        let timer = [
            match &self.phase {
                Phase::Running { until } => *until,
                Phase::Stopping { kill_at, .. } => Some(*kill_at),
            },
            self.exited.map(|(_, until)| until),
            self.flush_at,
            self.memory_at,
            self.sent_at.filter(|_| self.say_again).map(|at| at + EARLY),
        ]
        .into_iter()
        .flatten()
        .min();
        let timer = async {
            match timer {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            sent = worker.writer.flush(), if worker.writer.has_queued() => {
                // That the worker does not listen shows when it is read: it may have said something before it ended.
                if let Err(error) = sent {
                    tracing::debug!(%error, "a request could not be sent");
                    worker.writer.forget();
                }
                self.sent_at.get_or_insert_with(Instant::now);
                None
            }
            room = self.events.reserve(), if !self.waiting.is_empty() && !self.unheard => {
                match room {
                    Ok(room) => if let Some(event) = self.waiting.pop_front() { room.send(event); },
                    Err(_) => self.unheard = true,
                }
                None
            }
            frame = worker.reader.next(), if self.waiting.len() < MAX_WAITING && !crowded => match frame {
                Ok(frame) => self.hear(frame).await,
                Err(error) => Some(self.lost(&error).await),
            },
            () = worker.blocks.settle(), if crowded => None,
            () = self.cancel.cancelled(), if running => {
                self.stop(self.cancelled()).await;
                None
            }
            () = self.events.closed(), if running => {
                self.unheard = true;
                self.stop(self.cancelled()).await;
                None
            }
            exit = worker.watch.exited(), if self.exited.is_none() => {
                self.exited = Some((exit, Instant::now() + LAST_MESSAGES));
                None
            }
            () = worker.capture.grown() => {
                match worker.capture.batch() {
                    Batch::Full if self.waiting.len() < MAX_WAITING => self.gather(),
                    Batch::Empty => {}
                    _ => { self.flush_at.get_or_insert_with(|| Instant::now() + GATHER); }
                }
                None
            }
            () = timer => self.tick(Instant::now()).await,
        }
    }

    /// Something is due.
    async fn tick(&mut self, now: Instant) -> Option<Ending> {
        if let Some((exit, until)) = self.exited
            && now >= until
        {
            return Some(self.died(exit));
        }
        if self.flush_at.is_some_and(|at| now >= at) {
            self.flush_at = None;
            if self.waiting.len() < MAX_WAITING {
                self.gather();
            } else {
                self.flush_at = Some(now + GATHER);
            }
        }
        if self.memory_at.is_some_and(|at| now >= at) {
            self.memory_at = Some(now + MEMORY_INTERVAL);
            self.check_memory().await;
        }
        if self.say_again && self.sent_at.is_some_and(|at| now >= at + EARLY) {
            self.say_again = false;
            self.worker.watch.tell(&ToWorker::Cancel { call: self.number }).await;
        }
        match &self.phase {
            Phase::Running { until: Some(until) } if now >= *until => {
                let failure = self.too_late().await;
                self.stop(failure).await;
                None
            }
            Phase::Stopping { failure, kill_at } if now >= *kill_at => {
                let failure = failure.clone();
                self.worker.watch.kill(failure.clone());
                Some(Ending::Dead(failure))
            }
            _ => None,
        }
    }

    /// Asks the worker to stop the call.
    async fn stop(&mut self, failure: Failure) {
        self.phase = Phase::Stopping { failure, kill_at: Instant::now() + self.worker.options.stop_deadline };
        self.say_again = self.sent_at.is_none_or(|at| at.elapsed() < EARLY);
        self.worker.watch.tell(&ToWorker::Cancel { call: self.number }).await;
    }

    fn cancelled(&self) -> Failure {
        Failure::noticed(FailureKind::Cancelled, format!("stage `{}` was cancelled", self.call.stage))
    }

    async fn too_late(&self) -> Failure {
        let deadline = self.call.deadline.or(self.worker.options.call_deadline).unwrap_or_default();
        let failure = Failure::noticed(
            FailureKind::Deadline,
            format!("stage `{}` of plugin `{}` took longer than its {deadline:?}", self.call.stage, self.call.plugin),
        )
        .hint("the traceback shows where it was: make it faster, or raise the time that the stage may take");
        match self.worker.watch.dump().await {
            Some(stacks) => failure.traceback(stacks),
            None => failure,
        }
    }

    async fn check_memory(&mut self) {
        let Some(limit) = self.worker.options.limits.memory_bytes else { return };
        let watch = &self.worker.watch;
        let Some(anonymous) = watch.process.anonymous_bytes() else { return };
        watch.note_memory(anonymous);
        if anonymous <= limit {
            return;
        }
        // What is still shared with the parked interpreter is not all the worker's own; telling that apart takes a while.
        let of = Arc::clone(watch);
        let Ok(used) = tokio::task::spawn_blocking(move || of.process.own_bytes()).await else { return };
        // A kernel that cannot tell leaves us with the larger figure.
        let used = used.unwrap_or(anonymous);
        watch.note_memory(used);
        if used > limit {
            watch.kill(verdict::over_memory(&self.call.plugin, &self.call.stage, used, limit));
        }
    }

    async fn lost(&mut self, error: &crate::link::LinkError) -> Ending {
        let worker = &*self.worker;
        let when = format!("during stage `{}`", self.call.stage);
        let found = verdict::lost(&worker.options, &worker.watch, &worker.capture, error, &when).await;
        Ending::Dead(self.promised().unwrap_or(found))
    }

    /// How the call will end whatever the worker does: it was asked to stop.
    fn promised(&self) -> Option<Failure> {
        match &self.phase {
            Phase::Stopping { failure, .. } => Some(failure.clone()),
            Phase::Running { .. } => None,
        }
    }

    fn died(&self, exit: Exit) -> Ending {
        let worker = &*self.worker;
        Ending::Dead(self.promised().or_else(|| worker.watch.cause()).unwrap_or_else(|| {
            let when = format!("during stage `{}`", self.call.stage);
            verdict::died(&worker.options, &worker.watch, &worker.capture, exit, &when)
        }))
    }

    fn broken(&self, what: &str) -> Option<Ending> {
        let failure = verdict::protocol(&self.call.plugin, &format!("{what}, during stage `{}`", self.call.stage));
        self.worker.watch.kill(failure.clone());
        Some(Ending::Dead(failure))
    }

    /// Takes one message.
    async fn hear(&mut self, frame: Frame) -> Option<Ending> {
        let message: FromWorker = match serde_json::from_slice(&frame.header) {
            Ok(message) => message,
            Err(error) => return self.broken(&format!("unreadable message: {error}")),
        };
        let taken = match &message {
            FromWorker::Items { descriptors, .. }
            | FromWorker::Finished { descriptors, .. }
            | FromWorker::Request { descriptors, .. } => self.worker.reader.descriptors(*descriptors),
            _ => Ok(Vec::new()),
        };
        let descriptors = match taken {
            Ok(descriptors) => descriptors,
            Err(error) => return self.broken(&error.to_string()),
        };
        let blocks = Arc::clone(&self.worker.blocks);
        let mut incoming = Incoming::new(&blocks, descriptors);
        match message {
            FromWorker::Items { call, first, .. } if call == self.number => {
                self.items(first, frame.parts, &mut incoming).err().and_then(|what| self.broken(&what))
            }
            FromWorker::Finished { call, busy_us, .. } if call == self.number => match self.values(frame.parts, &mut incoming) {
                Ok(values) => Some(self.answered_with(values, Duration::from_micros(busy_us))),
                Err(what) => self.broken(&what),
            },
            FromWorker::Failed { call, failure } if call == self.number => {
                Some(Ending::Failed(self.failed(convert::failure(failure))))
            }
            FromWorker::Log { records } => {
                for record in records {
                    self.worker.capture.log(convert::level(&record.level), record.text);
                }
                None
            }
            FromWorker::Progress { done, total, message } => {
                let progress = CallEvent::Progress { done, total, message };
                match self.waiting.back_mut() {
                    // Only the latest matters to somebody who is late already.
                    Some(last @ CallEvent::Progress { .. }) => *last = progress,
                    _ => self.push(progress),
                }
                None
            }
            FromWorker::Request { request, method, namespace, key, .. } => {
                let value = match frame.parts.into_iter().next().map(|part| incoming.value(0, part)).transpose() {
                    Ok(value) => value,
                    Err(what) => return self.broken(&what),
                };
                self.grant(request, &method, &namespace, &key, value).await;
                if self.worker.writer.queued() > MAX_UNREAD {
                    return self.broken("it asks and does not read the answers");
                }
                None
            }
            other => self.broken(&format!("{other:?} is no answer to call {}", self.number)),
        }
    }

    /// Does what the plugin asks of the server.
    async fn grant(&mut self, request: u64, method: &str, namespace: &str, key: &str, value: Option<Value>) {
        let memory = &self.worker.memory;
        let answer = match (method, value) {
            ("memory_put", Some(value)) => {
                memory.put(namespace, key, value);
                convert::response(request, true, None).await
            }
            ("memory_put", None) => convert::refusal(request, "`memory_put` needs a value".to_owned()),
            ("memory_get", _) => {
                let value = memory.get(namespace, key);
                convert::response(request, value.is_some(), value.as_ref()).await
            }
            ("memory_exists", _) => convert::response(request, memory.exists(namespace, key), None).await,
            ("memory_delete", _) => convert::response(request, memory.delete(namespace, key), None).await,
            ("memory_clear", _) => convert::response(request, memory.clear(namespace), None).await,
            (other, _) => convert::refusal(request, format!("this server does not know the request `{other}`")),
        };
        self.worker.writer.queue(&answer.frame, &answer.descriptors);
    }

    fn items(&mut self, first: u64, parts: Vec<Bytes>, incoming: &mut Incoming<'_>) -> Result<(), String> {
        let expected = match &self.call.operation {
            Operation::Items { first: start, items, .. } => {
                if self.answered + parts.len() as u64 > items.len() as u64 {
                    return Err(format!("more items than the {} it was given", items.len()));
                }
                start + self.answered
            }
            Operation::Expand { .. } => self.answered,
            _ => return Err("items where none were asked for".to_owned()),
        };
        if first != expected {
            return Err(format!("items from {first} where {expected} was due"));
        }
        self.answered += parts.len() as u64;
        if matches!(self.call.operation, Operation::Expand { .. }) {
            for (index, part) in parts.into_iter().enumerate() {
                self.expanded.push(incoming.value(index, part)?);
            }
        } else {
            let outcomes: Result<_, String> =
                parts.into_iter().enumerate().map(|(index, part)| incoming.outcome(index, part)).collect();
            self.push(CallEvent::Items { first, outcomes: outcomes? });
        }
        Ok(())
    }

    fn values(&mut self, parts: Vec<Bytes>, incoming: &mut Incoming<'_>) -> Result<Vec<Value>, String> {
        let mut values = std::mem::take(&mut self.expanded);
        for (index, part) in parts.into_iter().enumerate() {
            values.push(incoming.value(index, part)?);
        }
        let right = match &self.call.operation {
            Operation::Stage { .. } | Operation::Encode { .. } | Operation::Invoke { .. } => values.len() == 1,
            Operation::Expand { .. } => true,
            // A call that stops at the first failure leaves the rest untried.
            Operation::Items { items, stop_on_failure, .. } => {
                values.is_empty() && (*stop_on_failure || self.answered == items.len() as u64)
            }
        };
        if right {
            Ok(values)
        } else {
            Err(format!("{} values and {} items are not the answer to its call", values.len(), self.answered))
        }
    }

    fn answered_with(&mut self, values: Vec<Value>, busy: Duration) -> Ending {
        // Too late after a promise: whoever waited was told of another end.
        self.promised().map_or(Ending::Finished { values, busy }, Ending::Failed)
    }

    fn failed(&self, told: Failure) -> Failure {
        match &self.phase {
            Phase::Stopping { failure, .. } => {
                let mut failure = failure.clone();
                failure.traceback = failure.traceback.or(told.traceback);
                failure
            }
            Phase::Running { .. } if told.kind == FailureKind::Memory => verdict::memory_error(told, &self.worker.options),
            // The class is open to plugins; nobody has cancelled anything.
            Phase::Running { .. } if told.kind == FailureKind::Cancelled => Failure { kind: FailureKind::Raised, ..told },
            Phase::Running { .. } => told,
        }
    }

    fn gather(&mut self) {
        self.flush_at = None;
        let lines = self.worker.capture.take();
        self.push_lines(lines);
    }

    fn push_lines(&mut self, lines: Vec<LogLine>) {
        if !lines.is_empty() {
            self.push(CallEvent::Log(lines));
        }
    }

    fn push(&mut self, event: CallEvent) {
        if self.unheard {
            return;
        }
        if self.waiting.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
                Err(mpsc::error::TrySendError::Closed(_)) => self.unheard = true,
            }
        } else {
            self.waiting.push_back(event);
        }
    }

    /// Leaves the worker as it is then, and says how the call ended.
    async fn finish(mut self, ending: Ending) -> AfterCall {
        let lines = self.worker.capture.end();
        self.push_lines(lines);
        let (event, after) = match ending {
            Ending::Finished { values, busy } => (CallEvent::Finished { values, busy }, AfterCall::Reusable),
            Ending::Failed(failure) => (CallEvent::Failed(failure), AfterCall::Reusable),
            Ending::Dead(failure) => {
                let _ = self.worker.watch.exited_within(super::KILL_PATIENCE).await;
                self.worker.watch.process.kill();
                self.worker.dead = Some(failure.clone());
                (CallEvent::Failed(failure.clone()), AfterCall::Dead(failure))
            }
        };
        self.worker.on_call = false;
        if self.worker.dead.is_none() {
            self.worker.watch.change(|status| {
                status.state = WorkerState::Idle;
                status.call = None;
                status.calls += 1;
            });
        }
        self.push(event);
        while let Some(event) = self.waiting.pop_front() {
            if self.events.send(event).await.is_err() {
                break;
            }
        }
        after
    }
}
