//! The world of the board's tests: time is a number, connections are channels, effects are carried out by hand.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{
    Connector, HubId, LogLevel, PluginLimits, PluginType, RemotePlugin, Session, SessionCause, SessionState, Timestamp,
};
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;

use super::super::{Board, Effect, queue};
use crate::keyring::hash_secret;
use crate::link::{Ending, Order};
use crate::options::HubOptions;
use crate::wire::event::{Heartbeat, Line, Outcome, Response};

pub(super) const SECRET: &str = "5d3c3b8e-0000-4000-8000-000000000000";
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) struct World {
    pub(super) board: Board,
    pub(super) plugin: HubId,
    pub(super) now: Timestamp,
    /// Sessions as they were stored last, in the order of their storing.
    pub(super) stored: Vec<Session>,
    pub(super) appended: Vec<String>,
    pub(super) prepared: Vec<HubId>,
}

pub(super) struct Script {
    pub(super) number: u64,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
}

impl World {
    pub(super) fn new(plugin_type: PluginType) -> Self {
        Self::with(plugin_type, HubOptions::default())
    }

    pub(super) fn with(plugin_type: PluginType, options: HubOptions) -> Self {
        let mut board = Board::new(options);
        let plugin = record(plugin_type);
        let id = plugin.id;
        board.put_plugin(Arc::new(plugin), SECRET.into());
        let now = Timestamp(1_700_000_000_000_000);
        Self { board, plugin: id, now, stored: Vec::new(), appended: Vec::new(), prepared: Vec::new() }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = queue::later(self.now, span);
    }

    /// Carries out effects as the driver does: payloads are made at once.
    pub(super) fn run(&mut self, change: impl FnOnce(&mut Board, Timestamp, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        change(&mut self.board, self.now, &mut effects);
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Record { session, .. } => self.stored.push(Session::clone(&session)),
                    Effect::Append { lines, .. } => self.appended.extend(lines.into_iter().map(|line| line.text)),
                    Effect::Prepare { session, .. } => {
                        self.prepared.push(session.id);
                        self.board.prepared(session.id, "{}", vec!["api-key".into()], None, self.now, &mut effects);
                    }
                    Effect::Forget { .. } | Effect::Room | Effect::Light { .. } => {}
                }
            }
        }
    }

    pub(super) fn tick(&mut self, after: Duration) {
        self.pass(after);
        self.run(Board::tick);
    }

    pub(super) fn connect(&mut self, secret: &str) -> Script {
        let (sender, orders) = mpsc::unbounded_channel();
        let number = self.board.arrived(HERE, sender, self.now);
        self.beat(number, secret);
        Script { number, orders }
    }

    pub(super) fn beat(&mut self, number: u64, secret: &str) {
        let said = Heartbeat { id: self.plugin.to_string(), secret: secret.to_owned(), native: None };
        self.run(|board, now, effects| board.heartbeat(number, Some(said), now, effects));
    }

    pub(super) fn leave(&mut self, script: &Script, received_at: Timestamp, ending: Ending) {
        let number = script.number;
        self.run(|board, now, effects| board.left(number, received_at, &ending, 1 << 20, now, effects));
    }

    pub(super) fn ask(&mut self, plugin_type: PluginType, project: Option<HubId>, cause: SessionCause) -> HubId {
        let session = session(self.plugin, plugin_type, project, cause, self.now);
        let id = session.id;
        self.run(|board, now, effects| board.enqueue(session, now, effects));
        id
    }

    pub(super) fn user(&mut self, plugin_type: PluginType) -> HubId {
        self.ask(plugin_type, Some(HubId::random()), SessionCause::User)
    }

    pub(super) fn task(&mut self) -> HubId {
        let cause = SessionCause::Stage { stage: "S".into(), task: HubId::random() };
        self.ask(PluginType::Model, Some(HubId::random()), cause)
    }

    pub(super) fn answer(&mut self, number: u64, session: HubId, outcome: Outcome) {
        let response = Response { session: Some(session), outcome, is_cancelled: false, reason: None };
        self.run(|board, now, effects| board.response(number, response, now, effects));
    }

    pub(super) fn say(&mut self, number: u64, session: HubId, level: LogLevel, text: &str) {
        let line = Line { session: Some(session), level, text: text.to_owned(), more: Map::new(), progress: None };
        self.run(|board, now, effects| board.line(number, line, now, effects));
    }

    /// As it was stored last.
    pub(super) fn stored(&self, id: HubId) -> &Session {
        self.stored.iter().rev().find(|session| session.id == id).expect("stored")
    }

    pub(super) fn live(&self) -> bool {
        self.board.presence(self.plugin, self.now).unwrap().live
    }

    pub(super) fn code(&self, id: HubId) -> &str {
        let session = self.stored(id);
        assert_eq!(session.state, SessionState::Failed);
        &session.failure.as_ref().unwrap().code
    }
}

impl Script {
    /// Sessions that were sent to it since the last look.
    pub(super) fn sent(&mut self) -> Vec<HubId> {
        let mut sent = Vec::new();
        while let Ok(Order::Run { session, .. }) = self.orders.try_recv() {
            sent.push(session);
        }
        sent
    }
}

pub(super) fn record(plugin_type: PluginType) -> RemotePlugin {
    RemotePlugin {
        id: HubId::random(),
        organization: HubId::random(),
        name: "p".to_owned(),
        description: String::new(),
        details: String::new(),
        banner_url: String::new(),
        plugin_type,
        class_names: Vec::new(),
        public: false,
        listed: false,
        default_config: "{}".to_owned(),
        config_schema: None,
        connector: Connector::Socket,
        limits: PluginLimits::default(),
        old_export: false,
        secret_hash: hash_secret(SECRET),
        sealed_secret: String::new(),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
    }
}

pub(super) fn session(
    plugin: HubId,
    plugin_type: PluginType,
    project: Option<HubId>,
    cause: SessionCause,
    now: Timestamp,
) -> Session {
    Session {
        id: HubId::random(),
        plugin,
        plugin_type,
        organization: HubId::random(),
        project,
        run_by: HubId::random(),
        cause,
        state: SessionState::Queued,
        config: "{}".to_owned(),
        classes: Vec::new(),
        parameters: Map::new(),
        created_at: now,
        started_at: None,
        finished_at: None,
        timeout_ms: 60_000,
        attempts: 0,
        not_before: None,
        result: Json::Null,
        result_object: None,
        download: None,
        failure: None,
        progress: None,
        last_error: None,
        log: Default::default(),
        retry_of: None,
    }
}
