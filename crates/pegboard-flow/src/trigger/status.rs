//! What is known of triggers besides what is stored: problems, and who is held back. In memory: a restart begins anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pegboard_model::{RunId, Timestamp, TriggerRule};
use uuid::Uuid;

use super::loops::{Causes, Loops, Verdict};
use crate::flow::Flow;

/// How a trigger fared since the server was started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TriggerStatus {
    /// Uid of the trigger rule.
    pub trigger: Uuid,
    /// Its name when it was looked at last.
    pub name: String,
    /// How often it fired.
    pub fired: u64,
    /// What went wrong last, in one sentence, and when. A later fire does not take it away.
    pub problem: Option<(Timestamp, String)>,
    /// Until when what it causes itself does not fire it, when it was caught in a circle.
    pub held_back_until: Option<Timestamp>,
}

impl Flow {
    /// How triggers fared since the server was started; those of which nothing is known are left out.
    #[must_use]
    pub fn trigger_status(&self) -> Vec<TriggerStatus> {
        self.shared.triggers.status(self.shared.options.clock.now())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    loops: Loops,
    status: HashMap<Uuid, TriggerStatus>,
    /// Which trigger asked with an event for a run.
    asked: HashMap<Uuid, (Uuid, String)>,
}

impl Triggers {
    /// May it fire for this event? Says so once when it is caught in a circle.
    pub(super) fn may_fire(&self, rule: &TriggerRule, event: Uuid, now: Timestamp) -> Option<Causes> {
        let mut known = self.lock();
        match known.loops.ask(rule.metadata.uid, event, Instant::now()) {
            Verdict::Fires(causes) => Some(causes),
            Verdict::HeldBack => None,
            Verdict::Stopped(reason) => {
                let text = format!("the trigger triggers itself: {reason}; what it causes does not fire it for a minute");
                tracing::warn!(trigger = %rule.metadata.name, "{text}");
                known.of(rule.metadata.uid, rule.metadata.name.as_str()).problem = Some((now, text));
                None
            }
        }
    }

    /// An event that a trigger caused is about to be stored.
    pub(super) fn asks(&self, rule: &TriggerRule, event: Uuid, causes: Causes) {
        let mut known = self.lock();
        known.loops.event_caused(event, causes);
        known.asked.insert(event, (rule.metadata.uid, rule.metadata.name.to_string()));
    }

    /// The same, when it was time: nothing else is among the causes.
    pub(super) fn asks_by_time(&self, rule: &TriggerRule, event: Uuid) {
        self.asks(rule, event, Causes::default());
    }

    pub(super) fn fired(&self, trigger: Uuid, name: &str) {
        self.lock().of(trigger, name).fired += 1;
    }

    pub(super) fn problem(&self, trigger: Uuid, name: &str, text: String, now: Timestamp) {
        self.lock().of(trigger, name).problem = Some((now, text));
    }

    /// What an event of a trigger asked for could not be done.
    pub(crate) fn problem_of_event(&self, event: Uuid, text: &str, now: Timestamp) {
        let mut known = self.lock();
        if let Some((trigger, name)) = known.asked.get(&event).cloned() {
            known.of(trigger, &name).problem = Some((now, text.to_owned()));
        }
    }

    /// Only these exist.
    pub(super) fn keep(&self, rules: &[TriggerRule]) {
        let mut known = self.lock();
        let exists = |trigger: &Uuid| rules.iter().any(|rule| rule.metadata.uid == *trigger);
        known.status.retain(|trigger, _| exists(trigger));
        known.loops.keep(exists);
    }

    /// An event is handled, or was never stored.
    pub(crate) fn event_settled(&self, event: Uuid) {
        let mut known = self.lock();
        known.loops.forget_event(event);
        known.asked.remove(&event);
    }

    /// A run begins because of an event.
    pub(crate) fn run_begins(&self, run: RunId, event: Uuid) {
        self.lock().loops.run_from_event(run, event);
    }

    /// An event about a run is about to be stored.
    pub(crate) fn tells_of_run(&self, event: Uuid, run: RunId) {
        self.lock().loops.event_from_run(event, run);
    }

    /// Nothing more will come from the run.
    pub(crate) fn run_ended(&self, run: RunId) {
        self.lock().loops.forget_run(run);
    }

    fn status(&self, now: Timestamp) -> Vec<TriggerStatus> {
        let mut known = self.lock();
        let Known { loops, status, .. } = &mut *known;
        let instant = Instant::now();
        let mut all: Vec<TriggerStatus> = status.values().cloned().collect();
        for status in &mut all {
            let until = loops.held_back_until(status.trigger, instant);
            let rest = until.and_then(|until| i64::try_from((until - instant).as_micros()).ok());
            status.held_back_until = rest.map(|rest| Timestamp(now.0.saturating_add(rest)));
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&mut self, trigger: Uuid, name: &str) -> &mut TriggerStatus {
        let status = self.status.entry(trigger).or_insert_with(|| TriggerStatus {
            trigger,
            name: String::new(),
            fired: 0,
            problem: None,
            held_back_until: None,
        });
        name.clone_into(&mut status.name);
        status
    }
}
