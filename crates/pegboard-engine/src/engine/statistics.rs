//! What the engine says of itself: counts for the metrics, and states of workers as they change.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, Weak};
use std::time::Duration;

use pegboard_model::{WorkerState, WorkerStatus};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::options::{EngineEvent, EngineStatistics, PluginStatistics, WorkerCounts};
use crate::pool::Pool;

impl Inner {
    pub(super) fn statistics(&self) -> EngineStatistics {
        let mut all = EngineStatistics {
            calls: self.past[0].load(Ordering::Relaxed),
            failed: self.past[1].load(Ordering::Relaxed),
            restarts: self.past[2].load(Ordering::Relaxed),
            shared_bytes: self.blocks.in_memory(),
            spilled_bytes: self.blocks.spilled(),
            ..EngineStatistics::default()
        };
        for pool in self.pools() {
            let statistics = of(&pool);
            all.calls += statistics.calls;
            all.failed += statistics.failed;
            all.restarts += statistics.restarts;
            all.queued += statistics.queued;
            all.workers.add(statistics.workers);
            all.plugins.push(statistics);
        }
        all.plugins.sort_by(|one, other| one.plugin.cmp(&other.plugin));
        all
    }

    /// Forgets a pool without workers, but keeps what it has counted.
    pub(super) fn forget(&self, pool: &Pool) {
        let others = |other: &Weak<Pool>| !std::ptr::eq(other.as_ptr(), pool);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).retain(others);
        let statistics = of(pool);
        for (sum, count) in self.past.iter().zip([statistics.calls, statistics.failed, statistics.restarts]) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl WorkerCounts {
    fn of(workers: &[WorkerStatus]) -> Self {
        let count = |state| workers.iter().filter(|worker| worker.state == state).count();
        Self {
            starting: count(WorkerState::Starting),
            idle: count(WorkerState::Idle),
            busy: count(WorkerState::Busy),
            blocked: count(WorkerState::Blocked),
            draining: count(WorkerState::Draining),
        }
    }

    fn add(&mut self, other: Self) {
        self.starting += other.starting;
        self.idle += other.idle;
        self.busy += other.busy;
        self.blocked += other.blocked;
        self.draining += other.draining;
    }
}

fn of(pool: &Pool) -> PluginStatistics {
    let counters = pool.counters();
    PluginStatistics {
        plugin: pool.plugin().clone(),
        calls: counters.calls.load(Ordering::Relaxed),
        failed: counters.failed.load(Ordering::Relaxed),
        restarts: counters.restarts.load(Ordering::Relaxed),
        queued: pool.queued(),
        workers: WorkerCounts::of(&pool.workers()),
    }
}

/// Tells, once per interval, which workers went between idle and busy. What matters more is told when it happens.
pub(super) async fn watch(engine: Weak<Inner>, interval: Duration, closing: CancellationToken) {
    let mut known: HashMap<u32, WorkerState> = HashMap::new();
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = closing.cancelled() => return,
        }
        let Some(engine) = engine.upgrade() else { return };
        if engine.events.receiver_count() == 0 {
            known.clear();
            continue;
        }
        let workers = engine.workers();
        let now = workers.iter().filter_map(|worker| Some((worker.process_id?, worker.state))).collect();
        for worker in workers {
            let Some(process) = worker.process_id else { continue };
            if known.get(&process) != Some(&worker.state) {
                engine.tell(EngineEvent::WorkerChanged(worker));
            }
        }
        known = now;
    }
}
