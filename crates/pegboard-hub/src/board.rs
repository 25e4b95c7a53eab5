//! Everything that the hub knows while it runs: plugins, who is connected, sessions that have not ended. Pure: the time is an
//! argument, and what is to be done comes back as [`Effect`]s.
//!
//! Invariants: a session is in one place at a time; it ends once; a connection gets sessions of its own plugin only; what a
//! connection says counts only for sessions of the plugin that it proved to be.

mod answer;
mod native;
mod news;
mod place;
mod queue;
mod speech;
mod tick;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use pegboard_model::{
    Connector, HubId, RemotePlugin, Session, SessionCause, SessionLine, SessionProgress, SessionState, Timestamp,
};
use tokio::sync::{mpsc, watch};

use crate::link::Order;
use crate::options::HubOptions;
use crate::presence::Presence;

use native::NativeLink;

/// Sessions that have ended and whose late lines are still taken.
const LINGERING: usize = 2_000;
/// Connections of one address that said a wrong secret and are kept open.
const QUARANTINE: usize = 64;

/// What the driver has to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Make the payload and hand it over with [`Board::prepared`].
    Prepare { session: Arc<Session>, plugin: Arc<RemotePlugin>, carrier: Carrier },
    /// Store the session's document and these lines.
    Record { session: Arc<Session>, lines: Vec<SessionLine> },
    /// Append lines that came after the end.
    Append { session: HubId, lines: Vec<SessionLine> },
    /// The session has no trace any more: its key is useless from now on.
    Forget { key: HubId },
    /// More tasks of workflows may fit.
    Room,
    /// A plugin's light turned.
    Light { plugin: HubId, live: bool },
}

/// What takes a run to its plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carrier {
    /// A connection.
    Link(u64),
    /// A call to the plugin's address.
    Rest,
}

/// Where a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// In its plugin's queue.
    Queue,
    /// Its payload is being made.
    Preparing(Carrier),
    /// The plugin has it.
    Sent(Carrier),
    /// The plugin had it; its connection has gone.
    Orphan { since: Timestamp, kin_until: Timestamp },
    /// It has ended.
    Ended(Timestamp),
}

struct Active {
    session: Session,
    place: Place,
    lines: Vec<SessionLine>,
    /// Texts that no line may show.
    masks: Vec<String>,
    key: Option<HubId>,
    sent_at: Option<Timestamp>,
    /// The process of our own client that has it.
    process: Option<Arc<str>>,
    /// When the client said that its handler has ended.
    handled_at: Option<Timestamp>,
    /// Answers that came at once and without a reason: the client was busy.
    busy_answers: u32,
    /// Late answers that were said in the log.
    late: u32,
    changed: watch::Sender<u64>,
    /// What was told of it last.
    told: Option<(SessionState, Option<SessionProgress>)>,
}

struct Entry {
    record: Arc<RemotePlugin>,
    secret: Arc<str>,
    links: Vec<u64>,
    left_at: Option<Timestamp>,
    /// REST: until when it counts as there.
    answers_until: Option<Timestamp>,
    queue: VecDeque<HubId>,
    running: HashSet<HubId>,
    refused: u64,
    /// Its client answers in acknowledgements (releases 1.3.4 to 1.3.11): what it answers on a new connection is lost.
    answers_in_acks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Identity {
    Unknown,
    Bound(HubId),
    Refused,
}

struct LinkState {
    identity: Identity,
    address: IpAddr,
    opened_at: Timestamp,
    heard_at: Timestamp,
    orders: mpsc::UnboundedSender<Order>,
    sessions: u32,
    tasks: u32,
    /// Of a client of our own: which process it is, and how many sessions it takes at once.
    native: Option<NativeLink>,
}

/// See the module.
pub(crate) struct Board {
    options: HubOptions,
    plugins: HashMap<HubId, Entry>,
    links: HashMap<u64, LinkState>,
    /// Connections that have not said who they are, by age.
    unknown: BTreeSet<(Timestamp, u64)>,
    quarantine: HashMap<IpAddr, usize>,
    /// Heartbeats that were refused, of all connections.
    refusals: u64,
    sessions: HashMap<HubId, Active>,
    /// Sessions that changed and wait to be recorded.
    dirty: HashSet<HubId>,
    /// Sessions with a place other than `Ended`.
    open: HashSet<HubId>,
    lingering: VecDeque<HubId>,
    next_link: u64,
    /// Plugins whose light was told to be on.
    lit: HashSet<HubId>,
    /// Plugins that somebody connected for since the last tick.
    appeared: Vec<HubId>,
    /// When all lights were looked at.
    lights_at: Timestamp,
}

impl Board {
    pub(crate) fn new(options: HubOptions) -> Self {
        Self {
            options,
            plugins: HashMap::new(),
            links: HashMap::new(),
            unknown: BTreeSet::new(),
            quarantine: HashMap::new(),
            refusals: 0,
            sessions: HashMap::new(),
            dirty: HashSet::new(),
            open: HashSet::new(),
            lingering: VecDeque::new(),
            next_link: 1,
            lit: HashSet::new(),
            appeared: Vec::new(),
            lights_at: Timestamp(0),
        }
    }

    /// Adds a plugin, or takes its changed record. Whoever is connected with another secret than this is out at its next beat.
    pub(crate) fn put_plugin(&mut self, record: Arc<RemotePlugin>, secret: Arc<str>) {
        match self.plugins.get_mut(&record.id) {
            Some(entry) => {
                if entry.record.connector != record.connector {
                    entry.answers_until = None;
                }
                (entry.record, entry.secret) = (record, secret);
            }
            None => {
                let entry = Entry {
                    record: Arc::clone(&record),
                    secret,
                    links: Vec::new(),
                    left_at: None,
                    answers_until: None,
                    queue: VecDeque::new(),
                    running: HashSet::new(),
                    refused: 0,
                    answers_in_acks: false,
                };
                self.plugins.insert(record.id, entry);
            }
        }
    }

    /// Forgets a plugin: its sessions end, its connections are nobody's.
    pub(crate) fn remove_plugin(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let waiting: Vec<HubId> = self.open.iter().copied().filter(|one| self.sessions[one].session.plugin == id).collect();
        for session in waiting {
            let failure = crate::failure::removed();
            self.fail(session, failure, now, effects);
        }
        if let Some(entry) = self.plugins.remove(&id) {
            for link in entry.links {
                if let Some(state) = self.links.get_mut(&link) {
                    state.identity = Identity::Refused;
                }
            }
        }
    }

    pub(crate) fn plugin(&self, id: HubId) -> Option<&Arc<RemotePlugin>> {
        self.plugins.get(&id).map(|entry| &entry.record)
    }

    /// The plugin's name, when there is such a plugin.
    pub(crate) fn name(&self, id: HubId) -> Option<String> {
        self.plugins.get(&id).map(|entry| entry.record.name.clone())
    }

    pub(crate) fn plugins(&self) -> impl Iterator<Item = &Arc<RemotePlugin>> {
        self.plugins.values().map(|entry| &entry.record)
    }

    pub(crate) fn secret(&self, id: HubId) -> Option<Arc<str>> {
        self.plugins.get(&id).map(|entry| Arc::clone(&entry.secret))
    }

    /// How a plugin is, whether it is here or not. None for an unknown one.
    pub(crate) fn presence(&self, id: HubId, now: Timestamp) -> Option<Presence> {
        let entry = self.plugins.get(&id)?;
        let fresh: Vec<Timestamp> = entry
            .links
            .iter()
            .filter_map(|link| self.links.get(link))
            .map(|link| link.heard_at)
            .filter(|heard_at| within(*heard_at, self.options.time_to_live, now))
            .collect();
        let answers = entry.answers_until.is_some_and(|until| now < until);
        let in_grace = entry.left_at.is_some_and(|left_at| within(left_at, self.options.grace, now));
        Some(Presence {
            live: !fresh.is_empty() || answers || in_grace,
            connections: fresh.len() + usize::from(answers),
            heard_at: fresh.into_iter().max(),
            busy: entry.running.len(),
            queued: entry.queue.len(),
            refused: entry.refused,
        })
    }

    /// A session that has not ended, or has a moment ago.
    pub(crate) fn session(&self, id: HubId) -> Option<&Session> {
        self.sessions.get(&id).map(|active| &active.session)
    }

    /// Told at every change of the session and of its log, once recorded.
    pub(crate) fn watch(&self, id: HubId) -> Option<watch::Receiver<u64>> {
        self.sessions.get(&id).filter(|active| !active.is_over()).map(|active| active.changed.subscribe())
    }

    /// Place in the plugin's queue, from 1; none when it does not wait.
    pub(crate) fn position(&self, id: HubId) -> Option<usize> {
        let active = self.sessions.get(&id).filter(|active| active.place == Place::Queue)?;
        let entry = self.plugins.get(&active.session.plugin)?;
        entry.queue.iter().position(|other| *other == id).map(|position| position + 1)
    }

    /// Sessions that workflows' tasks have with a plugin.
    pub(crate) fn tasks_of(&self, plugin: HubId) -> usize {
        let Some(entry) = self.plugins.get(&plugin) else { return 0 };
        let is_task = |id: &&HubId| self.sessions.get(*id).is_some_and(Active::is_task);
        entry.queue.iter().chain(&entry.running).filter(is_task).count()
    }

    /// Tasks of workflows that the plugin can take at once; zero when it is not here.
    pub(crate) fn task_slots(&self, plugin: HubId, now: Timestamp) -> usize {
        let Some(presence) = self.presence(plugin, now).filter(|presence| presence.live) else { return 0 };
        let Some(entry) = self.plugins.get(&plugin) else { return 0 };
        let said = entry.links.iter().filter_map(|link| self.links.get(link)?.native.as_ref()?.concurrency).max();
        let each = entry.record.limits.tasks.or(said).unwrap_or(1);
        presence.connections.max(1) * each as usize
    }

    /// The plugin of the session that is under way with this key.
    pub(crate) fn plugin_of_key(&self, key: HubId) -> Option<&Arc<RemotePlugin>> {
        let has_it = |id: &&HubId| self.sessions[*id].key == Some(key);
        let session = self.open.iter().find(has_it)?;
        self.plugin(self.sessions[session].session.plugin)
    }

    /// The session of a workflow's task that is with a plugin.
    pub(crate) fn session_of_task(&self, task: HubId) -> Option<HubId> {
        let is_of = |id: &&HubId| matches!(self.sessions[*id].session.cause, SessionCause::Stage { task: of, .. } if of == task);
        self.open.iter().find(is_of).copied()
    }

    fn is_rest(&self, plugin: HubId) -> bool {
        self.plugins.get(&plugin).is_some_and(|entry| matches!(entry.record.connector, Connector::Rest { .. }))
    }
}

impl Active {
    fn new(session: Session, place: Place) -> Self {
        Self {
            session,
            place,
            lines: Vec::new(),
            masks: Vec::new(),
            key: None,
            sent_at: None,
            process: None,
            handled_at: None,
            busy_answers: 0,
            late: 0,
            changed: watch::Sender::new(0),
            told: None,
        }
    }

    fn is_task(&self) -> bool {
        matches!(self.session.cause, SessionCause::Stage { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self.place, Place::Ended(_))
    }

    fn is_export(&self) -> bool {
        self.session.plugin_type == pegboard_model::PluginType::Export
    }
}

/// Whether less than `span` has passed since `then`. A clock that was set back makes nobody older.
fn within(then: Timestamp, span: std::time::Duration, now: Timestamp) -> bool {
    u128::from(now.milliseconds_since(then)) < span.as_millis()
}
