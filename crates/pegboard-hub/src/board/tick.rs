//! What happens because time passes.

use std::time::Duration;

use pegboard_model::{HubId, Timestamp};

use super::{Board, Carrier, Effect, Place, within};
use crate::failure;

/// Who has not said its name by then is closed.
const STRANGERS: Duration = Duration::from_secs(10);
/// From the end of a client's handler until an answer is not waited for any more.
const UNANSWERED: Duration = Duration::from_millis(400);

impl Board {
    /// Looks at the clock. To be called a few times a second; costs what the open sessions cost, not what the plugins do.
    pub(crate) fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.close_strangers(STRANGERS, now);
        self.look_at_lights(now, effects);
        self.forget_old(now, effects);
        let open: Vec<HubId> = self.open.iter().copied().collect();
        for id in open {
            self.look_at(id, now, effects);
        }
        let dirty: Vec<HubId> = self.dirty.iter().copied().collect();
        for id in dirty {
            self.record(id, effects);
        }
        self.dirty.clear();
    }

    fn look_at(&mut self, id: HubId, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(active) = self.sessions.get(&id) else { return };
        let (plugin, place) = (active.session.plugin, active.place);
        let limit = Duration::from_millis(active.session.timeout_ms);
        let is_late = active.sent_at.is_some_and(|sent_at| !within(sent_at, limit, now));
        match place {
            Place::Queue => {
                let queue_limit = self.options.queue_limit;
                if !within(active.session.created_at, queue_limit, now) {
                    self.fail(id, failure::never_taken(queue_limit), now, effects);
                } else if active.session.not_before.is_some_and(|not_before| now >= not_before) {
                    self.pump(plugin, now, effects);
                }
            }
            Place::Sent(_) | Place::Preparing(_) | Place::Orphan { .. } if is_late => {
                let failure = failure::timeout(limit, active.session.progress);
                self.fail(id, failure, now, effects);
            }
            Place::Sent(_) => {
                if active.handled_at.is_some_and(|handled_at| !within(handled_at, UNANSWERED, now)) {
                    self.end_unanswered(id, now, effects);
                }
            }
            Place::Orphan { since, kin_until } => {
                let is_here = self.plugins.get(&plugin).is_some_and(|entry| !entry.links.is_empty());
                let answers = self.is_rest(plugin) && self.presence(plugin, now).is_some_and(|presence| presence.live);
                if (is_here || answers) && now >= kin_until {
                    self.offer_again(id, now, effects);
                    self.pump(plugin, now, effects);
                } else if !within(since, self.options.orphan_grace, now) {
                    self.fail(id, failure::left(), now, effects);
                }
            }
            Place::Preparing(Carrier::Link(_) | Carrier::Rest) | Place::Ended(_) => {}
        }
    }
}
