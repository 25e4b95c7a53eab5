//! Whether and when a plugin's workers may be started, and whether its calls are let in: policy without clock or process.
//!
//! Invariant: [`decide`] is the only place that changes a [`History`], and time is its argument. A plugin is in one of three
//! standings. **Serving**: calls come in; after a crash the next start waits for the back-off. **Broken**: its code did not
//! load and no worker lives; calls are refused with that failure, but one is let through when the back-off is over, because
//! what was missing may have come. **Parked**: it crashed too often; the same, with longer pauses, and the one call that is
//! let through has to be answered before the others are.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pegboard_model::{Failure, FailureKind};

/// Pause before the second restart after crashes in a row, and before the first new attempt at code that does not load.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest such pause.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// A plugin without a crash for this long begins anew.
const HEALTHY: Duration = Duration::from_secs(60);
/// This many deaths without an answered call between …
const LOOP_DEATHS: usize = 5;
/// … within this time are a crash loop.
const LOOP_WINDOW: Duration = Duration::from_secs(60);
/// A parked plugin is tried again after this long at first.
const PARKED_FIRST: Duration = Duration::from_secs(60);
/// Longest such pause.
const PARKED_LAST: Duration = Duration::from_secs(600);

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Somebody calls.
    Called,
    /// The call that was let through as a probe went away before it was answered.
    ProbeWithdrawn,
    /// A worker is wanted for a call that was let in.
    WorkerWanted,
    /// A worker has loaded the plugin.
    Loaded,
    /// A worker could not be started or could not load the plugin.
    StartFailed {
        /// How.
        failure: Failure,
        /// Whether another worker of the plugin lives.
        others: bool,
    },
    /// A call was answered, well or not, and its worker lives.
    Answered {
        /// Whether it was the probe.
        probe: bool,
    },
    /// A worker died of itself. Never told of one that we ended for a cancelled or overdue call.
    Died {
        /// How.
        failure: Failure,
        /// Whether it was on the probe.
        probe: bool,
    },
    /// Other code took the place of this one.
    Replaced,
}

/// What to do about it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Decision {
    /// Nothing.
    Nothing,
    /// Let the call in.
    Admit,
    /// Let the call in alone: it finds out whether the plugin works again.
    Probe,
    /// Refuse the call.
    Refuse(Standing),
    /// Start a worker now.
    Start,
    /// Start one at this instant.
    StartAt(Instant),
    /// It works again: clear the failure.
    Recovered,
    /// Mark it broken; whoever waits is refused.
    Break(Failure),
    /// Mark it parked; whoever waits is refused.
    Park(Failure),
}

/// How the plugin stands.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum Standing {
    /// Calls are let in.
    #[default]
    Serving,
    /// Its code does not load.
    Broken(Failure),
    /// It crashed too often: how the last time, and how long after that a call may try it again.
    Parked(Failure, Duration),
}

/// What is remembered of one plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    standing: Standing,
    /// When a probe may go through; meaningful unless serving.
    probe_at: Option<Instant>,
    /// A probe is under way.
    probing: bool,
    /// Times that it was parked without an answered call since.
    parked: u32,
    /// Crashes and failed starts in a row.
    streak: u32,
    /// The last of them.
    last: Option<Instant>,
    /// Deaths within the window without an answered call between, oldest first; no more than make a loop.
    deaths: VecDeque<Instant>,
    /// No start before.
    not_before: Option<Instant>,
}

impl History {
    /// A plugin of which a former server said that it was broken or parked: the first call may try.
    pub(crate) fn restored(standing: Standing) -> Self {
        Self { standing, ..Self::default() }
    }

    /// How the plugin stands.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Another crash or failed start; begins anew after a healthy time.
    fn stumble(&mut self, now: Instant) -> u32 {
        if self.last.is_none_or(|last| now.duration_since(last) >= HEALTHY) {
            self.streak = 0;
        }
        self.last = Some(now);
        self.streak = self.streak.saturating_add(1);
        self.streak
    }

    fn park(&mut self, failure: Failure, now: Instant) -> Decision {
        self.parked = self.parked.saturating_add(1);
        let pause = doubled(PARKED_FIRST, self.parked - 1, PARKED_LAST);
        self.probe_at = Some(now + pause);
        self.probing = false;
        self.deaths.clear();
        self.standing = Standing::Parked(failure.clone(), pause);
        Decision::Park(failure)
    }

    fn recovered(&mut self) -> Decision {
        self.standing = Standing::Serving;
        self.probing = false;
        self.probe_at = None;
        self.parked = 0;
        self.deaths.clear();
        Decision::Recovered
    }
}

/// The policy.
pub(crate) fn decide(history: &mut History, event: Event, now: Instant) -> Decision {
    match event {
        Event::Called if history.standing == Standing::Serving => Decision::Admit,
        Event::Called if !history.probing && history.probe_at.is_none_or(|at| now >= at) => {
            history.probing = true;
            Decision::Probe
        }
        Event::Called => Decision::Refuse(history.standing.clone()),
        Event::ProbeWithdrawn => {
            history.probing = false;
            Decision::Nothing
        }
        Event::WorkerWanted => match history.not_before {
            Some(at) if at > now => Decision::StartAt(at),
            _ => Decision::Start,
        },
        Event::Loaded if matches!(history.standing, Standing::Broken(_)) => history.recovered(),
        Event::Loaded => Decision::Nothing,
        Event::Answered { probe: true } => history.recovered(),
        // It works, if not with every call: what ends a worker now and then is no loop.
        Event::Answered { probe: false } => {
            history.deaths.clear();
            history.streak = 0;
            Decision::Nothing
        }
        Event::StartFailed { failure, others } => {
            let streak = history.stumble(now);
            let next = now + doubled(BACKOFF_FIRST, streak - 1, BACKOFF_LAST);
            history.not_before = Some(next);
            match history.standing {
                Standing::Serving if others => Decision::Nothing,
                Standing::Parked(..) => history.park(failure, now),
                Standing::Serving | Standing::Broken(_) => {
                    history.probe_at = Some(next);
                    history.probing = false;
                    history.standing = Standing::Broken(failure.clone());
                    Decision::Break(failure)
                }
            }
        }
        Event::Died { failure, probe } => {
            let streak = history.stumble(now);
            let pause = if streak == 1 { Duration::ZERO } else { doubled(BACKOFF_FIRST, streak - 2, BACKOFF_LAST) };
            history.not_before = Some(now + pause);
            if matches!(history.standing, Standing::Parked(..)) {
                // A bystander that dies says nothing new.
                return if probe { history.park(failure, now) } else { Decision::Nothing };
            }
            history.deaths.push_back(now);
            while history.deaths.front().is_some_and(|&first| now.duration_since(first) > LOOP_WINDOW) {
                history.deaths.pop_front();
            }
            if history.deaths.len() >= LOOP_DEATHS { history.park(failure, now) } else { Decision::Nothing }
        }
        Event::Replaced => {
            *history = History::default();
            Decision::Nothing
        }
    }
}

/// The failure that a refused call gets: what happened to the plugin, and the command that mends it.
pub(crate) fn refusal(plugin: &str, standing: &Standing) -> Failure {
    match standing {
        Standing::Serving => Failure::noticed(FailureKind::Unavailable, format!("plugin `{plugin}` takes no calls now")),
        Standing::Broken(failure) => {
            let mut failure = failure.clone();
            // What the machine lacks is not the plugin's fault; anything else is a load that failed.
            if !matches!(failure.kind, FailureKind::Unavailable | FailureKind::Exhausted) {
                failure.kind = FailureKind::Load;
            }
            failure.hint = Some(match failure.hint {
                Some(hint) if hint.contains("`pegboard ") => hint,
                Some(hint) => format!("{hint}; then {}", mend(plugin)),
                None => format!("mend it, then {}", mend(plugin)),
            });
            failure
        }
        Standing::Parked(last, pause) => Failure {
            kind: FailureKind::Unavailable,
            class: last.class.clone(),
            message: format!("plugin `{plugin}` is parked because its workers keep dying; the last one: {}", last.message),
            traceback: last.traceback.clone(),
            hint: Some(format!(
                "mend it, then {}; unmended, one call may try it again {} s after that",
                mend(plugin),
                pause.as_secs()
            )),
        },
    }
}

fn mend(plugin: &str) -> String {
    format!("run `pegboard plugin reload {plugin}`, or `pegboard upgrade {plugin}` when it is not installed in place")
}

/// `first`, doubled `times` times, at most `last`.
fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(last)
}

#[cfg(test)]
mod tests;
