//! Connections of our own client, which says more than the released ones: which process it is, what it works on, how much it takes
//! at once, how far it is; and which can be told things.
//!
//! Invariant: a session that such a client names is with it, whatever connection it had before; one that it does not name and
//! should have is not with it any more.

use std::sync::Arc;

use pegboard_model::{HubId, Timestamp};
use serde_json::json;

use super::{Board, Carrier, Effect, Identity, LinkState, Place};
use crate::link::Order;
use crate::wire::event::{Native, Progress};

/// What such a client may count on.
const FEATURES: [&str; 3] = ["progress", "cancel", "resume"];

/// What one said of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NativeLink {
    /// Tells one process from the next one.
    pub(super) process: Arc<str>,
    /// Sessions at once.
    pub(super) concurrency: Option<u32>,
}

impl LinkState {
    /// Takes what a heartbeat says besides id and secret; gives the sessions that it names.
    pub(super) fn introduce(&mut self, said: Option<Native>) -> Vec<HubId> {
        let Some(Native { process, running, concurrency }) = said else { return Vec::new() };
        self.native = Some(NativeLink { process: process.into(), concurrency });
        running
    }

    pub(super) fn concurrency(&self) -> Option<u32> {
        self.native.as_ref()?.concurrency
    }

    fn tell(&self, name: &'static str, payload: &serde_json::Value) {
        if self.native.is_some() {
            let _ = self.orders.send(Order::Tell { name, payload: payload.to_string() });
        }
    }
}

impl Board {
    /// It is let in.
    pub(super) fn welcome(&self, number: u64, plugin: HubId) {
        if let (Some(link), Some(entry)) = (self.links.get(&number), self.plugins.get(&plugin)) {
            link.tell("welcome", &json!({ "name": entry.record.name, "features": FEATURES }));
        }
    }

    /// It is not let in. Which of id and secret is wrong is not said.
    pub(super) fn refuse(&self, number: u64) {
        if let Some(link) = self.links.get(&number) {
            let message =
                "the hub knows no plugin with this id and secret; `pegboard hub show ID` and `pegboard hub rotate ID` help";
            link.tell("refused", &json!({ "message": message }));
        }
    }

    /// The process works on these sessions: they are with this connection now. Those that are over it may drop.
    pub(super) fn claim(&mut self, number: u64, plugin: HubId, running: &[HubId], now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(process) = self.links.get(&number).and_then(|link| Some(Arc::clone(&link.native.as_ref()?.process))) else {
            return;
        };
        for &id in running {
            let is_its_own = self.is_of(id, plugin);
            let Some(active) = self.sessions.get_mut(&id).filter(|active| is_its_own && !active.is_over()) else {
                self.tell_cancelled(id, Carrier::Link(number));
                continue;
            };
            let old = match active.place {
                Place::Sent(Carrier::Link(old)) if old == number => continue,
                // With another process by now: that one's answer and this one's are equally good, the first counts.
                Place::Sent(_) if active.process.as_deref() != Some(&*process) => continue,
                Place::Sent(carrier) => Some(carrier),
                Place::Orphan { .. } => None,
                // Not sent again yet, and need not be.
                Place::Queue => {
                    self.take_from_queue(id, plugin, now, effects);
                    None
                }
                Place::Preparing(_) | Place::Ended(_) => continue,
            };
            if let Some(carrier) = old {
                self.count(id, carrier, false);
            }
            if let Some(active) = self.sessions.get_mut(&id) {
                active.place = Place::Sent(Carrier::Link(number));
                active.process = Some(Arc::clone(&process));
            }
            self.count(id, Carrier::Link(number), true);
        }
    }

    /// The client need not go on with this session. Only a client of our own understands it.
    pub(super) fn tell_cancelled(&self, id: HubId, carrier: Carrier) {
        if let Carrier::Link(number) = carrier
            && let Some(link) = self.links.get(&number)
        {
            link.tell("cancel", &json!({ "session": id.to_string() }));
        }
    }

    /// A connection said how far a session is.
    pub(crate) fn progress(&mut self, number: u64, said: &Progress, now: Timestamp) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let Identity::Bound(plugin) = link.identity else { return };
        link.heard_at = now;
        if !self.is_of(said.session, plugin) {
            return;
        }
        if let Some(active) = self.sessions.get_mut(&said.session).filter(|active| !active.is_over())
            && said.progress.is_some()
            && active.session.progress != said.progress
        {
            active.session.progress = said.progress;
            self.dirty.insert(said.session);
        }
    }
}
