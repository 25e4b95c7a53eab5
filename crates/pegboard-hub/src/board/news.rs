//! What is worth telling: sessions that went on, lights that turned. Each is told once.

use std::time::Duration;

use pegboard_model::{HubId, Session, Timestamp};

use super::{Board, Effect, within};

/// How often lights are looked at that nobody has touched. They go out because time passes.
const LOOK: Duration = Duration::from_secs(1);

impl Board {
    /// Whether the session's state or progress differs from what was told last.
    pub(crate) fn is_new(&mut self, session: &Session) -> bool {
        let Some(active) = self.sessions.get_mut(&session.id) else { return true };
        let now = Some((session.state, session.progress));
        std::mem::replace(&mut active.told, now) != now
    }

    /// Tells of lights that went on, and now and then of those that went out; costs what the live plugins cost, not what all do.
    pub(super) fn look_at_lights(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let is_live = |board: &Self, plugin: HubId| board.presence(plugin, now).is_some_and(|presence| presence.live);
        for plugin in std::mem::take(&mut self.appeared) {
            if is_live(self, plugin) && self.lit.insert(plugin) {
                effects.push(Effect::Light { plugin, live: true });
            }
        }
        if within(self.lights_at, LOOK, now) {
            return;
        }
        self.lights_at = now;
        let out: Vec<HubId> = self.lit.iter().copied().filter(|plugin| !is_live(self, *plugin)).collect();
        for plugin in out {
            self.lit.remove(&plugin);
            effects.push(Effect::Light { plugin, live: false });
        }
    }
}
