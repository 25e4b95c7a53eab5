//! What is sent next, and through which connection.

use std::sync::Arc;

use pegboard_model::{Connector, HubId, PluginType, RemotePlugin, Session, SessionState, Timestamp};

use super::{Active, Board, Carrier, Effect, Place, within};
use crate::failure;

impl Board {
    /// A session that is stored and waits for its turn.
    pub(crate) fn enqueue(&mut self, session: Session, now: Timestamp, effects: &mut Vec<Effect>) {
        let (id, plugin) = (session.id, session.plugin);
        self.sessions.insert(id, Active::new(session, Place::Queue));
        self.open.insert(id);
        if let Some(entry) = self.plugins.get_mut(&plugin) {
            entry.queue.push_back(id);
            self.pump(plugin, now, effects);
        } else {
            self.fail(id, failure::removed(), now, effects);
        }
    }

    /// A session that was not over when the last server stopped.
    pub(crate) fn resume(&mut self, session: Session, now: Timestamp, effects: &mut Vec<Effect>) {
        if session.state == SessionState::Queued {
            return self.enqueue(session, now, effects);
        }
        let (id, plugin) = (session.id, session.plugin);
        let kin_until = self.options.reunion.map_or(now, |span| later(now, span));
        let sent_at = session.started_at;
        let mut active = Active::new(session, Place::Orphan { since: now, kin_until });
        active.sent_at = sent_at;
        self.sessions.insert(id, active);
        self.open.insert(id);
        match self.plugins.get_mut(&plugin) {
            Some(entry) => drop(entry.running.insert(id)),
            None => self.fail(id, failure::removed(), now, effects),
        }
    }

    /// Sends what can be sent of a plugin's queue, in its order; what must wait does not hold up what need not.
    pub(crate) fn pump(&mut self, plugin: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(entry) = self.plugins.get(&plugin) else { return };
        let record = Arc::clone(&entry.record);
        let waiting: Vec<HubId> = entry.queue.iter().copied().collect();
        for id in waiting {
            let Some(active) = self.sessions.get(&id) else { continue };
            let is_task = active.is_task();
            if active.session.not_before.is_some_and(|not_before| now < not_before) || self.collides(active) {
                continue;
            }
            let Some(carrier) = self.carrier(&record, is_task, now) else {
                // No room for this kind; when there is none for either, nothing else of the queue goes.
                if self.carrier(&record, !is_task, now).is_none() {
                    break;
                }
                continue;
            };
            self.begin(id, record.clone(), carrier, now, effects);
        }
    }

    /// Two exports of one project by one plugin may use the same files: one after the other (specification, trap 18).
    fn collides(&self, active: &Active) -> bool {
        let Some(entry) = self.plugins.get(&active.session.plugin).filter(|_| active.is_export()) else { return false };
        let same = |id: &HubId| self.sessions.get(id).is_some_and(|other| other.session.project == active.session.project);
        entry.running.iter().any(same)
    }

    /// The live connection with the fewest sessions, the one that was heard last among equals; none when all are full.
    fn carrier(&self, record: &RemotePlugin, is_task: bool, now: Timestamp) -> Option<Carrier> {
        let entry = self.plugins.get(&record.id)?;
        // What the record says comes first, then what the client says.
        let (said, said_tasks) = (record.limits.sessions, record.limits.tasks);
        let most = said.unwrap_or(self.options.sessions_per_connection);
        let most_tasks = said_tasks.unwrap_or(1);
        if matches!(record.connector, Connector::Rest { .. }) && entry.links.is_empty() {
            let is_here = entry.answers_until.is_some_and(|until| now < until);
            let tasks = entry.running.iter().filter(|id| self.sessions.get(id).is_some_and(Active::is_task)).count();
            let room = entry.running.len() < most as usize && (!is_task || tasks < most_tasks as usize);
            return (is_here && room).then_some(Carrier::Rest);
        }
        let free = entry.links.iter().filter_map(|number| Some((*number, self.links.get(number)?))).filter(|(_, link)| {
            let most = said.or(link.concurrency()).unwrap_or(most);
            let most_tasks = said_tasks.or(link.concurrency()).unwrap_or(most_tasks);
            let room = if is_task { link.tasks < most_tasks } else { link.sessions < most };
            room && within(link.heard_at, self.options.time_to_live, now)
        });
        free.min_by_key(|(_, link)| (link.sessions, std::cmp::Reverse(link.heard_at))).map(|(number, _)| Carrier::Link(number))
    }

    fn begin(&mut self, id: HubId, record: Arc<RemotePlugin>, carrier: Carrier, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        active.place = Place::Preparing(carrier);
        active.session.state = SessionState::Running;
        active.session.attempts += 1;
        active.session.started_at.get_or_insert(now);
        active.session.not_before = None;
        (active.sent_at, active.handled_at) = (Some(now), None);
        let session = Arc::new(active.session.clone());
        self.count(id, carrier, true);
        if let Some(entry) = self.plugins.get_mut(&record.id) {
            entry.queue.retain(|other| *other != id);
            entry.running.insert(id);
        }
        self.record(id, effects);
        effects.push(Effect::Prepare { session, plugin: record, carrier });
    }

    /// Out of the queue without being sent: a client has it already.
    pub(super) fn take_from_queue(&mut self, id: HubId, plugin: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        active.session.state = SessionState::Running;
        active.session.started_at.get_or_insert(now);
        active.session.not_before = None;
        active.sent_at = Some(active.sent_at.unwrap_or(now));
        if let Some(entry) = self.plugins.get_mut(&plugin) {
            entry.queue.retain(|other| *other != id);
            entry.running.insert(id);
        }
        self.record(id, effects);
    }

    /// Back to the front of the queue.
    pub(super) fn requeue(&mut self, id: HubId) {
        let Some(active) = self.sessions.get_mut(&id) else { return };
        let old = std::mem::replace(&mut active.place, Place::Queue);
        active.session.state = SessionState::Queued;
        let plugin = active.session.plugin;
        if let Place::Preparing(carrier) | Place::Sent(carrier) = old {
            self.count(id, carrier, false);
        }
        if let Some(entry) = self.plugins.get_mut(&plugin) {
            entry.running.remove(&id);
            entry.queue.push_front(id);
        }
        self.dirty.insert(id);
    }

    /// Counts a session in or out of what its connection has.
    pub(super) fn count(&mut self, id: HubId, carrier: Carrier, comes: bool) {
        let is_task = self.sessions.get(&id).is_some_and(Active::is_task);
        let Carrier::Link(number) = carrier else { return };
        let Some(link) = self.links.get_mut(&number) else { return };
        let step = |count: u32| if comes { count + 1 } else { count.saturating_sub(1) };
        link.sessions = step(link.sessions);
        if is_task {
            link.tasks = step(link.tasks);
        }
    }

    /// Whether somebody waits at a screen for sessions like this one.
    pub(crate) fn is_interactive(plugin_type: PluginType, parameters: &serde_json::Map<String, serde_json::Value>) -> bool {
        plugin_type == PluginType::FileExplorer && parameters.get("upload") != Some(&serde_json::Value::Bool(true))
    }
}

/// The instant so much later.
pub(super) fn later(then: Timestamp, span: std::time::Duration) -> Timestamp {
    Timestamp(then.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)))
}
