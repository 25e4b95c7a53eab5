//! Who may call now, over all runs of this server: resources, stages that limit themselves, room at plugins.
//!
//! Invariants: no sum exceeds its limit; of calls that want the same the one with the higher priority goes first, then the one
//! that came first; a call that waits for much is not passed by later ones that want less of the same, so nobody starves. What
//! a call holds comes back when its permit is dropped, whatever became of the call.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pegboard_model::PluginName;
use tokio::sync::oneshot;

/// Sums of fractions may be off by this share of their limit.
const SLACK: f64 = 1e-9;

/// Something of which there is only so much.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// A resource of the machine, by its label.
    Resource(String),
    /// Calls of one stage.
    Stage { workflow: String, stage: String },
    /// Calls at one plugin.
    Plugin(PluginName),
}

/// How much of it a call wants; never more than there is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Want {
    pub(crate) key: Key,
    pub(crate) amount: f64,
    pub(crate) limit: f64,
}

impl Eq for Want {}

impl Hash for Want {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.amount.to_bits().hash(state);
    }
}

/// All that a call wants.
pub(crate) type Wants = Arc<[Want]>;
/// Higher priority first, then in order of arrival.
type Turn = (Reverse<i64>, u64);

/// Handle; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    used: HashMap<Key, f64>,
    /// Calls that want the same stand in one line.
    lines: HashMap<Wants, BTreeMap<Turn, oneshot::Sender<Permit>>>,
    arrived: u64,
}

/// Leave to call; holds what the call wanted until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Gate,
    wants: Wants,
}

/// A place in a line, left when dropped.
struct Place {
    gate: Gate,
    wants: Wants,
    turn: Turn,
    admitted: oneshot::Receiver<Permit>,
}

impl Gate {
    /// Waits for its turn. Safe to drop at any time.
    pub(crate) async fn admit(&self, wants: Wants, priority: i64) -> Option<Permit> {
        let mut place = {
            let mut state = self.state();
            let turn = (Reverse(priority), state.arrived);
            state.arrived += 1;
            let (admit, admitted) = oneshot::channel();
            state.lines.entry(Arc::clone(&wants)).or_default().insert(turn, admit);
            self.serve(&mut state);
            Place { gate: self.clone(), wants, turn, admitted }
        };
        // The sender goes away without an answer only with the place itself.
        (&mut place.admitted).await.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits everybody whose turn it is.
    fn serve(&self, state: &mut State) {
        let mut heads: BinaryHeap<Reverse<(Turn, usize)>> = BinaryHeap::with_capacity(state.lines.len());
        let mut lines: Vec<Wants> = Vec::with_capacity(state.lines.len());
        for (wants, line) in &state.lines {
            if let Some(turn) = line.keys().next() {
                heads.push(Reverse((*turn, lines.len())));
                lines.push(Arc::clone(wants));
            }
        }
        let mut reserved: HashSet<Key> = HashSet::new();
        while let Some(Reverse((_, number))) = heads.pop() {
            let wants = &lines[number];
            let has_room =
                |want: &Want| state.used.get(&want.key).copied().unwrap_or_default() + want.amount <= want.limit * (1.0 + SLACK);
            if wants.iter().all(|want| !reserved.contains(&want.key) && has_room(want)) {
                for want in wants.iter() {
                    *state.used.entry(want.key.clone()).or_default() += want.amount;
                }
                let Some(line) = state.lines.get_mut(wants) else { continue };
                if let Some((_, admit)) = line.pop_first() {
                    // The receiver is there: a place that goes away takes its turn out of the line first, under this lock.
                    let _ = admit.send(Permit { gate: self.clone(), wants: Arc::clone(wants) });
                }
                match line.keys().next() {
                    Some(turn) => heads.push(Reverse((*turn, number))),
                    None => drop(state.lines.remove(wants)),
                }
                continue;
            }
            // What it waits for is kept for it. Room at a plugin comes back soon, and is kept only when it is what is missing.
            for want in wants.iter() {
                if !matches!(want.key, Key::Plugin(_)) || !has_room(want) {
                    reserved.insert(want.key.clone());
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        for want in self.wants.iter() {
            if let Some(used) = state.used.get_mut(&want.key) {
                *used -= want.amount;
                if *used <= want.limit * SLACK {
                    state.used.remove(&want.key);
                }
            }
        }
        if !state.lines.is_empty() {
            self.gate.serve(&mut state);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        let Some(line) = state.lines.get_mut(&self.wants) else { return };
        let is_waiting = line.remove(&self.turn).is_some();
        if line.is_empty() {
            state.lines.remove(&self.wants);
        }
        // Others may have waited behind it.
        if is_waiting && !state.lines.is_empty() {
            self.gate.serve(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    fn cpus(amount: f64) -> Want {
        Want { key: Key::Resource("cpus".to_owned()), amount, limit: 2.0 }
    }

    fn room() -> Want {
        Want { key: Key::Plugin(PluginName::base()), amount: 1.0, limit: 1.0 }
    }

    /// Asks and looks once.
    fn ask(gate: &Gate, wants: &[Want], priority: i64) -> (BoxFuture<'static, Option<Permit>>, Option<Permit>) {
        let (gate, wants) = (gate.clone(), Wants::from(wants));
        let mut asked = async move { gate.admit(wants, priority).await }.boxed();
        let permit = (&mut asked).now_or_never().flatten();
        (asked, permit)
    }

    #[test]
    fn a_limit_holds_and_what_is_given_back_goes_on() {
        let gate = Gate::default();
        let first = ask(&gate, &[cpus(1.5)], 0).1.unwrap();
        let (second, none) = ask(&gate, &[cpus(1.0)], 0);
        assert!(none.is_none());
        assert!(ask(&gate, &[room()], 0).1.is_some(), "others are not concerned");
        drop(first);
        assert!(second.now_or_never().flatten().is_some());
        assert!(gate.state().used.is_empty() && gate.state().lines.is_empty());
    }

    #[test]
    fn who_wants_much_is_not_passed_by_who_wants_little() {
        let gate = Gate::default();
        let small = ask(&gate, &[cpus(1.0)], 0).1.unwrap();
        let (large, none) = ask(&gate, &[cpus(2.0)], 0);
        assert!(none.is_none());
        let (later, none) = ask(&gate, &[cpus(1.0)], 0);
        assert!(none.is_none(), "there is room, and it is kept for the large one");
        drop(small);
        let large = large.now_or_never().flatten().unwrap();
        let (later, none) = {
            let mut later = later;
            let permit = (&mut later).now_or_never().flatten();
            (later, permit)
        };
        assert!(none.is_none());
        drop(large);
        assert!(later.now_or_never().flatten().is_some());
    }

    #[test]
    fn higher_priority_goes_first_then_the_order_of_arrival() {
        let gate = Gate::default();
        let mut held = ask(&gate, &[room()], 0).1;
        let mut waiting: Vec<_> = [("low", -1), ("first", 0), ("second", 0), ("high", 5)]
            .map(|(name, priority)| (name, ask(&gate, &[room()], priority).0))
            .into();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(held.take());
            let turn = waiting.iter_mut().position(|(_, asked)| match asked.now_or_never().flatten() {
                Some(permit) => held.insert(permit).wants.len() == 1,
                None => false,
            });
            order.push(waiting.remove(turn.unwrap()).0);
        }
        assert_eq!(order, ["high", "first", "second", "low"]);
    }

    #[test]
    fn who_goes_away_leaves_no_trace() {
        let gate = Gate::default();
        let held = ask(&gate, &[cpus(1.0)], 0).1.unwrap();
        let large = ask(&gate, &[cpus(2.0)], 0).0;
        let (small, none) = ask(&gate, &[cpus(1.0)], 0);
        assert!(none.is_none());
        drop(large);
        let small = small.now_or_never().flatten().unwrap();
        // Admitted, but dropped before it heard of it.
        let unheard = ask(&gate, &[cpus(2.0)], 0).0;
        drop((held, small));
        drop(unheard);
        assert!(gate.state().used.is_empty() && gate.state().lines.is_empty());
    }
}
