//! Numbers over time, sampled in the background so that no request waits for them. Bounded: six hours, five seconds apart, and
//! no number is kept per run or per event.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use pegboard_flow::RunEvent;
use pegboard_model::{RunState, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::proc::{Machine, Reading, python_version};
use crate::app::App;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(5);
/// Six hours of them.
const KEPT: usize = 6 * 60 * 60 / 5;
/// Upper bounds in milliseconds, as the dialect's clients expect them.
pub(super) const BOUNDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10_000.0];

/// How often something took how long, in milliseconds, since the start of the server.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// One per bound, and one for what is above the last.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    fn add(&mut self, milliseconds: f64) {
        self.min = if self.count == 0 { milliseconds } else { self.min.min(milliseconds) };
        self.max = self.max.max(milliseconds);
        self.count += 1;
        self.sum += milliseconds;
        let bucket = BOUNDS.iter().position(|bound| milliseconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket] += 1;
    }
}

/// What the server counts itself.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub(super) requests: Histogram,
    pub(super) runs: Histogram,
    pub(super) runs_failed: u64,
}

/// One sample; shares are of the interval before it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Nanoseconds since the epoch: the interval that it is about.
    pub(super) begin: i64,
    pub(super) end: i64,
    pub(super) reading: Reading,
    /// Of this process, in percent of one processor.
    pub(super) cpu_percent: f64,
    pub(super) machine_user: f64,
    pub(super) machine_system: f64,
    pub(super) counts: Counts,
}

/// The samples, and the counts between them.
#[derive(Default)]
pub(crate) struct Sampler {
    samples: Mutex<VecDeque<Sample>>,
    counts: Mutex<Counts>,
    machine: Mutex<(Machine, Option<String>)>,
}

impl Sampler {
    /// One request of the dialect was answered.
    pub(super) fn request(&self, took: Duration) {
        self.counting(|counts| counts.requests.add(took.as_secs_f64() * 1000.0));
    }

    fn ended(&self, state: RunState, milliseconds: u64) {
        self.counting(|counts| {
            counts.runs.add(milliseconds as f64);
            counts.runs_failed += u64::from(state != RunState::Finished);
        });
    }

    fn counting(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Looks at everything now. Reads files: away from the tasks.
    pub(super) fn sample(&self, data: &std::path::Path) {
        let reading = Reading::now(data);
        let machine = (Machine::read(), python_version(data));
        *self.machine.lock().unwrap_or_else(PoisonError::into_inner) = machine;
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::from(SystemTime::now()).0.saturating_mul(1000);
        let sample = next(samples.back(), reading, counts, now);
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The samples, newest first, as long as `take` wants more.
    pub(super) fn each(&self, mut take: impl FnMut(&Sample) -> bool) {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in samples.iter().rev() {
            if !take(sample) {
                break;
            }
        }
    }

    pub(super) fn latest(&self) -> Option<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).back().cloned()
    }

    /// The machine, and the Python of the environments.
    pub(super) fn machine(&self) -> (Machine, Option<String>) {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn next(before: Option<&Sample>, reading: Reading, counts: Counts, now: i64) -> Sample {
    let interval = i64::try_from(INTERVAL.as_nanos()).unwrap_or(i64::MAX);
    let begin = before.map_or(now - interval, |before| before.end.min(now));
    let old = before.map(|before| before.reading).unwrap_or_default();
    let seconds = (now - begin).max(1) as f64 / 1e9;
    let cpu = (reading.user + reading.system) - (old.user + old.system);
    let all = reading.machine_all - old.machine_all;
    let share = |new: f64, old: f64| if all > 0.0 { ((new - old) / all).clamp(0.0, 1.0) } else { 0.0 };
    Sample {
        begin,
        end: now,
        cpu_percent: if before.is_some() { (100.0 * cpu / seconds).max(0.0) } else { 0.0 },
        machine_user: share(reading.machine_user, old.machine_user),
        machine_system: share(reading.machine_system, old.machine_system),
        reading,
        counts,
    }
}

/// Samples, and counts runs that end, until the server stops.
pub(crate) async fn follow(app: App) {
    let mut news = app.flow.events();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.shutdown.begun() => break,
            _ = ticks.tick() => {
                let (app, data) = (app.clone(), app.settings.server.data.clone());
                // A panic in it was logged when it happened; the next tick tries again.
                let _ = tokio::task::spawn_blocking(move || app.flowdapt.sample(&data)).await;
            }
            event = news.recv() => match event {
                Ok(RunEvent::Run(run)) if run.state.is_final() => {
                    let ended = run.finished_at.unwrap_or(run.created_at);
                    app.flowdapt.ended(run.state, ended.milliseconds_since(run.created_at));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_bounded_and_newest_first() {
        let sampler = Sampler::default();
        sampler.request(Duration::from_millis(7));
        for _ in 0..3 {
            sampler.sample(std::path::Path::new("."));
        }
        let mut ends = Vec::new();
        sampler.each(|sample| {
            ends.push(sample.end);
            assert!(sample.begin <= sample.end);
            ends.len() < 2
        });
        assert!(ends.len() == 2 && ends[0] >= ends[1], "{ends:?}");
        let counts = sampler.latest().unwrap().counts;
        assert_eq!((counts.requests.count, counts.requests.buckets[2]), (1, 1));
        let mut samples = sampler.samples.lock().unwrap();
        let one = samples.back().unwrap().clone();
        samples.extend(std::iter::repeat_n(one, KEPT - 3));
        drop(samples);
        sampler.sample(std::path::Path::new("."));
        assert_eq!(sampler.samples.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn a_share_is_of_the_interval() {
        let first = next(None, Reading { user: 1.0, machine_all: 100.0, ..Reading::default() }, Counts::default(), 0);
        let reading = Reading { user: 2.0, machine_user: 5.0, machine_all: 110.0, ..Reading::default() };
        let second = next(Some(&first), reading, Counts::default(), 5_000_000_000);
        assert_eq!((first.cpu_percent, second.cpu_percent, second.machine_user), (0.0, 20.0, 0.5));
        // A clock that was set back makes no interval of negative length.
        let third = next(Some(&second), reading, Counts::default(), 1);
        assert_eq!((third.begin, third.end), (1, 1));
    }
}
