//! Drives one run: the only place where the machine, the plugins and the record meet.
//!
//! One task per run. It decides nothing about order: it carries events to the machine and does what the machine says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use pegboard_model::{
    CallEvent, Failure, FailureKind, LogLevel, Operation, PluginName, Run, RunState, StagePlugin, Value, Workflow,
};
use serde_json::{Map, Value as Json};

use crate::cache;
use crate::calls::{Calls, Purpose, Request};
use crate::chance::chance;
use crate::context::context;
use crate::events::RunEvent;
use crate::flow::Shared;
use crate::gate::{Key, Want, Wants};
use crate::graph::Node;
use crate::machine::{Command, Event, Machine};
use crate::outbox::COUNTS_EVERY;
use crate::plan::Plan;
use crate::record::{Channels, Control, RunRecord};
use crate::resources::wants;
use crate::retention::result_key;

/// Events handled between two recordings.
const EVENTS_PER_TURN: usize = 256;
/// Time that a plugin has to say its result as JSON.
const ENCODE_DEADLINE: Duration = Duration::from_secs(60);

/// One run under way.
pub(crate) struct Driver {
    record: RunRecord,
    machine: Machine,
    /// Merged for this workflow.
    config: Map<String, Json>,
    plan: Arc<Plan>,
    plugins: Vec<PluginName>,
    /// What calls of each stage ask for.
    wants: Vec<Wants>,
    calls: Calls,
    /// Delays before further attempts, and looks into the cache.
    pending: FuturesUnordered<BoxFuture<'static, Pending>>,
    /// Under which keys results are kept, by stage.
    cache_keys: HashMap<usize, cache::Key>,
    ended: bool,
}

/// What comes of something that is no call.
enum Pending {
    Again(Event),
    Looked { stage: usize, look: cache::Look },
}

/// Runs a workflow from its first stage to its end, and on until the calls that were let go are over.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    run: Run,
    workflow: &Workflow,
    config: Map<String, Json>,
    plan: Result<Plan, Failure>,
    channels: Channels,
) {
    let mut record = RunRecord::begin(Arc::clone(&shared), run, channels);
    let uid = record.run.uid;
    let plan = match plan {
        Ok(plan) => Arc::new(plan),
        Err(failure) => {
            refuse(&mut record, failure);
            if record.finish().await {
                shared.forget(uid);
            }
            return;
        }
    };
    let wants = match stage_wants(&plan, &record) {
        Ok(wants) => wants,
        Err(failure) => {
            refuse(&mut record, failure);
            if record.finish().await {
                shared.forget(uid);
            }
            return;
        }
    };
    for note in &plan.notes {
        record.say(None, LogLevel::Warning, note.clone());
    }
    let context = Arc::new(context(&record.run, workflow, &config, &shared.options));
    let plugins: Vec<PluginName> = plan.nodes.iter().map(|node| shared.runner.owner(&node.target)).collect();
    let slots = plugins.iter().map(|plugin| shared.runner.slots(plugin)).collect();
    let gate = shared.gate.clone();
    let calls = Calls::new(Arc::clone(&shared.runner), gate, context);
    let mut driver = Driver {
        record,
        config,
        machine: Machine::new(Arc::clone(&plan), slots, chance).least_batch(shared.options.least_batch),
        plan,
        plugins,
        wants,
        calls,
        pending: FuturesUnordered::new(),
        cache_keys: HashMap::new(),
        ended: false,
    };
    driver.work().await;
    if driver.record.finish().await {
        driver.outlive().await;
        shared.forget(uid);
    }
}

/// What calls of each stage are admitted with.
fn stage_wants(plan: &Plan, record: &RunRecord) -> Result<Vec<Wants>, Failure> {
    let of = |node: &Node| {
        let mut all = wants(&node.name, &node.asks.resources, &record.shared.options.resources)?;
        if let Some(most) = node.asks.concurrency {
            let key = Key::Stage { workflow: record.run.workflow.clone(), stage: node.name.clone() };
            all.push(Want { key, amount: 1.0, limit: f64::from(most) });
        }
        Ok(all.into())
    };
    plan.nodes.iter().map(of).collect()
}

/// Ends a run that cannot start.
fn refuse(record: &mut RunRecord, failure: Failure) {
    for position in 0..record.run.stages.len() {
        record.stage_ended(position, RunState::Cancelled, None);
    }
    let mut text = format!("the run cannot start: {}: {}", failure.class, failure.message);
    if let Some(hint) = &failure.hint {
        text = format!("{text}; {hint}");
    }
    record.say(None, LogLevel::Error, text);
    record.end(RunState::Failed, Some(failure));
}

impl Driver {
    async fn work(&mut self) {
        let commands = self.machine.step(Event::Begin);
        self.perform(commands);
        self.record.flush().await;
        while !self.ended {
            self.turn().await;
        }
    }

    /// Waits for something to happen, handles all that has happened, records it.
    async fn turn(&mut self) {
        let tick = tokio::time::sleep(COUNTS_EVERY);
        tokio::select! {
            biased;
            Some(error) = self.record.refusals.recv() => {
                if let Some(failure) = self.record.refused(&error) {
                    self.stop(RunState::Failed, Some(failure));
                }
            }
            Some(control) = self.record.channels.control.recv() => match control {
                Control::Cancel => self.stop(RunState::Cancelled, None),
                Control::Interrupt => self.stop(RunState::Interrupted, None),
            },
            Some((purpose, event)) = self.calls.next(), if !self.calls.is_empty() => self.receive(purpose, event).await,
            Some(pending) = self.pending.next(), if !self.pending.is_empty() => self.pended(pending),
            () = tick, if self.record.has_counts() => {}
        }
        for _ in 0..EVENTS_PER_TURN {
            if self.ended {
                return;
            }
            let Some(Some((purpose, event))) = self.calls.next().now_or_never() else { break };
            self.receive(purpose, event).await;
        }
        self.record.flush().await;
    }

    fn stop(&mut self, state: RunState, failure: Option<Failure>) {
        let commands = self.machine.step(Event::Stop { state, failure });
        self.perform(commands);
    }

    fn pended(&mut self, pending: Pending) {
        let event = match pending {
            Pending::Again(event) => event,
            Pending::Looked { stage, look } => {
                if let Some(trouble) = look.trouble {
                    self.record.say(Some(stage), LogLevel::Warning, trouble);
                }
                self.cache_keys.extend(look.key.map(|key| (stage, key)));
                Event::Looked { stage, found: look.found }
            }
        };
        let commands = self.machine.step(event);
        self.perform(commands);
    }

    async fn receive(&mut self, purpose: Purpose, event: CallEvent) {
        let stage = purpose.stage();
        let event = match event {
            CallEvent::Log(lines) => return self.record.log(lines),
            CallEvent::Progress { done, total, message } => {
                let news = RunEvent::Progress { run: self.record.run.uid, position: stage, done, total, message };
                // Nobody listens: nobody misses it.
                let _ = self.record.shared.events.send(news);
                return;
            }
            CallEvent::Started { .. } => Event::Started { stage },
            CallEvent::Items { first, outcomes } => match purpose {
                Purpose::Items { batch, .. } => Event::Items { stage, batch, first, outcomes },
                _ => return,
            },
            CallEvent::Finished { values, busy } => match finished(purpose, values, busy) {
                Finished::Event(event) => event,
                Finished::Encoded(value) => {
                    self.keep_result(value).await;
                    Event::Encoded
                }
            },
            CallEvent::Failed(failure) => match purpose {
                Purpose::Encode(_) => {
                    let text =
                        format!("the result has no JSON form and is stored as null: {}: {}", failure.class, failure.message);
                    self.record.say(None, LogLevel::Warning, text);
                    Event::Encoded
                }
                Purpose::Items { batch, .. } => Event::Failed { stage, batch: Some(batch), failure },
                Purpose::Stage(_) | Purpose::Expand(_) => Event::Failed { stage, batch: None, failure },
            },
        };
        let commands = self.machine.step(event);
        self.perform(commands);
    }

    fn perform(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Call { stage, batch, operation } => {
                    let purpose = match (&operation, batch) {
                        (_, Some(batch)) => Purpose::Items { stage, batch },
                        (Operation::Expand { .. }, None) => Purpose::Expand(stage),
                        _ => Purpose::Stage(stage),
                    };
                    self.submit(purpose, operation, None);
                }
                Command::StageStarted { stage } => self.record.stage_started(stage, self.served(stage)),
                Command::Counts { stage, counts } => self.record.counts(stage, counts),
                Command::StageEnded { stage, state, failure } => self.record.stage_ended(stage, state, failure),
                Command::Log { stage, level, text } => self.record.say(Some(stage), level, text),
                Command::Later { stage, group, delay } => {
                    let over = tokio::time::sleep(delay).map(move |()| Pending::Again(Event::Again { stage, group }));
                    self.pending.push(over.boxed());
                }
                Command::Look { stage, arguments } => {
                    let node = &self.plan.nodes[stage];
                    let question = cache::Question::of(node, arguments, &self.record.run, &self.config);
                    let (store, runner) = (self.record.shared.store.clone(), Arc::clone(&self.record.shared.runner));
                    let look = cache::look(store, runner, question).map(move |look| Pending::Looked { stage, look });
                    self.pending.push(look.boxed());
                }
                Command::Keep { stage, argument } => {
                    if let Some(key) = self.cache_keys.remove(&stage) {
                        let shared = &self.record.shared;
                        shared.drivers.spawn(cache::keep(shared.store.clone(), Arc::clone(&shared.runner), key, argument));
                    }
                }
                Command::Cached { stage } => self.record.cached(stage),
                Command::CancelStage { stage } => self.calls.cancel_stage(stage),
                Command::CancelAll => self.calls.cancel_all(),
                Command::LetGo => self.calls.let_go(),
                Command::Encode { stage, argument } => {
                    self.submit(Purpose::Encode(stage), Operation::Encode { argument }, Some(ENCODE_DEADLINE));
                }
                Command::End { state, failure } => {
                    self.record.end(state, failure);
                    self.ended = true;
                }
            }
        }
    }

    /// Who serves a stage that starts now.
    fn served(&self, stage: usize) -> Option<StagePlugin> {
        let name = self.plugins.get(stage).filter(|name| **name != PluginName::base())?.clone();
        let version = self.record.shared.runner.release(&name).unwrap_or_default();
        Some(StagePlugin { name, version })
    }

    fn submit(&mut self, purpose: Purpose, operation: Operation, deadline: Option<Duration>) {
        let stage = purpose.stage();
        let asks = &self.plan.nodes[stage].asks;
        let is_work = matches!(purpose, Purpose::Stage(_) | Purpose::Items { .. });
        self.calls.submit(Request {
            purpose,
            plugin: self.plugins[stage].clone(),
            stage: self.record.run.stages[stage].name.clone(),
            operation,
            deadline: if is_work { asks.timeout } else { deadline },
            wants: if is_work { Arc::clone(&self.wants[stage]) } else { Arc::from([]) },
            priority: asks.priority,
        });
    }

    /// Puts the result where it fits. What goes wrong here is said in the log and fails nothing.
    async fn keep_result(&mut self, value: Option<Value>) {
        let trouble = match value {
            Some(Value::Inline(json))
                if json.len() <= self.record.shared.options.result_limit || !self.record.channels.is_kept =>
            {
                match serde_json::from_slice(&json) {
                    Ok(result) => {
                        self.record.run.result = result;
                        return;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Some(Value::Inline(json)) => {
                let key = result_key(self.record.run.uid);
                match self.record.shared.store.put_object(&key, json).await {
                    Ok(()) => {
                        self.record.run.result_object = Some(key);
                        return;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Some(Value::Object(_)) | None => "the worker sent no text".to_owned(),
        };
        self.record.say(None, LogLevel::Warning, format!("the result is stored as null: {trouble}"));
    }

    /// Calls that were let go run to their end unobserved; what they say is still kept, and they can still be cancelled.
    async fn outlive(&mut self) {
        if self.record.shared.is_stopping() {
            return self.calls.cancel_all();
        }
        while !self.calls.is_empty() {
            tokio::select! {
                Some(_) = self.record.channels.control.recv() => self.calls.cancel_all(),
                event = self.calls.next() => {
                    if let Some((_, CallEvent::Log(lines))) = event {
                        self.record.log(lines);
                    }
                }
            }
            self.record.flush().await;
        }
    }
}

/// What a call that ended well means.
enum Finished {
    Event(Event),
    Encoded(Option<Value>),
}

fn finished(purpose: Purpose, mut values: Vec<Value>, busy: Duration) -> Finished {
    Finished::Event(match purpose {
        Purpose::Encode(_) => return Finished::Encoded(values.pop()),
        Purpose::Expand(stage) => Event::Expanded { stage, items: values },
        Purpose::Items { stage, batch } => Event::BatchEnded { stage, batch, busy },
        Purpose::Stage(stage) => match (values.pop(), values.is_empty()) {
            (Some(value), true) => Event::Returned { stage, value },
            _ => {
                let failure = Failure::noticed(FailureKind::Protocol, "the worker did not end the call with one value");
                Event::Failed { stage, batch: None, failure }
            }
        },
    })
}
