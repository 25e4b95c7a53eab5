//! What is known of one worker from outside: what it said of itself last, and what the pool knows better.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pegboard_model::{WorkerState, WorkerStatus};
use tokio_util::sync::CancellationToken;

use super::{News, Phase, Pool};
use crate::worker::StatusSink;

/// What one worker said last.
#[derive(Default, Debug)]
pub(crate) struct SeatStatus {
    last: Mutex<Option<WorkerStatus>>,
    dead: CancellationToken,
    calls: AtomicU64,
}

impl SeatStatus {
    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until the process is gone.
    pub(super) async fn dead(&self) {
        self.dead.cancelled().await;
    }

    fn last(&self) -> Option<WorkerStatus> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Pool {
    /// Where a worker says how it is. Only what a person would want to see at once is passed on as news: a change between idle
    /// and busy happens thousands of times a second and would drown the rest.
    pub(super) fn sink(self: &Arc<Self>, status: &Arc<SeatStatus>) -> StatusSink {
        let (pool, status) = (Arc::clone(self), Arc::clone(status));
        Arc::new(move |now: WorkerStatus| {
            let former = {
                let mut last = status.last.lock().unwrap_or_else(PoisonError::into_inner);
                last.replace(now.clone()).map(|former| former.state)
            };
            if now.state == WorkerState::Dead {
                status.dead.cancel();
            }
            let routine = |state| matches!(state, WorkerState::Idle | WorkerState::Busy);
            if former != Some(now.state) && !(routine(now.state) && former.is_some_and(routine)) {
                (pool.news)(News::Worker(now));
            }
        })
    }

    /// Every worker now; those that have not said anything yet are left out.
    pub(crate) fn workers(&self) -> Vec<WorkerStatus> {
        let state = self.lock();
        let current = state.generation.as_ref().map(|generation| generation.number);
        let statuses = state.seats.values().filter_map(|seat| {
            let mut status = seat.status.last()?;
            let blocked = status.state == WorkerState::Blocked;
            (status.state, status.call) = match &seat.phase {
                Phase::Starting => (WorkerState::Starting, None),
                Phase::Leaving => (WorkerState::Draining, None),
                Phase::Idle if blocked => (WorkerState::Blocked, None),
                Phase::Idle => (WorkerState::Idle, None),
                Phase::Busy { call, .. } if blocked => (WorkerState::Blocked, Some(*call)),
                Phase::Busy { call, .. } if current != Some(seat.generation) => (WorkerState::Draining, Some(*call)),
                Phase::Busy { call, .. } => (WorkerState::Busy, Some(*call)),
            };
            status.generation = seat.generation;
            status.calls = status.calls.max(seat.status.calls.load(Ordering::Relaxed));
            Some(status)
        });
        statuses.collect()
    }
}
