//! The calls of one run that are under way, and those that wait for room.
//!
//! A run keeps at most twice as many calls at a plugin as it has slots: enough that no worker waits for us, few enough that a
//! fan of ten thousand stages does not stand in front of everybody else's calls. Stages that ask for resources or limit
//! themselves have queues of their own, so that those who ask for nothing need not wait behind them. Each call then passes
//! the gate of the server.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::AbortHandle;
use futures::stream::{self, SelectAll, Stream, StreamExt};
use pegboard_model::{Call, CallEvent, CallId, Failure, FailureKind, Operation, PluginName, PluginRunner, RunContext};

use crate::gate::{Gate, Key, Want, Wants};

/// Calls at a plugin, as a multiple of its slots.
const AHEAD: usize = 2;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A simple stage.
    Stage(usize),
    /// To take an iterable apart.
    Expand(usize),
    /// Items of a parameterized stage.
    Items { stage: usize, batch: u64 },
    /// To say the run's result.
    Encode(usize),
}

impl Purpose {
    pub(crate) fn stage(self) -> usize {
        match self {
            Self::Stage(stage) | Self::Expand(stage) | Self::Encode(stage) | Self::Items { stage, .. } => stage,
        }
    }
}

/// A call that is to be made.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) purpose: Purpose,
    pub(crate) plugin: PluginName,
    /// Name of the stage.
    pub(crate) stage: String,
    pub(crate) operation: Operation,
    pub(crate) deadline: Option<Duration>,
    /// What it asks for, beside room at its plugin.
    pub(crate) wants: Wants,
    /// Higher goes first.
    pub(crate) priority: i64,
}

/// Calls at one plugin that ask for the same.
type Line = (PluginName, Wants);
type Events = Pin<Box<dyn Stream<Item = (CallId, Option<CallEvent>)> + Send>>;

/// See the module.
pub(crate) struct Calls {
    runner: Arc<dyn PluginRunner>,
    gate: Gate,
    context: Arc<RunContext>,
    streams: SelectAll<Events>,
    under_way: HashMap<CallId, UnderWay>,
    queues: HashMap<Line, Queue>,
}

struct UnderWay {
    purpose: Purpose,
    line: Line,
    abort: AbortHandle,
    started: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    under_way: usize,
}

impl Calls {
    pub(crate) fn new(runner: Arc<dyn PluginRunner>, gate: Gate, context: Arc<RunContext>) -> Self {
        Self { runner, gate, context, streams: SelectAll::new(), under_way: HashMap::new(), queues: HashMap::new() }
    }

    /// Makes the call as soon as there is room.
    pub(crate) fn submit(&mut self, request: Request) {
        let line = (request.plugin.clone(), Arc::clone(&request.wants));
        let waiting = &mut self.queues.entry(line.clone()).or_default().waiting;
        // Behind all of the same priority: nearly always the end.
        let behind = waiting.iter().rev().take_while(|other| other.priority < request.priority).count();
        waiting.insert(waiting.len() - behind, request);
        self.make_waiting(&line);
    }

    /// Nothing is under way and nothing is left to be dropped.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The next event of any call; none when there are no calls. Safe to drop at any time.
    pub(crate) async fn next(&mut self) -> Option<(Purpose, CallEvent)> {
        loop {
            let (id, event) = self.streams.next().await?;
            let Some(call) = self.under_way.get_mut(&id) else { continue };
            let purpose = call.purpose;
            let event = event.unwrap_or_else(|| {
                CallEvent::Failed(Failure::noticed(FailureKind::Protocol, "the call ended without an outcome"))
            });
            match event {
                CallEvent::Started { .. } => call.started = true,
                CallEvent::Finished { .. } | CallEvent::Failed(_) => self.remove(id),
                _ => {}
            }
            return Some((purpose, event));
        }
    }

    /// Drops the calls of one stage.
    pub(crate) fn cancel_stage(&mut self, stage: usize) {
        self.drop_where(|purpose, _| purpose.stage() == stage);
    }

    /// Drops all calls.
    pub(crate) fn cancel_all(&mut self) {
        self.queues.clear();
        self.under_way.clear();
        self.streams.clear();
    }

    /// Drops the calls that no worker has taken.
    pub(crate) fn let_go(&mut self) {
        for queue in self.queues.values_mut() {
            queue.waiting.clear();
        }
        self.drop_where(|_, started| !started);
    }

    fn drop_where(&mut self, unwanted: impl Fn(Purpose, bool) -> bool) {
        for queue in self.queues.values_mut() {
            queue.waiting.retain(|request| !unwanted(request.purpose, false));
        }
        let ids: Vec<CallId> =
            self.under_way.iter().filter(|(_, call)| unwanted(call.purpose, call.started)).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// Forgets a call; its stream is dropped at the next turn. The next one in its queue takes the room.
    fn remove(&mut self, id: CallId) {
        let Some(call) = self.under_way.remove(&id) else { return };
        call.abort.abort();
        if let Some(queue) = self.queues.get_mut(&call.line) {
            queue.under_way -= 1;
        }
        self.make_waiting(&call.line);
    }

    fn make_waiting(&mut self, line: &Line) {
        let Some(queue) = self.queues.get_mut(line) else { return };
        let most = self.runner.slots(&line.0).max(1) * AHEAD;
        let room = Want { key: Key::Plugin(line.0.clone()), amount: 1.0, limit: most as f64 };
        let wants: Wants = line.1.iter().cloned().chain([room]).collect();
        while queue.under_way < most {
            let Some(request) = queue.waiting.pop_front() else { return };
            queue.under_way += 1;
            let id = CallId::next();
            let call = Call {
                id,
                plugin: request.plugin,
                operation: request.operation,
                context: Arc::clone(&self.context),
                stage: request.stage,
                deadline: request.deadline,
            };
            let (gate, runner, wants) = (self.gate.clone(), Arc::clone(&self.runner), Arc::clone(&wants));
            let admitted = async move {
                let mut permit = gate.admit(wants, request.priority).await;
                runner.call(call).inspect(move |event| {
                    // Whoever waits need not wait for this run to look at the outcome.
                    if matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_)) {
                        drop(permit.take());
                    }
                })
            };
            let events = admitted.flatten_stream();
            let (events, abort) = stream::abortable(events);
            // The end is an event too: a stream that ends without an outcome must not leave a stage waiting.
            let events = events.map(Some).chain(stream::iter([None])).map(move |event| (id, event));
            self.streams.push(Box::pin(events));
            self.under_way.insert(id, UnderWay { purpose: request.purpose, line: line.clone(), abort, started: false });
        }
    }
}
