//! Which files have a worker now: no more than `dashboard.workers` of them, those that were asked last.
//!
//! Invariants: a file that is being asked keeps its worker; a file without one is asked like any other, its worker starts again and
//! is told what the former one was told last; so the bound is seen in memory and in milliseconds, never in an answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pegboard_model::PluginName;
use tokio::sync::Notify;

use super::PanelFile;
use crate::app::App;

/// Files with workers.
#[derive(Default)]
pub(crate) struct Rota {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// By key of the file.
    living: BTreeMap<u64, Living>,
    /// Asked so often.
    asked: u64,
}

struct Living {
    name: PluginName,
    /// The question that was the last one; 0: none yet.
    last: u64,
    /// Questions under way.
    running: usize,
}

/// Keeps a file's worker while it is asked.
pub(crate) struct Held<'a> {
    rota: &'a Rota,
    key: u64,
}

impl Rota {
    /// Makes room for the file's worker, if it has none, and holds it. Waits while all others are being asked.
    pub(crate) async fn hold<'a>(&'a self, app: &App, file: &PanelFile) -> Held<'a> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let most = app.settings.dashboard.workers;
            if self.state().hold(file.key, &file.name, most, |name| app.engine.rest(name)) {
                return Held { rota: self, key: file.key };
            }
            freed.await;
        }
    }

    /// The file was loaded, so it has a worker: which goes again when there are enough. `is_first`: nobody can have asked it yet.
    pub(crate) fn loaded(&self, app: &App, file: &PanelFile, is_first: bool) {
        let rest = |name: &PluginName| app.engine.rest(name);
        self.state().loaded(file.key, &file.name, is_first, app.settings.dashboard.workers, rest);
    }

    /// The file is gone.
    pub(crate) fn forget(&self, file: &PanelFile) {
        self.state().living.remove(&file.key);
        self.freed.notify_waiters();
    }

    /// Whether the file's worker has left, to come back when it is asked.
    pub(crate) fn is_resting(&self, file: &PanelFile) -> bool {
        !self.state().living.contains_key(&file.key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hold(&mut self, key: u64, name: &PluginName, most: usize, rest: impl Fn(&PluginName)) -> bool {
        if !self.living.contains_key(&key) && !self.make_room(most, rest) {
            return false;
        }
        self.asked += 1;
        let living = self.living.entry(key).or_insert_with(|| Living { name: name.clone(), last: 0, running: 0 });
        living.last = self.asked;
        living.running += 1;
        true
    }

    fn loaded(&mut self, key: u64, name: &PluginName, is_first: bool, most: usize, rest: impl Fn(&PluginName)) {
        if self.living.contains_key(&key) {
            return;
        }
        // Whoever has saved it looks at it, probably; of those that come with the start nobody knows.
        let has_room = if is_first { self.living.len() < most } else { self.make_room(most, &rest) };
        if has_room {
            self.living.insert(key, Living { name: name.clone(), last: if is_first { 0 } else { self.asked }, running: 0 });
        } else {
            rest(name);
        }
    }

    /// Sends away who was asked longest ago, if there are enough already.
    fn make_room(&mut self, most: usize, rest: impl Fn(&PluginName)) -> bool {
        if self.living.len() < most {
            return true;
        }
        let idle = self.living.iter().filter(|(_, living)| living.running == 0);
        let Some(key) = idle.min_by_key(|(_, living)| living.last).map(|(key, _)| *key) else { return false };
        if let Some(living) = self.living.remove(&key) {
            rest(&living.name);
        }
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(living) = self.rota.state().living.get_mut(&self.key) {
            living.running = living.running.saturating_sub(1);
        }
        self.rota.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_one_asked_longest_ago_makes_room_and_nobody_who_is_asked() {
        let mut state = State::default();
        let rested = RefCell::new(Vec::new());
        let rest = |name: &PluginName| rested.borrow_mut().push(name.to_string());
        let name = PluginName::panel;
        for key in 1..=3 {
            state.loaded(key, &name(key), true, 2, rest);
        }
        assert_eq!(rested.take(), [name(3).to_string()], "there is room for two");
        assert!(state.hold(1, &name(1), 2, rest) && state.hold(3, &name(3), 2, rest));
        assert_eq!(rested.take(), [name(2).to_string()]);
        assert!(!state.hold(2, &name(2), 2, rest), "both are being asked");
        assert!(state.hold(3, &name(3), 2, rest), "one that is there needs no room");
        state.living.get_mut(&3).unwrap().running = 0;
        assert!(state.hold(2, &name(2), 2, rest));
        assert_eq!(rested.take(), [name(3).to_string()]);
        // A file that is saved comes before those that nobody asks.
        state.living.get_mut(&1).unwrap().running = 0;
        state.loaded(3, &name(3), false, 2, rest);
        assert_eq!(rested.take(), [name(1).to_string()]);
        state.living.get_mut(&3).unwrap().running = 1;
        state.loaded(1, &name(1), false, 2, rest);
        assert_eq!(rested.take(), [name(1).to_string()], "no room at all: it leaves and comes back when it is asked");
    }
}
