//! A scripted stand-in for the engine: "pickles" are JSON text, targets are closures.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use pegboard_model::{
    Argument, Call, CallEvent, Failure, FailureKind, ItemOutcome, LogLevel, LogLine, LogStream, Operation, PluginName,
    PluginRunner, Timestamp, Value,
};
use serde_json::Value as Json;

/// What a call of a target does.
pub(crate) type Script = Arc<dyn Fn(Arguments) -> BoxStream<'static, CallEvent> + Send + Sync>;
/// What one item of a target does.
pub(crate) type ItemScript = Arc<dyn Fn(u64, Json) -> ItemOutcome + Send + Sync>;

/// Whether an item takes its worker with it.
type Deadly = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// Results of the dependencies, or none.
pub(crate) type Arguments = Option<Vec<Json>>;

/// See the module.
#[derive(Default)]
pub(crate) struct FakeRunner {
    stages: HashMap<String, Script>,
    items: HashMap<String, ItemScript>,
    batches: HashMap<String, Script>,
    deadly: HashMap<String, Deadly>,
    slots: usize,
    encode: Option<Script>,
    /// `target` of every call, `expand`, `encode`.
    pub(crate) calls: Mutex<Vec<String>>,
    /// Calls that were dropped before they ended.
    pub(crate) dropped: Arc<AtomicUsize>,
    /// Time that every call had.
    pub(crate) deadlines: Mutex<Vec<Option<Duration>>>,
    /// Of the source of every target.
    pub(crate) version: Mutex<String>,
}

impl FakeRunner {
    pub(crate) fn new() -> Self {
        Self { slots: 2, ..Self::default() }
    }

    /// Ends calls of `target` with what the closure makes of the arguments.
    pub(crate) fn returns(self, target: &str, function: impl Fn(Arguments) -> Json + Send + Sync + 'static) -> Self {
        self.script(target, move |arguments| ok(function(arguments)))
    }

    pub(crate) fn raises(self, target: &str, class: &str, message: &str) -> Self {
        let failure = raised(class, message);
        self.script(target, move |_| failed(failure.clone()))
    }

    /// Calls of `target` never end.
    pub(crate) fn hangs(self, target: &str) -> Self {
        self.script(target, |_| started().chain(stream::pending()).boxed())
    }

    pub(crate) fn script(
        mut self,
        target: &str,
        script: impl Fn(Arguments) -> BoxStream<'static, CallEvent> + Send + Sync + 'static,
    ) -> Self {
        self.stages.insert(target.to_owned(), Arc::new(script));
        self
    }

    pub(crate) fn item(mut self, target: &str, script: impl Fn(u64, Json) -> ItemOutcome + Send + Sync + 'static) -> Self {
        self.items.insert(target.to_owned(), Arc::new(script));
        self
    }

    /// Items of `target` are their own results; a batch with one that is deadly tells of none.
    pub(crate) fn deadly(mut self, target: &str, is_deadly: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        self.deadly.insert(target.to_owned(), Arc::new(is_deadly));
        self.item(target, |_, item| ItemOutcome::Value(pickle(&item)))
    }

    /// Whole batches of `target` do this.
    pub(crate) fn batch(
        mut self,
        target: &str,
        script: impl Fn(Arguments) -> BoxStream<'static, CallEvent> + Send + Sync + 'static,
    ) -> Self {
        self.batches.insert(target.to_owned(), Arc::new(script));
        self
    }

    pub(crate) fn encode(mut self, script: impl Fn(Arguments) -> BoxStream<'static, CallEvent> + Send + Sync + 'static) -> Self {
        self.encode = Some(Arc::new(script));
        self
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn answer(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let note = |name: &str| self.calls.lock().unwrap().push(name.to_owned());
        match call.operation {
            Operation::Stage { target, arguments } => {
                note(&target);
                let script = self.stages.get(&target).unwrap_or_else(|| panic!("no script for {target}"));
                script(arguments.map(|arguments| arguments.iter().map(json).collect()))
            }
            Operation::Expand { map_on, arguments } => {
                note("expand");
                let context: Json = serde_json::from_slice(&call.context.json).unwrap();
                let iterable = match map_on {
                    Some(key) => context["input"].get(&key).cloned(),
                    None => arguments.and_then(|arguments| arguments.first().map(json)),
                };
                match iterable {
                    Some(Json::Array(items)) => {
                        let values = items.iter().map(pickle).collect();
                        started().chain(stream::iter([CallEvent::Finished { values, busy: Duration::ZERO }])).boxed()
                    }
                    Some(_) => failed(raised("TypeError", "not iterable")),
                    None => failed(raised("KeyError", "'k'")),
                }
            }
            Operation::Items { target, arguments, first, items, stop_on_failure, .. } => {
                note(&target);
                if let Some(script) = self.batches.get(&target) {
                    return script(arguments.map(|arguments| arguments.iter().map(json).collect()));
                }
                if let Some(is_deadly) = self.deadly.get(&target)
                    && items.iter().any(|item| is_deadly(value_json(item).as_u64().unwrap()))
                {
                    return failed(died());
                }
                let script = self.items.get(&target).unwrap_or_else(|| panic!("no item script for {target}"));
                let mut outcomes = Vec::with_capacity(items.len());
                for (index, item) in (first..).zip(items) {
                    outcomes.push(script(index, value_json(&item)));
                    if stop_on_failure && matches!(outcomes.last(), Some(ItemOutcome::Failure(_))) {
                        break;
                    }
                }
                let events =
                    [CallEvent::Items { first, outcomes }, CallEvent::Finished { values: Vec::new(), busy: Duration::ZERO }];
                started().chain(stream::iter(events)).boxed()
            }
            Operation::Encode { argument } => {
                note("encode");
                match &self.encode {
                    Some(script) => script(Some(vec![json(&argument)])),
                    None => ok(json(&argument)),
                }
            }
            other => panic!("runs do not call {other:?}"),
        }
    }
}

impl PluginRunner for FakeRunner {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        self.deadlines.lock().unwrap().push(call.deadline);
        let guard = DropCount { dropped: Arc::clone(&self.dropped), armed: true };
        stream::unfold((self.answer(call), guard), |(mut events, mut guard)| async move {
            let event = events.next().await?;
            guard.armed = !matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_));
            Some((event, (events, guard)))
        })
        .boxed()
    }

    fn slots(&self, _plugin: &PluginName) -> usize {
        self.slots
    }

    fn owner(&self, _target: &str) -> PluginName {
        PluginName::base()
    }

    fn version(&self, _target: &str) -> BoxFuture<'static, Option<String>> {
        futures::future::ready(Some(self.version.lock().unwrap().clone())).boxed()
    }
}

struct DropCount {
    dropped: Arc<AtomicUsize>,
    armed: bool,
}

impl Drop for DropCount {
    fn drop(&mut self) {
        if self.armed {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub(crate) fn started() -> BoxStream<'static, CallEvent> {
    stream::iter([CallEvent::Started { process_id: Some(1) }]).boxed()
}

pub(crate) fn ok(value: Json) -> BoxStream<'static, CallEvent> {
    started().chain(stream::iter([finished(&value)])).boxed()
}

pub(crate) fn finished(value: &Json) -> CallEvent {
    CallEvent::Finished { values: vec![pickle(value)], busy: Duration::from_micros(10) }
}

pub(crate) fn failed(failure: Failure) -> BoxStream<'static, CallEvent> {
    started().chain(stream::iter([CallEvent::Failed(failure)])).boxed()
}

pub(crate) fn raised(class: &str, message: &str) -> Failure {
    Failure { class: class.to_owned(), ..Failure::noticed(FailureKind::Raised, message) }.traceback("Traceback: …")
}

pub(crate) fn died() -> Failure {
    Failure::noticed(FailureKind::Died, "the worker was killed by signal 9")
}

pub(crate) fn said(text: &str) -> CallEvent {
    let line = LogLine {
        time: Timestamp(0),
        stage: Some("s".to_owned()),
        stream: LogStream::Stdout,
        level: LogLevel::Info,
        text: text.to_owned(),
    };
    CallEvent::Log(vec![line])
}

pub(crate) fn pickle(value: &Json) -> Value {
    Value::Inline(Bytes::from(value.to_string()))
}

pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Inline(bytes) => serde_json::from_slice(bytes).unwrap(),
        Value::Object(_) => panic!("the fake has no objects"),
    }
}

fn json(argument: &Argument) -> Json {
    match argument {
        Argument::Single(value) => value_json(value),
        Argument::List(values) => values.iter().map(value_json).collect(),
    }
}
