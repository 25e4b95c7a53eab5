//! Triggers that trigger themselves.
//!
//! Everything that a trigger starts remembers which triggers, and how often each, stand among its causes. A trigger that would
//! fire because of itself for too many generations, or too often in a short time, is held back for a while, and it is said.
//! Only fires that the trigger itself is among the causes of are counted and held back: many runs that people start, and long
//! chains of different triggers, are never touched. Causes are kept in memory: a restart begins to count anew.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pegboard_model::RunId;
use uuid::Uuid;

/// How often a trigger may stand among the causes of what it fires for.
const GENERATIONS: u32 = 20;
/// How often a trigger may fire because of itself within [`WINDOW`].
const FIRES: usize = 60;
const WINDOW: Duration = Duration::from_secs(10);
/// How long a trigger is held back.
const HELD_BACK: Duration = Duration::from_secs(60);

/// How often each trigger stands among the causes of something.
pub(crate) type Causes = Arc<BTreeMap<Uuid, u32>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    events: HashMap<Uuid, Causes>,
    runs: HashMap<RunId, Causes>,
    /// When each trigger fired because of itself, lately.
    fires: HashMap<Uuid, VecDeque<Instant>>,
    held_back: HashMap<Uuid, Instant>,
}

/// Whether a trigger may fire.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// With these causes for what it starts.
    Fires(Causes),
    /// It began to be held back; why.
    Stopped(String),
    /// It is held back already.
    HeldBack,
}

impl Loops {
    /// May it fire for this event?
    pub(crate) fn ask(&mut self, trigger: Uuid, event: Uuid, now: Instant) -> Verdict {
        let causes = self.events.get(&event).cloned().unwrap_or_default();
        let generation = causes.get(&trigger).copied().unwrap_or(0);
        if generation > 0 {
            if self.held_back_until(trigger, now).is_some() {
                return Verdict::HeldBack;
            }
            let fires = self.fires.entry(trigger).or_default();
            while fires.front().is_some_and(|fire| now.duration_since(*fire) >= WINDOW) {
                fires.pop_front();
            }
            let reason = if generation >= GENERATIONS {
                Some(format!("it fired because of itself {generation} times in a row"))
            } else if fires.len() >= FIRES {
                Some(format!("it fired because of itself {FIRES} times within {} seconds", WINDOW.as_secs()))
            } else {
                None
            };
            if let Some(reason) = reason {
                self.fires.remove(&trigger);
                self.held_back.insert(trigger, now + HELD_BACK);
                return Verdict::Stopped(reason);
            }
            fires.push_back(now);
        }
        let mut causes = BTreeMap::clone(&causes);
        *causes.entry(trigger).or_default() += 1;
        Verdict::Fires(Arc::new(causes))
    }

    /// Until when what it causes itself does not fire it.
    pub(crate) fn held_back_until(&mut self, trigger: Uuid, now: Instant) -> Option<Instant> {
        let until = *self.held_back.get(&trigger)?;
        if until > now {
            return Some(until);
        }
        self.held_back.remove(&trigger);
        None
    }

    /// An event that comes from a trigger.
    pub(crate) fn event_caused(&mut self, event: Uuid, causes: Causes) {
        self.events.insert(event, causes);
    }

    /// A run that an event asked for.
    pub(crate) fn run_from_event(&mut self, run: RunId, event: Uuid) {
        if let Some(causes) = self.events.get(&event) {
            self.runs.insert(run, Arc::clone(causes));
        }
    }

    /// An event about a run.
    pub(crate) fn event_from_run(&mut self, event: Uuid, run: RunId) {
        if let Some(causes) = self.runs.get(&run) {
            self.events.insert(event, Arc::clone(causes));
        }
    }

    /// Nothing more will come from the event.
    pub(crate) fn forget_event(&mut self, event: Uuid) {
        self.events.remove(&event);
    }

    /// Nothing more will come from the run.
    pub(crate) fn forget_run(&mut self, run: RunId) {
        self.runs.remove(&run);
    }

    /// Only these triggers exist.
    pub(crate) fn keep(&mut self, exists: impl Fn(&Uuid) -> bool) {
        self.fires.retain(|trigger, _| exists(trigger));
        self.held_back.retain(|trigger, _| exists(trigger));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trigger fires for the event, and a run's own event follows from it.
    fn generation(loops: &mut Loops, trigger: Uuid, event: Uuid, now: Instant) -> Result<Uuid, Verdict> {
        match loops.ask(trigger, event, now) {
            Verdict::Fires(causes) => {
                let (request, run, finished) = (Uuid::new_v4(), RunId::random(), Uuid::new_v4());
                loops.event_caused(request, causes);
                loops.forget_event(event);
                loops.run_from_event(run, request);
                loops.forget_event(request);
                loops.event_from_run(finished, run);
                loops.forget_run(run);
                Ok(finished)
            }
            other => Err(other),
        }
    }

    #[test]
    fn a_trigger_in_a_circle_is_stopped_for_a_while() {
        let (mut loops, trigger, now) = (Loops::default(), Uuid::new_v4(), Instant::now());
        let mut event = Uuid::new_v4();
        for _ in 0..GENERATIONS {
            event = generation(&mut loops, trigger, event, now).unwrap();
        }
        let reason = "it fired because of itself 20 times in a row".to_owned();
        assert_eq!(generation(&mut loops, trigger, event, now), Err(Verdict::Stopped(reason)));
        assert_eq!(generation(&mut loops, trigger, event, now), Err(Verdict::HeldBack));
        // What others cause still fires it, but only once each.
        let fresh = generation(&mut loops, trigger, Uuid::new_v4(), now).unwrap();
        assert_eq!(generation(&mut loops, trigger, fresh, now), Err(Verdict::HeldBack));
        assert!(generation(&mut loops, trigger, fresh, now + HELD_BACK).is_ok());
    }

    #[test]
    fn circles_that_grow_are_stopped_by_their_rate() {
        let (mut loops, trigger, now) = (Loops::default(), Uuid::new_v4(), Instant::now());
        let mut events = VecDeque::from([Uuid::new_v4()]);
        let mut fired = 0;
        // Each event fires the trigger, and two events follow.
        let reason = loop {
            match loops.ask(trigger, events.pop_front().expect("it is stopped before"), now) {
                Verdict::Fires(causes) => {
                    fired += 1;
                    for event in [Uuid::new_v4(), Uuid::new_v4()] {
                        loops.event_caused(event, Arc::clone(&causes));
                        events.push_back(event);
                    }
                }
                Verdict::Stopped(reason) => break reason,
                Verdict::HeldBack => panic!("nobody said so"),
            }
        };
        assert_eq!((fired, reason.as_str()), (61, "it fired because of itself 60 times within 10 seconds"));
        // Spread over a longer time it is no storm.
        let (mut loops, mut event) = (Loops::default(), Uuid::new_v4());
        for second in 0..19 {
            event = generation(&mut loops, trigger, event, now + Duration::from_secs(second)).unwrap();
        }
    }

    #[test]
    fn long_chains_and_many_runs_are_left_alone() {
        let (mut loops, now) = (Loops::default(), Instant::now());
        let mut event = Uuid::new_v4();
        for _ in 0..200 {
            event = generation(&mut loops, Uuid::new_v4(), event, now).unwrap();
        }
        let trigger = Uuid::new_v4();
        for _ in 0..10_000 {
            generation(&mut loops, trigger, Uuid::new_v4(), now).unwrap();
        }
        assert!(loops.runs.is_empty());
    }
}
