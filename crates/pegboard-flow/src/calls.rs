//! The calls of one run that are under way, and those that wait for room.
//!
//! A run keeps at most twice as many calls at a plugin as it has slots: enough that no worker waits for us, few enough that a
//! fan of ten thousand stages does not stand in front of everybody else's calls.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::AbortHandle;
use futures::stream::{self, SelectAll, Stream, StreamExt};
use pegboard_model::{Call, CallEvent, CallId, Failure, FailureKind, Operation, PluginName, PluginRunner, RunContext};

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
}

type Events = Pin<Box<dyn Stream<Item = (CallId, Option<CallEvent>)> + Send>>;

/// See the module.
pub(crate) struct Calls {
    runner: Arc<dyn PluginRunner>,
    context: Arc<RunContext>,
    streams: SelectAll<Events>,
    under_way: HashMap<CallId, UnderWay>,
    queues: HashMap<PluginName, Queue>,
}

struct UnderWay {
    purpose: Purpose,
    plugin: PluginName,
    abort: AbortHandle,
    started: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    under_way: usize,
}

impl Calls {
    pub(crate) fn new(runner: Arc<dyn PluginRunner>, context: Arc<RunContext>) -> Self {
        Self { runner, context, streams: SelectAll::new(), under_way: HashMap::new(), queues: HashMap::new() }
    }

    /// Makes the call as soon as there is room.
    pub(crate) fn submit(&mut self, request: Request) {
        let plugin = request.plugin.clone();
        self.queues.entry(plugin.clone()).or_default().waiting.push_back(request);
        self.make_waiting(&plugin);
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
        if let Some(queue) = self.queues.get_mut(&call.plugin) {
            queue.under_way -= 1;
        }
        self.make_waiting(&call.plugin);
    }

    fn make_waiting(&mut self, plugin: &PluginName) {
        let Some(queue) = self.queues.get_mut(plugin) else { return };
        let most = self.runner.slots(plugin).max(1) * AHEAD;
        while queue.under_way < most {
            let Some(request) = queue.waiting.pop_front() else { return };
            queue.under_way += 1;
            let id = CallId::next();
            let events = self.runner.call(Call {
                id,
                plugin: request.plugin.clone(),
                operation: request.operation,
                context: Arc::clone(&self.context),
                stage: request.stage,
                deadline: request.deadline,
            });
            let (events, abort) = stream::abortable(events);
            // The end is an event too: a stream that ends without an outcome must not leave a stage waiting.
            let events = events.map(Some).chain(stream::iter([None])).map(move |event| (id, event));
            self.streams.push(Box::pin(events));
            self.under_way.insert(id, UnderWay { purpose: request.purpose, plugin: request.plugin, abort, started: false });
        }
    }
}
