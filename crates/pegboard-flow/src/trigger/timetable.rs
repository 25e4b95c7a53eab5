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
                    let mut entry = Entry { name, rule: rule.spec.rule.clone(), schedules: schedules(rule), since, next: None };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TRIGGER: &str = "00000000-0000-4000-8000-000000000001";

    fn at(text: &str) -> Timestamp {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    fn rule(expression: &str, changed: &str, last_run: Option<&str>) -> TriggerRule {
        let mut annotations = serde_json::Map::new();
        annotations.extend(last_run.map(|time| (LAST_RUN.to_owned(), json!(time))));
        serde_json::from_value(json!({
            "kind": "trigger_rule",
            "metadata": {
                "uid": TRIGGER, "name": "t", "created_at": at("00:00:00"), "updated_at": at(changed), "annotations": annotations,
            },
            "spec": { "type": "schedule", "rule": [expression], "action": { "target": "print_event" } },
        }))
        .unwrap()
    }

    /// What is fired for at each of the looks.
    fn fires(timetable: &mut Timetable, rule: &TriggerRule, looks: &[&str]) -> Vec<Option<String>> {
        let look = |text: &&str| {
            let now = text.parse().unwrap_or_else(|_| at(text));
            timetable.refresh(std::slice::from_ref(rule), now);
            let due = timetable.due(now);
            due.iter().for_each(|due| timetable.settle(*due));
            due.first().map(|due| due.instant.to_string().replace("2026-11-20T", "").replace(".000000Z", ""))
        };
        looks.iter().map(look).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_instant_is_fired_for_once() {
        let mut timetable = Timetable::new(at("09:30:10"));
        let rule = rule("* * * * *", "09:00:00", None);
        let looks = ["09:30:10", "09:30:59.999", "09:31:00", "09:31:00.5", "09:31:59", "09:32:00.3"];
        assert_eq!(fires(&mut timetable, &rule, &looks), [None, None, some("09:31:00"), None, None, some("09:32:00")]);
    }

    #[test]
    fn nothing_before_the_start_the_creation_or_the_change() {
        // The server starts at an instant of the schedule: that one belongs to the server before.
        let mut timetable = Timetable::new(at("10:00:00.2"));
        assert_eq!(
            fires(&mut timetable, &rule("0 * * * *", "09:00:00", None), &["10:00:00.4", "11:00:00"]),
            [None, some("11:00:00")]
        );
        // Created after the instant, seen soon after.
        let mut timetable = Timetable::new(at("09:00:00"));
        assert_eq!(
            fires(&mut timetable, &rule("0 * * * *", "10:00:01", None), &["10:00:01.4", "11:00:00"]),
            [None, some("11:00:00")]
        );
        // Changed to an instant that is over.
        let mut timetable = Timetable::new(at("09:00:00"));
        assert_eq!(fires(&mut timetable, &rule("30 * * * *", "08:00:00", None), &["09:10:00"]), [None]);
        assert_eq!(
            fires(&mut timetable, &rule("5 * * * *", "09:11:00", None), &["09:11:00.1", "10:05:00"]),
            [None, some("10:05:00")]
        );
        // Fired for by the server before, a moment ago.
        let mut timetable = Timetable::new(at("10:00:00"));
        let fired = rule("* * * * * * *", "09:00:00", Some("2026-11-20T10:00:03"));
        assert_eq!(fires(&mut timetable, &fired, &["10:00:02", "10:00:03", "10:00:04"]), [None, None, some("10:00:04")]);
    }

    #[test]
    fn what_was_missed_is_not_caught_up_beyond_a_minute() {
        let mut timetable = Timetable::new(at("09:00:00"));
        let hourly = rule("0 * * * *", "08:00:00", None);
        // Late by half a minute, then asleep over three instants, then awake within the minute after one.
        let looks = ["10:00:30", "13:30:00", "13:59:59", "14:00:00", "16:00:40"];
        let expected = [some("10:00:00"), None, None, some("14:00:00"), some("16:00:00")];
        assert_eq!(fires(&mut timetable, &hourly, &looks), expected);
        // Of several the latest.
        let mut timetable = Timetable::new(at("09:00:00"));
        let looks = ["09:00:07.5", "09:00:07.9", "09:00:08"];
        assert_eq!(
            fires(&mut timetable, &rule("* * * * * * *", "08:00:00", None), &looks),
            [some("09:00:07"), None, some("09:00:08")]
        );
    }

    #[test]
    fn a_clock_that_is_set_back_fires_nothing_twice() {
        let mut timetable = Timetable::new(at("09:00:00"));
        let rule_ = rule("*/10 * * * *", "08:00:00", None);
        let looks = ["09:20:00", "08:50:00", "09:10:00", "09:20:00.1", "09:30:00"];
        assert_eq!(fires(&mut timetable, &rule_, &looks), [some("09:20:00"), None, None, None, some("09:30:00")]);
        // Set back over a restart: the trigger says when it fired last.
        let mut timetable = Timetable::new(at("08:00:00"));
        let fired = rule("*/10 * * * *", "09:20:00.003", Some("2026-11-20T09:20:00.003"));
        assert_eq!(fires(&mut timetable, &fired, &["08:10:00", "09:20:00", "09:30:00"]), [None, None, some("09:30:00")]);
        // It had been wrong by years.
        let mut timetable = Timetable::new("2031-01-01T00:00:00Z".parse().unwrap());
        let wrong = rule("*/10 * * * *", "08:00:00", Some("2031-01-01T00:00:00"));
        let looks = ["2031-01-01T00:00:01Z", "09:00:01", "09:10:00"];
        assert_eq!(fires(&mut timetable, &wrong, &looks), [None, None, some("09:10:00")]);
    }

    #[test]
    fn a_schedule_without_a_future_is_no_burden() {
        let mut timetable = Timetable::new(at("09:00:00"));
        assert_eq!(fires(&mut timetable, &rule("0 0 31 2 *", "08:00:00", None), &["09:00:00", "23:00:00"]), [None, None]);
        assert_eq!(timetable.next(), None);
        timetable.refresh(&[], at("23:00:00"));
        assert!(timetable.entries.is_empty());
    }
}
