//! Which schedules are due, and the task that looks.
//!
//! A schedule fires at an instant at most once, and only for instants after the server's start, after the trigger's creation
//! and after its last change. What was missed is not caught up, except that an instant of the last minute is still fired for,
//! so that a moment's delay loses nothing; of several such instants only the latest. When the clock is set back, schedules wait
//! until it shows again what it had shown: no instant comes twice. When it is set back by more than a day it had been wrong;
//! then they begin anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Error, Timestamp, TriggerRule, TriggerSpec, TriggerType};
use serde_json::Value as Json;
use uuid::Uuid;

use super::action::Fired;
use super::cron::Schedule;
use crate::flow::Shared;

/// How late an instant may be fired for, in microseconds.
const GRACE: i64 = 60 * 1_000_000;
/// Farther in the future, in microseconds, is no memory of ours but a clock that was wrong.
const CREDIBLE: i64 = 24 * 60 * 60 * 1_000_000;
/// Longest time between two looks: triggers may be stored meanwhile, and clocks set.
const LOOKS: Duration = Duration::from_millis(500);
/// The annotation with which the server says when a trigger fired last.
const LAST_RUN: &str = "flowdapt.ai/last_run";

/// See the module.
#[derive(Debug)]
pub(super) struct Timetable {
    started: Timestamp,
    entries: HashMap<Uuid, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    rule: Json,
    schedules: Vec<Schedule>,
    /// No instant up to this one is fired for.
    since: Timestamp,
    /// The first instant after that.
    next: Option<Timestamp>,
}

/// A trigger and the instant for which it is to fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    pub(super) trigger: Uuid,
    pub(super) instant: Timestamp,
}

impl Timetable {
    pub(super) fn new(started: Timestamp) -> Self {
        Self { started, entries: HashMap::new() }
    }

    /// Takes up what is stored now.
    pub(super) fn refresh(&mut self, rules: &[TriggerRule], now: Timestamp) {
        let mut before = std::mem::take(&mut self.entries);
        for rule in rules.iter().filter(|rule| rule.spec.trigger_type == TriggerType::Schedule) {
            let name = rule.metadata.name.to_string();
            let entry = match before.remove(&rule.metadata.uid) {
                Some(entry) if entry.rule == rule.spec.rule => Entry { name, ..entry },
                changed => {
                    let known = changed.map_or(self.started, |entry| entry.since);
                    let since = known.max(credible(rule.metadata.updated_at, now)).max(credible(last_run(rule), now));
                    let mut entry =
                        Entry { name, rule: rule.spec.rule.clone(), schedules: schedules(rule), since, next: None };
                    entry.advance(since);
                    entry
                }
            };
            self.entries.insert(rule.metadata.uid, entry);
        }
        for entry in self.entries.values_mut().filter(|entry| entry.since.0 > now.0.saturating_add(CREDIBLE)) {
            tracing::warn!(trigger = entry.name, "the clock was set back by more than a day; the schedule begins anew");
            entry.advance(now);
        }
        if self.started.0 > now.0.saturating_add(CREDIBLE) {
            self.started = now;
        }
    }

    /// What is due now. What is too late is given up.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        for (trigger, entry) in &mut self.entries {
            let Some(first) = entry.next.filter(|next| *next <= now) else { continue };
            let begin = entry.since.max(Timestamp(now.0.saturating_sub(GRACE)));
            let instants = || std::iter::successors(entry.after(begin), |instant| entry.after(*instant));
            let latest = instants().take_while(|instant| *instant <= now).last();
            match latest {
                Some(instant) => {
                    if instant > first {
                        tracing::warn!(trigger = entry.name, "a schedule missed instants; it fires for the latest one");
                    }
                    due.push(Due { trigger: *trigger, instant });
                }
                None => {
                    tracing::warn!(trigger = entry.name, missed = %first, "a schedule missed an instant; it is not caught up");
                    entry.advance(now);
                }
            }
        }
        due.sort_by_key(|due| (due.instant, due.trigger));
        due
    }

    /// It fired, or will not: the instant is over.
    pub(super) fn settle(&mut self, due: Due) {
        if let Some(entry) = self.entries.get_mut(&due.trigger) {
            entry.advance(due.instant);
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.entries.values().filter_map(|entry| entry.next).min()
    }
}

impl Entry {
    fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.schedules.iter().filter_map(|schedule| schedule.after(instant)).min()
    }

    fn advance(&mut self, since: Timestamp) {
        self.since = since;
        self.next = self.after(since);
    }
}

/// A time of the past, or of a clock that went ahead a little. Else it means nothing.
fn credible(time: Timestamp, now: Timestamp) -> Timestamp {
    if time.0 > now.0.saturating_add(CREDIBLE) { Timestamp(i64::MIN) } else { time }
}

fn last_run(rule: &TriggerRule) -> Timestamp {
    let text = rule.metadata.annotations.get(LAST_RUN);
    // Written without a zone; it is UTC.
    text.and_then(|text| format!("{}Z", text.trim_end_matches('Z')).parse().ok()).unwrap_or(Timestamp(i64::MIN))
}

/// Expressions that cannot be read were stored before they were checked; they are never due.
fn schedules(rule: &TriggerRule) -> Vec<Schedule> {
    let texts = rule.spec.rule.as_array().into_iter().flatten().filter_map(Json::as_str);
    let read = texts.map(|text| {
        Schedule::parse(text).inspect_err(|reason| {
            tracing::warn!(trigger = %rule.metadata.name, expression = text, reason, "a schedule cannot be read and is never due");
        })
    });
    read.filter_map(Result::ok).collect()
}

/// Fires schedules when they are due, until the server stops.
pub(crate) async fn keep_time(shared: Arc<Shared>) {
    let mut timetable = Timetable::new(shared.options.clock.now());
    loop {
        if let Err(error) = look(&shared, &mut timetable).await {
            tracing::warn!(%error, "schedules could not be looked at; it is tried again");
        }
        let now = shared.options.clock.now();
        let until_next = timetable.next().and_then(|next| u64::try_from(next.0.saturating_sub(now.0)).ok());
        let pause = until_next.map_or(LOOKS, Duration::from_micros).clamp(Duration::from_millis(1), LOOKS);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look(shared: &Arc<Shared>, timetable: &mut Timetable) -> Result<(), Error> {
    let rules = shared.store.resources::<TriggerSpec>().await?;
    let now = shared.options.clock.now();
    timetable.refresh(&rules, now);
    for due in timetable.due(now) {
        let Some(rule) = rules.iter().find(|rule| rule.metadata.uid == due.trigger) else { continue };
        if shared.is_draining() {
            tracing::info!(trigger = %rule.metadata.name, "a schedule is due while the server drains; it does not fire");
            timetable.settle(due);
            continue;
        }
        let mut fired = Fired::default();
        fired.add(shared, rule, now.max(due.instant), |event| shared.triggers.asks_by_time(rule, event.id));
        match shared.recorder.record(fired.changes()).await {
            Ok(()) => fired.committed(shared),
            Err(error) => {
                fired.dropped(shared);
                // One that was deleted meanwhile is gone from the timetable at the next look.
                if !matches!(error, pegboard_store::StoreError::NotFound(_)) {
                    return Err(error.into());
                }
            }
        }
        timetable.settle(due);
    }
    Ok(())
}
