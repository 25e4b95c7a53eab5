//! Connections come and go, and sessions stay: who had a run when its connection closed, and who has it next.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{HubId, Timestamp};
use tokio::sync::mpsc;

use super::queue::later;
use super::{Active, Board, Carrier, Effect, Identity, LinkState, Place, QUARANTINE, within};
use crate::failure;
use crate::keyring::is_secret;
use crate::link::{Ending, Order};
use crate::wire::event::Heartbeat;

/// A client whose connection breaks is back within milliseconds; a new process takes longer to start.
const REUNION: Duration = Duration::from_secs(1);
/// The same for our own client, which waits between its attempts and says what it still works on when it is back.
const NATIVE_REUNION: Duration = Duration::from_secs(5);
/// How often a run is sent when processes end under it.
const ATTEMPTS: u32 = 2;

impl Board {
    /// A connection was accepted.
    pub(crate) fn arrived(&mut self, address: IpAddr, orders: mpsc::UnboundedSender<Order>, now: Timestamp) -> u64 {
        let number = self.next_link;
        self.next_link += 1;
        let state = LinkState {
            identity: Identity::Unknown,
            address,
            opened_at: now,
            heard_at: now,
            orders,
            sessions: 0,
            tasks: 0,
            native: None,
        };
        self.links.insert(number, state);
        self.unknown.insert((now, number));
        number
    }

    /// A connection says who it is. Each time counts, so that a rotated secret takes effect within a beat. A wrong one is not
    /// answered, and the connection stays open: a client that is cut off comes back at once, seventy times a second.
    pub(crate) fn heartbeat(&mut self, number: u64, said: Option<Heartbeat>, now: Timestamp, effects: &mut Vec<Effect>) {
        let proved = said.as_ref().and_then(|said| {
            let id: HubId = said.id.parse().ok()?;
            let entry = self.plugins.get_mut(&id)?;
            let proved = is_secret(&said.secret, &entry.record.secret_hash);
            entry.refused += u64::from(!proved);
            proved.then_some(id)
        });
        let Some(link) = self.links.get_mut(&number) else { return };
        let (before, opened_at, address) = (link.identity, link.opened_at, link.address);
        link.heard_at = now;
        let native = said.as_ref().and_then(|said| said.native.clone());
        let running = link.introduce(native);
        match (proved, before) {
            (Some(id), Identity::Bound(known)) if id == known => return self.claim(number, id, &running, now, effects),
            (Some(id), _) => link.identity = Identity::Bound(id),
            // Not what a real client sends; one odd beat is no reason to forget who it is.
            (None, _) if said.is_none() && matches!(before, Identity::Bound(_)) => return,
            (None, _) => link.identity = Identity::Refused,
        }
        self.unknown.remove(&(opened_at, number));
        if let Identity::Bound(known) = before {
            self.unbind(number, known, false, now);
        }
        if before == Identity::Refused {
            self.release(address);
        }
        match proved {
            Some(id) => {
                self.welcome(number, id);
                self.claim(number, id, &running, now, effects);
                self.bound(number, id, now, effects);
            }
            None => {
                self.refuse(number);
                let refused = self.quarantine.entry(address).or_default();
                *refused += 1;
                self.refusals += 1;
                // Said ever more seldom: somebody who tries all day must not fill the log.
                if self.refusals.is_power_of_two() || self.refusals.is_multiple_of(1000) {
                    tracing::warn!(peer = %address, connections = *refused, refusals = self.refusals, "a plugin's id and secret do not fit; it gets no runs");
                }
                if *refused > QUARANTINE
                    && let Some(link) = self.links.get(&number)
                {
                    let _ = link.orders.send(Order::Close);
                }
            }
        }
    }

    fn release(&mut self, address: IpAddr) {
        if let Some(refused) = self.quarantine.get_mut(&address) {
            *refused -= 1;
            if *refused == 0 {
                self.quarantine.remove(&address);
            }
        }
    }

    fn bound(&mut self, number: u64, plugin: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(entry) = self.plugins.get_mut(&plugin) else { return };
        entry.links.push(number);
        entry.left_at = None;
        self.appeared.push(plugin);
        let running: Vec<HubId> = entry.running.iter().copied().collect();
        let loses_answers = entry.answers_in_acks;
        let process = self.links.get(&number).and_then(|link| link.native.as_ref()).map(|native| Arc::clone(&native.process));
        for id in running {
            let Some(active) = self.sessions.get_mut(&id) else { continue };
            let Place::Orphan { kin_until, .. } = active.place else { continue };
            // Who says what it works on has said so, and this is not among it.
            let is_lost = process.is_some() && active.process == process;
            if is_lost {
                self.offer_again(id, now, effects);
            } else if now < kin_until && (process.is_some() || active.process.is_some()) {
                // Of another process, which may still come back.
            } else if now < kin_until && !loses_answers {
                // The process of before: it is still at work, and answers here.
                active.place = Place::Sent(Carrier::Link(number));
                self.count(id, Carrier::Link(number), true);
            } else {
                self.offer_again(id, now, effects);
            }
        }
        effects.push(Effect::Room);
        self.pump(plugin, now, effects);
    }

    /// Another process of the plugin is here: it gets the run, unless processes keep ending under it.
    pub(super) fn offer_again(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let attempts = self.sessions.get(&id).map_or(0, |active| active.session.attempts);
        if attempts >= ATTEMPTS {
            self.fail(id, failure::lost_again(), now, effects);
        } else {
            self.note(id, "the plugin's connection has gone and its answer with it; the run is sent again", now);
            self.requeue(id);
        }
    }

    /// A connection is gone. `received_at`: when it said something last; `limit`: bytes that a message may have.
    pub(crate) fn left(
        &mut self,
        number: u64,
        received_at: Timestamp,
        ending: &Ending,
        limit: usize,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.remove(&number) else { return };
        self.unknown.remove(&(link.opened_at, number));
        match link.identity {
            Identity::Unknown => {}
            Identity::Refused => self.release(link.address),
            Identity::Bound(plugin) => {
                if *ending == Ending::TooLarge {
                    self.overflow(number, plugin, limit, now, effects);
                }
                // A client that reconnects beats on the new connection before it closes the old one.
                let keeps_answers = |entry: &&super::Entry| !entry.answers_in_acks;
                let heir = self.plugins.get(&plugin).filter(keeps_answers).and_then(|entry| {
                    entry.links.iter().rev().copied().find(|other| {
                        let other = self.links.get(other).filter(|_| *other != number);
                        other.is_some_and(|other| other.opened_at >= received_at && other.address == link.address)
                    })
                });
                if let Some(heir) = heir {
                    self.inherit(number, heir, plugin);
                }
                self.unbind(number, plugin, *ending == Ending::Asked, now);
                self.pump(plugin, now, effects);
            }
        }
    }

    /// Which of its runs the oversized message was about is not known: all of them would end the next connection alike.
    fn overflow(&mut self, number: u64, plugin: HubId, limit: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        for id in self.sent_to(number, plugin) {
            self.fail(id, failure::too_large(limit), now, effects);
        }
    }

    fn inherit(&mut self, number: u64, heir: u64, plugin: HubId) {
        let process = self.links.get(&heir).and_then(|link| link.native.as_ref()).map(|native| Arc::clone(&native.process));
        for id in self.sent_to(number, plugin) {
            let is_kin = |active: &&mut Active| active.process.is_none() || active.process == process;
            if let Some(active) = self.sessions.get_mut(&id).filter(is_kin) {
                active.place = Place::Sent(Carrier::Link(heir));
                self.count(id, Carrier::Link(heir), true);
            }
        }
    }

    fn sent_to(&self, number: u64, plugin: HubId) -> Vec<HubId> {
        let Some(entry) = self.plugins.get(&plugin) else { return Vec::new() };
        let is_there =
            |id: &&HubId| self.sessions.get(*id).is_some_and(|active| active.place == Place::Sent(Carrier::Link(number)));
        entry.running.iter().filter(is_there).copied().collect()
    }

    /// Takes a connection from its plugin; what it had is without one.
    fn unbind(&mut self, number: u64, plugin: HubId, leaves: bool, now: Timestamp) {
        let orphans = self.sent_to(number, plugin);
        let Some(entry) = self.plugins.get_mut(&plugin) else { return };
        entry.links.retain(|other| *other != number);
        if entry.links.is_empty() {
            entry.left_at = Some(now);
        }
        for id in orphans {
            if let Some(active) = self.sessions.get_mut(&id) {
                // A client of our own says what it works on, and may need longer: it waits between its attempts.
                let reunion = match &active.process {
                    // It said goodbye.
                    Some(_) if leaves => Duration::ZERO,
                    Some(_) => NATIVE_REUNION,
                    None => REUNION,
                };
                active.place = Place::Orphan { since: now, kin_until: later(now, reunion) };
            }
        }
        if let Some(link) = self.links.get_mut(&number) {
            (link.sessions, link.tasks) = (0, 0);
        }
    }

    /// A REST plugin answered its heartbeat, or did not.
    pub(crate) fn answered(&mut self, plugin: HubId, is_here: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        let span = self.options.poll * 3;
        if let Some(entry) = self.plugins.get_mut(&plugin) {
            entry.answers_until = is_here.then(|| later(now, span));
            if is_here {
                self.appeared.push(plugin);
                self.pump(plugin, now, effects);
            }
        }
    }

    /// Whether this many more connections of an address make sense: false while too many of it are in quarantine.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        self.quarantine.get(&address).is_none_or(|refused| *refused <= QUARANTINE)
    }

    /// Asks every connection to close; how many there are.
    pub(crate) fn close_all(&mut self) -> usize {
        for link in self.links.values() {
            let _ = link.orders.send(Order::Close);
        }
        self.links.len()
    }

    /// Connections that did not say who they are in time.
    pub(super) fn close_strangers(&mut self, patience: Duration, now: Timestamp) {
        while let Some(&(opened_at, number)) = self.unknown.first() {
            if within(opened_at, patience, now) {
                break;
            }
            self.unknown.pop_first();
            if let Some(link) = self.links.get(&number) {
                let _ = link.orders.send(Order::Close);
            }
        }
    }
}
