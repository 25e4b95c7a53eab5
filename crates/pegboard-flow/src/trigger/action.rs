//! What a trigger that fires does (Flowdapt specification, section 5.4).

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use pegboard_model::{Call, CallEvent, CallId, Event, Operation, RunContext, Timestamp, TriggerRule, TriggerSpec, TriggerType};
use pegboard_store::{Change, StoreError};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::condition;
use crate::context::zoneless;
use crate::event_log::wanted;
use crate::flow::Shared;

/// The condition triggers, as they are stored now.
pub(crate) struct Rules(Vec<TriggerRule>);

impl Rules {
    pub(crate) async fn read(shared: &Shared) -> Result<Self, StoreError> {
        let all = shared.store.resources::<TriggerSpec>().await?;
        shared.triggers.keep(&all);
        Ok(Self(all.into_iter().filter(|rule| rule.spec.trigger_type == TriggerType::Condition).collect()))
    }

    /// Offers the event to every trigger, in the order in which they are stored. What goes wrong with one concerns no other.
    pub(crate) fn fire(&self, shared: &Shared, event: &Event) -> Fired {
        let mut fired = Fired::default();
        if self.0.is_empty() {
            return fired;
        }
        let (subject, now) = (condition::subject(event), shared.options.clock.now());
        for rule in &self.0 {
            match condition::holds(&rule.spec.rule, &subject) {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(causes) = shared.triggers.may_fire(rule, event.id, now) {
                        fired.add(shared, rule, now, |event| shared.triggers.asks(rule, event.id, causes));
                    }
                }
                Err(reason) => {
                    let trigger = rule.metadata.name.as_str();
                    tracing::warn!(trigger, event.id = %event.id, event.type = event.event_type, %reason, "a condition could not be evaluated");
                    shared.triggers.problem(rule.metadata.uid, trigger, reason, now);
                }
            }
        }
        fired
    }
}

/// What follows from triggers that fire at the same time.
#[derive(Default)]
pub(crate) struct Fired {
    triggers: Vec<(Uuid, String, Timestamp)>,
    events: Vec<Event>,
    prints: Vec<(String, Map<String, Json>)>,
    calls: Vec<TriggerRule>,
}

impl Fired {
    pub(crate) fn is_empty(&self) -> bool {
        self.triggers.is_empty()
    }

    /// The trigger fires; `asks` hears of the event with which it does.
    pub(super) fn add(&mut self, shared: &Shared, rule: &TriggerRule, now: Timestamp, asks: impl FnOnce(&Event)) {
        let name = rule.metadata.name.to_string();
        let parameters = &rule.spec.action.parameters;
        match rule.spec.action.target.trim() {
            "run_workflow" => match request(parameters) {
                Ok(event) => {
                    asks(&event);
                    self.events.push(event);
                }
                Err(reason) => {
                    tracing::warn!(trigger = name, %reason, "a trigger fires, but cannot start a run");
                    shared.triggers.problem(rule.metadata.uid, &name, reason, now);
                }
            },
            "print_event" => self.prints.push((name.clone(), parameters.clone())),
            _ => self.calls.push(rule.clone()),
        }
        self.triggers.push((rule.metadata.uid, name, now));
    }

    /// What is to be stored.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let fired = self.triggers.iter().map(|(trigger, _, at)| Change::TriggerFired { trigger: *trigger, at: *at });
        fired.chain(self.events.iter().cloned().map(Change::EventStored)).collect()
    }

    /// It is stored: what is not done by storing is done now.
    pub(crate) fn committed(self, shared: &Arc<Shared>) {
        for (trigger, name, _) in self.triggers {
            tracing::debug!(trigger = name, "a trigger fired");
            shared.triggers.fired(trigger, &name);
        }
        for (trigger, parameters) in self.prints {
            tracing::info!(trigger, parameters = %Json::Object(parameters), "a trigger prints its event");
        }
        for rule in self.calls {
            shared.drivers.spawn(call(Arc::clone(shared), rule));
        }
    }

    /// It is not stored.
    pub(crate) fn dropped(self, shared: &Shared) {
        for event in self.events {
            shared.triggers.event_settled(event.id);
        }
    }
}

/// The event with which a trigger asks for a run.
fn request(parameters: &Map<String, Json>) -> Result<Event, String> {
    let workflow = match parameters.get("workflow") {
        Some(Json::String(workflow)) => workflow,
        Some(_) => return Err("parameter `workflow` of action `run_workflow` is not text".to_owned()),
        None => return Err("action `run_workflow` has no parameter `workflow`".to_owned()),
    };
    match parameters.get("input") {
        None | Some(Json::Null) => Ok(wanted(workflow, json!({}))),
        Some(input @ Json::Object(_)) => Ok(wanted(workflow, input.clone())),
        Some(_) => Err("parameter `input` of action `run_workflow` is not an object".to_owned()),
    }
}

/// Calls a plugin's own action: once, with the parameters by name.
async fn call(shared: Arc<Shared>, rule: TriggerRule) {
    let (name, target) = (rule.metadata.name.to_string(), rule.spec.action.target.trim().to_owned());
    let mut events = shared.runner.call(Call {
        id: CallId::next(),
        plugin: shared.runner.owner(&target),
        operation: Operation::Stage { target: target.clone(), arguments: None },
        context: Arc::new(context(&shared, &rule)),
        stage: name.clone(),
        deadline: None,
    });
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = shared.stop.cancelled() => return,
        };
        let failure = match event {
            Some(CallEvent::Log(lines)) => {
                for line in lines {
                    tracing::info!(trigger = name, "{}", line.text);
                }
                continue;
            }
            Some(CallEvent::Failed(failure)) => format!("{}: {}", failure.class, failure.message),
            None => "the call ended without an outcome".to_owned(),
            Some(CallEvent::Finished { .. }) => return,
            Some(_) => continue,
        };
        tracing::warn!(trigger = name, action = target, %failure, "the action of a trigger failed");
        shared.triggers.problem(
            rule.metadata.uid,
            &name,
            format!("action `{target}` failed: {failure}"),
            shared.options.clock.now(),
        );
        return;
    }
}

/// What an action can ask: like a stage of a run that has the parameters as its input.
fn context(shared: &Shared, rule: &TriggerRule) -> RunContext {
    let (id, metadata) = (format!("trigger-{}", Uuid::new_v4()), &rule.metadata);
    let json = json!({
        "input": rule.spec.action.parameters,
        "namespace": shared.options.default_namespace,
        "executor": "local",
        "run": {
            "uid": Uuid::new_v4().to_string(),
            "name": metadata.name,
            "workflow": metadata.name,
            "source": "trigger",
            "started_at": zoneless(shared.options.clock.now()),
            "finished_at": null,
            "result": null,
            "state": "running",
        },
        "definition": {
            "kind": rule.kind,
            "metadata": {
                "uid": metadata.uid.to_string(),
                "name": metadata.name,
                "created_at": zoneless(metadata.created_at),
                "updated_at": zoneless(metadata.updated_at),
                "annotations": metadata.annotations,
            },
            "spec": rule.spec,
        },
        "config": {},
        "storage": shared.options.configuration.get("storage"),
        "configuration": shared.options.configuration,
    });
    RunContext { id, json: Bytes::from(json.to_string()) }
}
