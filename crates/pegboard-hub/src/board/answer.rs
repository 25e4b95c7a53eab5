//! How sessions end.

use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{HubId, PluginType, SessionFailure, SessionState, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::queue::later;
use super::speech::own;
use super::{Active, Board, Carrier, Effect, Identity, LINGERING, Place, within};
use crate::failure;
use crate::link::Order;
use crate::wire::event::{Outcome, Response};

/// A client that is busy says so within this (specification, 2.11).
const BUSY_ANSWER: Duration = Duration::from_millis(150);
/// After so many of them in a row they count as a failure.
const BUSY_ANSWERS: u32 = 6;
/// Late answers that are said in the log.
const LATE: u32 = 3;
/// What comes so soon after an answer is the same one again.
const TWICE: Duration = Duration::from_secs(1);

impl Board {
    /// The payload is made: hands it to the connection. What texts the log must not show, and which key the run has, is known now.
    pub(crate) fn prepared(
        &mut self,
        id: HubId,
        payload: &str,
        masks: Vec<String>,
        key: Option<HubId>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(active) = self.sessions.get_mut(&id) else { return false };
        active.masks.extend(masks);
        if let Some(old) = std::mem::replace(&mut active.key, key)
            && active.session.attempts < 2
        {
            effects.push(Effect::Forget { key: old });
        }
        let Place::Preparing(carrier) = active.place else { return false };
        if let Carrier::Link(number) = carrier {
            let order = Order::Run { session: id, payload: payload.to_owned() };
            if self.links.get(&number).is_none_or(|link| link.orders.send(order).is_err()) {
                // It closed meanwhile and has seen nothing of the run.
                active.session.attempts = active.session.attempts.saturating_sub(1);
                let plugin = active.session.plugin;
                self.requeue(id);
                self.pump(plugin, now, effects);
                return false;
            }
        }
        (active.place, active.sent_at) = (Place::Sent(carrier), Some(now));
        active.process = match carrier {
            Carrier::Link(number) => self.links.get(&number).and_then(|link| Some(Arc::clone(&link.native.as_ref()?.process))),
            Carrier::Rest => None,
        };
        true
    }

    /// A connection answered.
    pub(crate) fn response(&mut self, number: u64, response: Response, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(Identity::Bound(plugin)) = self.links.get(&number).map(|link| link.identity) else { return };
        if let Some(id) = response.session.filter(|id| self.is_of(*id, plugin)) {
            if let Some(active) = self.sessions.get_mut(&id) {
                if active.is_over() && response.is_cancelled {
                    return;
                }
                active.session.last_error = response.reason.or(active.session.last_error.take());
            }
            self.conclude(id, response.outcome, now, effects);
        }
    }

    /// A connection answered in an acknowledgement: so do some releases, and then no answer outlives its connection.
    pub(crate) fn response_in_ack(&mut self, number: u64, response: Response, now: Timestamp, effects: &mut Vec<Effect>) {
        let was_open = response.session.filter(|id| self.open.contains(id));
        self.response(number, response, now, effects);
        if let Some(active) = was_open.and_then(|id| self.sessions.get(&id)).filter(|active| active.is_over())
            && let Some(entry) = self.plugins.get_mut(&active.session.plugin)
        {
            entry.answers_in_acks = true;
        }
    }

    /// An answer for a session of which the speaker is known. The first one counts.
    pub(crate) fn conclude(&mut self, id: HubId, outcome: Outcome, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        if let Place::Ended(at) = active.place {
            active.late += 1;
            // Some clients say the same twice, as an event and in the acknowledgement.
            if active.late <= LATE && !within(at, TWICE, now) {
                let line = own("a late answer was ignored", now);
                effects.push(Effect::Append { session: id, lines: vec![line] });
            }
            return;
        }
        if outcome == Outcome::Error {
            if active.is_busy_answer(now) {
                return self.try_later(id, now, effects);
            }
            let failure = failure::raised(active.session.last_error.as_deref());
            return self.fail(id, failure, now, effects);
        }
        match judged(active.session.plugin_type, active.is_task(), outcome) {
            Ok(Judged { result, download }) => {
                active.session.result = result;
                active.session.download = download;
                self.end(id, SessionState::Finished, now, effects);
            }
            Err(message) => self.fail(id, failure::wrong_answer(message), now, effects),
        }
    }

    /// All slots of the client are taken: the task waits, longer each time (specification, 2.11).
    fn try_later(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        active.busy_answers += 1;
        if active.busy_answers >= BUSY_ANSWERS {
            return self.fail(id, failure::always_busy(), now, effects);
        }
        let wait = Duration::from_millis(250 << active.busy_answers.min(6));
        active.session.not_before = Some(later(now, wait));
        active.session.attempts = active.session.attempts.saturating_sub(1);
        self.requeue(id);
    }

    /// The client acknowledged without an answer: its handler has ended. What it still had to say may be a moment behind.
    pub(crate) fn handled(&mut self, number: u64, id: HubId, now: Timestamp) {
        let Some(Identity::Bound(plugin)) = self.links.get(&number).map(|link| link.identity) else { return };
        if self.is_of(id, plugin)
            && let Some(active) = self.sessions.get_mut(&id)
            // A workflow's task is acknowledged when it begins.
            && !active.is_task()
            && !active.is_over()
        {
            active.handled_at = Some(now);
        }
    }

    /// The handler ended a moment ago and nothing has come.
    pub(super) fn end_unanswered(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        if active.is_export() {
            let failure = failure::no_file(active.session.last_error.as_deref());
            return self.fail(id, failure, now, effects);
        }
        self.end(id, SessionState::Finished, now, effects);
    }

    /// A REST plugin answered the call: `null` stands for nothing, which for exports and tasks comes another way.
    pub(crate) fn returned(&mut self, id: HubId, answer: Option<Response>, now: Timestamp, effects: &mut Vec<Effect>) {
        match answer {
            Some(response) => self.conclude(id, response.outcome, now, effects),
            None => {
                if let Some(active) = self.sessions.get_mut(&id).filter(|active| !active.is_over() && !active.is_task()) {
                    active.handled_at = Some(now);
                }
            }
        }
    }

    /// The answer of a workflow's task was stored through the HTTP API: that is how those end well (specification, trap 10).
    pub(crate) fn annotated(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.sessions.get(&id).is_some_and(|active| active.is_task() && !active.is_over()) {
            self.end(id, SessionState::Finished, now, effects);
        }
    }

    /// A user stops it. False when it has ended already.
    pub(crate) fn cancel(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        let is_open = self.sessions.get(&id).is_some_and(|active| !active.is_over());
        if is_open {
            self.end(id, SessionState::Cancelled, now, effects);
        }
        is_open
    }

    /// Ends a session as failed.
    pub(crate) fn fail(&mut self, id: HubId, failure: SessionFailure, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(active) = self.sessions.get_mut(&id).filter(|active| !active.is_over()) {
            active.session.failure = Some(failure);
            self.end(id, SessionState::Failed, now, effects);
        }
    }

    fn end(&mut self, id: HubId, state: SessionState, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        let old = std::mem::replace(&mut active.place, Place::Ended(now));
        active.session.state = state;
        active.session.finished_at = Some(now);
        active.say_dropped(now);
        let plugin = active.session.plugin;
        if active.is_task() {
            effects.push(Effect::Room);
        }
        let ended = Effect::Record { session: Arc::new(active.session.clone()), lines: std::mem::take(&mut active.lines) };
        effects.push(ended);
        // The record has it; what lingers is there for late lines.
        (active.session.result, active.session.parameters) = (Json::Null, Map::new());
        active.session.config.clear();
        if let Place::Sent(carrier) = old
            && state != SessionState::Finished
        {
            self.tell_cancelled(id, carrier);
        }
        if let Place::Preparing(carrier) | Place::Sent(carrier) = old {
            self.count(id, carrier, false);
        }
        self.open.remove(&id);
        self.dirty.remove(&id);
        if let Some(entry) = self.plugins.get_mut(&plugin) {
            entry.running.remove(&id);
            if old == Place::Queue {
                entry.queue.retain(|other| *other != id);
            }
        }
        self.lingering.push_back(id);
        self.forget_old(now, effects);
        self.pump(plugin, now, effects);
    }

    /// Lets go of sessions that ended a while ago.
    pub(super) fn forget_old(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(&id) = self.lingering.front() {
            let is_old = self.sessions.get(&id).is_none_or(|active| match active.place {
                Place::Ended(at) => now.milliseconds_since(at) > 60_000,
                _ => true,
            });
            if !is_old && self.lingering.len() <= LINGERING {
                break;
            }
            self.lingering.pop_front();
            if let Some(key) = self.sessions.remove(&id).and_then(|active| active.key) {
                effects.push(Effect::Forget { key });
            }
        }
    }

    /// The session is on disk as it is now: whoever watches may look.
    pub(crate) fn recorded(&mut self, id: HubId) {
        if let Some(active) = self.sessions.get(&id) {
            active.changed.send_modify(|version| *version += 1);
        }
    }

    /// The change as an effect, with the lines that wait.
    pub(super) fn record(&mut self, id: HubId, effects: &mut Vec<Effect>) {
        self.dirty.remove(&id);
        if let Some(active) = self.sessions.get_mut(&id).filter(|active| !active.is_over()) {
            let lines = std::mem::take(&mut active.lines);
            effects.push(Effect::Record { session: Arc::new(active.session.clone()), lines });
        }
    }
}

impl Active {
    /// All slots taken: an error at once, and no reason.
    fn is_busy_answer(&self, now: Timestamp) -> bool {
        let at_once = self.sent_at.is_some_and(|sent_at| u128::from(now.milliseconds_since(sent_at)) < BUSY_ANSWER.as_millis());
        self.is_task() && at_once && self.session.last_error.is_none()
    }
}

struct Judged {
    result: Json,
    download: Option<String>,
}

/// Whether the answer is one of the plugin's type: a script of another class connects happily, and only this shows it (trap 14).
fn judged(plugin_type: PluginType, is_task: bool, outcome: Outcome) -> Result<Judged, String> {
    let plain = |result| Ok(Judged { result, download: None });
    match (plugin_type, outcome) {
        (PluginType::Export, Outcome::Export(url)) => Ok(Judged { result: json!(url), download: Some(url) }),
        (PluginType::Export, _) => Err("an export plugin answers with the address of a file, this one did not".to_owned()),
        (other, Outcome::Export(_)) => {
            Err(format!("the answer is that of an export plugin, but the plugin's type is {}", other.as_str()))
        }
        (PluginType::Model, Outcome::Result(result)) if !is_task => match annotations(&result) {
            Some(answer) => plain(answer),
            None => Err("a model plugin answers with objects, classifications or relations, this one did not".to_owned()),
        },
        (PluginType::FileExplorer, Outcome::Result(result)) if result["status"] == "fail" => {
            Err(result["error"].as_str().map_or_else(|| "the plugin says that it failed".to_owned(), str::to_owned))
        }
        (_, Outcome::Result(result)) => plain(result),
        (_, Outcome::Error) => plain(Json::Null),
    }
}

/// The three shapes of a model's answer as one (specification, 4.3).
fn annotations(result: &Json) -> Option<Json> {
    let outer = result.as_object()?;
    let answer = outer.get("answer").and_then(Json::as_object).unwrap_or(outer);
    let objects = answer.get("objects").or_else(|| answer.get("tools"));
    if objects.is_none() && !answer.contains_key("classifications") && !answer.contains_key("relations") {
        return None;
    }
    let list = |value: Option<&Json>| match value {
        None | Some(Json::Null) => Some(json!([])),
        Some(list @ Json::Array(_)) => Some(list.clone()),
        Some(_) => None,
    };
    let mut same = json!({
        "objects": list(objects)?,
        "classifications": list(answer.get("classifications"))?,
        "relations": list(answer.get("relations"))?,
    });
    for (key, value) in outer {
        if matches!(key.as_str(), "brushDataUrl" | "medicalBrushDataUrl" | "externalId" | "data") {
            same[key.as_str()] = value.clone();
        }
    }
    Some(same)
}
