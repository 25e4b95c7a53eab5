//! One worker's place in its pool: the task that owns the worker, and what the pool learns from it.

use std::sync::Arc;

use pegboard_model::{Failure, FailureKind};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(super) use super::status::SeatStatus;
use super::{Decision, Event, Generation, Job, Next, Phase, Pool, PooledWorker, Seat, State, decide};
use crate::worker::AfterCall;

/// How a wait for work ended.
enum Waited {
    Job(Job),
    Leave,
    /// The process is gone; a call that was handed over meanwhile comes back.
    Died(Option<Job>),
}

/// Starts a worker, unless one is given, and lets it take calls until it leaves or dies.
pub(super) async fn serve(
    pool: Arc<Pool>,
    generation: Arc<Generation>,
    seat: u64,
    status: Arc<SeatStatus>,
    given: Option<Box<dyn PooledWorker>>,
) {
    let mut worker = if let Some(worker) = given {
        worker
    } else {
        let started = tokio::select! {
            started = generation.source.start(generation.number, pool.sink(&status)) => started,
            () = generation.retired.cancelled() => {
                pool.remove(seat);
                return;
            }
        };
        if !generation.source.unchanged().await {
            if pool.freeze(seat) {
                if let Ok(worker) = started {
                    worker.stop().await;
                }
                pool.remove(seat);
                return;
            }
            generation.source.accept();
        }
        match started {
            Ok(worker) => {
                pool.loaded();
                worker
            }
            Err(failure) => {
                pool.start_failed(seat, failure);
                return;
            }
        }
    };
    loop {
        let job = match pool.next(seat) {
            Next::Run(job) => job,
            Next::Leave => break,
            Next::Wait(hand) => match wait(&pool, seat, &status, hand).await {
                Waited::Job(job) => job,
                Waited::Leave => break,
                Waited::Died(job) => {
                    let message = format!("worker of `{}` ended while it was idle", pool.plugin());
                    pool.died_idle(seat, job, Failure::noticed(FailureKind::Died, message));
                    return;
                }
            },
        };
        let Job { ticket, call, events, cancel } = job;
        if cancel.is_cancelled() {
            let failure = Failure::noticed(FailureKind::Cancelled, format!("call of `{}` was cancelled", pool.plugin()));
            let _unheard = events.try_send(pegboard_model::CallEvent::Failed(failure));
            pool.withdrawn(ticket);
            continue;
        }
        match worker.run(&call, &events, &cancel).await {
            AfterCall::Reusable => pool.answered(ticket, &status),
            AfterCall::Dead(failure) => {
                drop(worker);
                pool.died(seat, Some(ticket), failure);
                return;
            }
        }
    }
    pool.leaving(seat);
    worker.stop().await;
    pool.remove(seat);
}

/// Waits for a call, for the end of the process, or for the order to leave.
async fn wait(pool: &Pool, seat: u64, status: &SeatStatus, mut hand: oneshot::Receiver<Job>) -> Waited {
    loop {
        tokio::select! {
            biased;
            () = status.dead() => {
                pool.forget_idle(seat);
                // Closed first, so that a call cannot slip in after the look.
                hand.close();
                return Waited::Died(hand.try_recv().ok());
            }
            job = &mut hand => return job.map_or(Waited::Leave, Waited::Job),
            () = tokio::time::sleep(pool.options.idle_timeout) => {
                if pool.leave_if_surplus(seat) {
                    return Waited::Leave;
                }
            }
        }
    }
}

impl Pool {
    pub(super) fn new_seat(&self, state: &mut State, generation: &Generation) -> (u64, Arc<SeatStatus>) {
        state.seat_numbers += 1;
        let status = Arc::new(SeatStatus::default());
        let seat = Seat { generation: generation.number, phase: Phase::Starting, status: Arc::clone(&status) };
        state.seats.insert(state.seat_numbers, seat);
        (state.seat_numbers, status)
    }

    fn next(&self, number: u64) -> Next {
        let mut state = self.lock();
        let state = &mut *state;
        let current = state.generation.as_ref().map(|generation| generation.number);
        let Some(seat) = state.seats.get_mut(&number) else { return Next::Leave };
        if current != Some(seat.generation) {
            seat.phase = Phase::Leaving;
            return Next::Leave;
        }
        if let Some((_, job)) = state.waiting.pop_first() {
            seat.phase = Phase::busy(&job);
            state.relieved();
            return Next::Run(job);
        }
        if std::mem::take(&mut state.resting) {
            seat.phase = Phase::Leaving;
            return Next::Leave;
        }
        let (sender, receiver) = oneshot::channel();
        seat.phase = Phase::Idle;
        state.idle.push((number, sender));
        Next::Wait(receiver)
    }

    /// A worker has read other code than the rest of its generation. While one of those lives, it must not join them: half a
    /// change would serve that no reload has tried.
    fn freeze(&self, number: u64) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(generation) = state.seats.get(&number).map(|seat| seat.generation) else { return true };
        let loaded = |seat: &Seat| seat.generation == generation && matches!(seat.phase, Phase::Idle | Phase::Busy { .. });
        if !state.seats.values().any(loaded) {
            return false;
        }
        if state.generation.as_ref().is_some_and(|current| current.number == generation) && !state.frozen {
            state.frozen = true;
            tracing::info!(
                plugin.name = %self.plugin(),
                "the plugin's code has changed: no further worker is started before `pegboard plugin reload`"
            );
        }
        if let Some(seat) = state.seats.get_mut(&number) {
            seat.phase = Phase::Leaving;
        }
        true
    }

    fn loaded(&self) {
        let decision = {
            let mut state = self.lock();
            state.start_failed = false;
            state.frozen = false;
            decide(&mut state.history, Event::Loaded, Instant::now().into_std())
        };
        self.tell(&decision, Vec::new());
    }

    fn start_failed(self: &Arc<Self>, number: u64, failure: Failure) {
        let (decision, refused) = {
            let mut state = self.lock();
            let Some(seat) = state.seats.remove(&number) else { return };
            if state.generation.as_ref().is_none_or(|current| current.number != seat.generation) {
                return;
            }
            let others =
                state.seats.values().any(|other| other.generation == seat.generation && !matches!(other.phase, Phase::Leaving));
            state.start_failed = true;
            let decision = decide(&mut state.history, Event::StartFailed { failure, others }, Instant::now().into_std());
            let refused = self.flush(&mut state, &decision);
            self.balance(&mut state);
            (decision, refused)
        };
        self.tell(&decision, refused);
    }

    fn answered(&self, ticket: u64, status: &SeatStatus) {
        status.count_call();
        let decision = {
            let mut state = self.lock();
            let probe = state.probe == Some(ticket);
            if probe {
                state.probe = None;
            }
            decide(&mut state.history, Event::Answered { probe }, Instant::now().into_std())
        };
        self.tell(&decision, Vec::new());
    }

    fn withdrawn(&self, ticket: u64) {
        Self::end_probe(&mut self.lock(), ticket, Event::ProbeWithdrawn);
    }

    /// A worker is dead, on the call with this ticket or on none.
    fn died(self: &Arc<Self>, number: u64, ticket: Option<u64>, failure: Failure) {
        let (decision, refused) = {
            let mut state = self.lock();
            let Some(seat) = state.seats.remove(&number) else { return };
            let current = state.generation.as_ref().is_some_and(|current| current.number == seat.generation);
            let decision = if matches!(failure.kind, FailureKind::Cancelled | FailureKind::Deadline) {
                // Our own doing.
                ticket.map_or(Decision::Nothing, |ticket| Self::end_probe(&mut state, ticket, Event::ProbeWithdrawn))
            } else if current {
                state.lost += 1;
                let probe = ticket.is_some() && state.probe == ticket;
                if probe {
                    state.probe = None;
                }
                decide(&mut state.history, Event::Died { failure, probe }, Instant::now().into_std())
            } else {
                // An old generation's death says nothing of the new one.
                Decision::Nothing
            };
            let refused = self.flush(&mut state, &decision);
            self.balance(&mut state);
            (decision, refused)
        };
        self.tell(&decision, refused);
    }

    /// The same while it waited; the call that it was given in that instant has not begun and goes back to the front.
    fn died_idle(self: &Arc<Self>, number: u64, job: Option<Job>, failure: Failure) {
        if let Some(job) = job {
            let mut state = self.lock();
            if let Some(failure) = state.unavailable.clone() {
                drop(state);
                job.refuse(failure);
            } else {
                self.place(&mut state, job);
            }
        }
        self.died(number, None, failure);
    }

    fn leaving(&self, number: u64) {
        if let Some(seat) = self.lock().seats.get_mut(&number) {
            seat.phase = Phase::Leaving;
        }
    }

    fn forget_idle(&self, number: u64) {
        self.lock().idle.retain(|(idle, _)| *idle != number);
    }

    /// An idle worker beyond the first may go.
    fn leave_if_surplus(&self, number: u64) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(position) = state.idle.iter().position(|(idle, _)| *idle == number) else { return false };
        let Some(generation) = state.seats.get(&number).map(|seat| seat.generation) else { return false };
        let loaded = |seat: &&Seat| seat.generation == generation && matches!(seat.phase, Phase::Idle | Phase::Busy { .. });
        if state.seats.values().filter(loaded).count() < 2 {
            return false;
        }
        state.idle.remove(position);
        if let Some(seat) = state.seats.get_mut(&number) {
            seat.phase = Phase::Leaving;
        }
        true
    }

    /// A worker is gone of our own will.
    pub(super) fn remove(&self, number: u64) {
        self.lock().seats.remove(&number);
    }
}
