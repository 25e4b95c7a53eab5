//! The workers of one plugin, and the calls that wait for them.
//!
//! Invariants: every call that was let in ends with exactly one `Finished` or `Failed`. Calls wait in one queue per plugin,
//! first come first served, whatever generation of workers takes them, so a swap of generations can lose none. The state is
//! behind one plain lock, which is never held across an await or a call to the outside. A worker is owned by one task
//! (`seat`), which takes calls until it is told to leave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pegboard_model::{Call, CallEvent, CallId, Failure, FailureKind, PluginName, WorkerStatus};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::supervisor::{Decision, Event, History, Standing, decide, refusal};
use crate::worker::{AfterCall, StatusSink};

mod seat;
mod status;
mod stream;

use seat::SeatStatus;
pub(crate) use stream::{CallStream, refused};

/// Events of one call that wait for their reader; a worker that says more waits, too.
const EVENTS: usize = 256;
/// A further worker is started when calls have been waiting for this long without a break: one that is about to be free answers
/// sooner than a new one.
const PRESSURE: Duration = Duration::from_millis(2);

/// Starts workers of one generation.
#[async_trait]
pub(crate) trait WorkerSource: Send + Sync + 'static {
    /// A loaded worker. Dropping the future ends the process.
    async fn start(&self, generation: u64, sink: StatusSink) -> Result<Box<dyn PooledWorker>, Failure>;

    /// Whether the code is still what the first worker found.
    async fn unchanged(&self) -> bool {
        true
    }

    /// Takes what the last look found as the code of this generation.
    fn accept(&self) {}
}

/// A loaded worker; dropping it ends the process. The contract is that of [`crate::worker::Worker`].
#[async_trait]
pub(crate) trait PooledWorker: Send + 'static {
    /// Performs one call to its end.
    async fn run(&mut self, call: &Call, events: &mpsc::Sender<CallEvent>, cancel: &CancellationToken) -> AfterCall;

    /// Asks it to leave, and makes it.
    async fn stop(self: Box<Self>);
}

/// How a pool works.
#[derive(Clone, Debug)]
pub(crate) struct PoolOptions {
    /// Whose workers.
    pub(crate) plugin: PluginName,
    /// Most workers of one generation; at least one.
    pub(crate) workers: usize,
    /// Idle workers beyond the first are stopped after this long.
    pub(crate) idle_timeout: Duration,
}

/// What a pool tells. Called without any lock held; must not block.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// [`Pool::standing`] changed.
    Standing,
    /// A worker came, left, or turned blocked.
    Worker(WorkerStatus),
}

/// Who is told.
pub(crate) type NewsSink = Box<dyn Fn(News) + Send + Sync>;

/// One version of a plugin's code, as far as a process can tell: workers of one generation are alike.
pub(crate) struct Generation {
    number: u64,
    source: Arc<dyn WorkerSource>,
    /// Cancelled when another takes its place.
    retired: CancellationToken,
    /// One task per worker.
    seats: TaskTracker,
}

impl Generation {
    /// Waits until its last worker is gone. Only of use when it was retired.
    pub(crate) async fn drained(&self) {
        self.seats.close();
        self.seats.wait().await;
    }
}

/// Counts since the pool was made.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    /// Calls, refused ones included.
    pub(crate) calls: AtomicU64,
    /// Those that ended with a failure.
    pub(crate) failed: AtomicU64,
    /// Workers started in place of one that died.
    pub(crate) restarts: AtomicU64,
}

/// The workers of one plugin.
pub(crate) struct Pool {
    options: PoolOptions,
    news: NewsSink,
    counters: Arc<Counters>,
    /// Cancelled by `close`.
    closing: CancellationToken,
    /// One task per worker of any generation.
    seats: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    generation: Option<Arc<Generation>>,
    generations: u64,
    /// Why nothing can be called: no environment, uninstalled, shutting down.
    unavailable: Option<Failure>,
    /// By ticket: the first is the oldest.
    waiting: BTreeMap<u64, Job>,
    tickets: u64,
    seats: BTreeMap<u64, Seat>,
    seat_numbers: u64,
    /// The last one was used most recently. Dropping the sender sends its worker away.
    idle: Vec<(u64, oneshot::Sender<Job>)>,
    history: History,
    /// Ticket of the call that finds out whether the plugin works again.
    probe: Option<u64>,
    /// The last start failed: while others are under way no further one is tried.
    start_failed: bool,
    /// The code has changed under this generation: no worker joins those that it has.
    frozen: bool,
    /// The next worker that finds nothing to do leaves.
    resting: bool,
    /// Workers that died and have not been replaced.
    lost: u64,
    /// Since when calls have been waiting without a break.
    waiting_since: Option<Instant>,
    /// A timer will look for waiting calls.
    timer: bool,
}

/// One worker, from the decision to start it until it is gone.
struct Seat {
    generation: u64,
    phase: Phase,
    status: Arc<SeatStatus>,
}

#[derive(Clone, Debug)]
enum Phase {
    Starting,
    Idle,
    Busy { call: CallId, cancel: CancellationToken },
    Leaving,
}

/// A call on its way.
struct Job {
    ticket: u64,
    call: Call,
    events: mpsc::Sender<CallEvent>,
    cancel: CancellationToken,
}

impl Job {
    /// Ends it before a worker had it.
    fn refuse(self, failure: Failure) {
        // Nothing was sent before, so there is room; nobody listens: nobody minds.
        let _unheard = self.events.try_send(CallEvent::Failed(failure));
    }
}

/// What a worker does next.
#[expect(clippy::large_enum_variant, reason = "moved once and taken apart at once")]
enum Next {
    Run(Job),
    Wait(oneshot::Receiver<Job>),
    Leave,
}

impl Pool {
    /// A pool without code: see [`Pool::offer`] and [`Pool::swap`]. Cancelling `closing` abandons what is being started.
    pub(crate) fn new(options: PoolOptions, history: History, closing: CancellationToken, news: NewsSink) -> Arc<Self> {
        let state = Mutex::new(State { history, ..State::default() });
        Arc::new(Self { options, news, counters: Arc::default(), closing, seats: TaskTracker::new(), state })
    }

    /// Lets calls reach workers of `source`, without starting one.
    pub(crate) fn offer(&self, source: Arc<dyn WorkerSource>) {
        let mut state = self.lock();
        let generation = self.generation(&mut state, source);
        state.unavailable = None;
        state.generation = Some(generation);
    }

    /// The same for code that has just failed to load: calls are refused until the back-off is over.
    pub(crate) fn offer_broken(&self, source: Arc<dyn WorkerSource>, failure: Failure) {
        self.offer(source);
        decide(&mut self.lock().history, Event::StartFailed { failure, others: false }, Instant::now().into_std());
    }

    /// Calls get this failure.
    pub(crate) fn withhold(&self, failure: Failure) {
        self.lock().unavailable = Some(failure);
    }

    /// Starts a worker of `source` beside the others; when it has loaded, its generation takes the place of the former one,
    /// which is returned: it ends its running calls and leaves. On failure nothing changes.
    ///
    /// # Errors
    /// How the start or the load failed.
    pub(crate) async fn swap(self: &Arc<Self>, source: Arc<dyn WorkerSource>) -> Result<Option<Arc<Generation>>, Failure> {
        let (generation, seat, status) = {
            let mut state = self.lock();
            let generation = self.generation(&mut state, source);
            let (seat, status) = self.new_seat(&mut state, &generation);
            (generation, seat, status)
        };
        let started = tokio::select! {
            started = generation.source.start(generation.number, self.sink(&status)) => started,
            () = self.closing.cancelled() => Err(self.closed_failure()),
        };
        let worker = match started {
            Ok(worker) => worker,
            Err(failure) => {
                self.remove(seat);
                return Err(failure);
            }
        };
        let former = {
            let mut state = self.lock();
            if self.closing.is_cancelled() {
                state.seats.remove(&seat);
                return Err(state.unavailable.clone().unwrap_or_else(|| self.closed_failure()));
            }
            decide(&mut state.history, Event::Replaced, Instant::now().into_std());
            state.probe = None;
            state.start_failed = false;
            state.frozen = false;
            state.lost = 0;
            state.unavailable = None;
            state.idle.clear();
            state.resting = false;
            let former = state.generation.replace(Arc::clone(&generation));
            let task = seat::serve(Arc::clone(self), Arc::clone(&generation), seat, status, Some(worker));
            self.spawn(&generation, task);
            self.balance(&mut state);
            former
        };
        if let Some(former) = &former {
            former.retired.cancel();
        }
        (self.news)(News::Standing);
        Ok(former)
    }

    /// Queues a call, or refuses it at once.
    pub(crate) fn call(self: &Arc<Self>, call: Call) -> CallStream {
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let (events, receiver) = mpsc::channel(EVENTS);
        let cancel = CancellationToken::new();
        let mut state = self.lock();
        let refused = if let Some(failure) = &state.unavailable {
            Some(failure.clone())
        } else {
            match decide(&mut state.history, Event::Called, Instant::now().into_std()) {
                Decision::Refuse(standing) => Some(refusal(self.plugin().as_str(), &standing)),
                decision => {
                    if decision == Decision::Probe {
                        state.probe = Some(state.tickets);
                    }
                    None
                }
            }
        };
        let ticket = state.tickets;
        state.tickets += 1;
        let job = Job { ticket, call, events, cancel: cancel.clone() };
        if let Some(failure) = refused {
            job.refuse(failure);
        } else {
            self.place(&mut state, job);
        }
        drop(state);
        CallStream::new(Arc::clone(self), ticket, receiver, cancel)
    }

    /// Sends the workers away as soon as nobody needs them; the next call starts one again. For pools whose workers are alike
    /// however often they begin anew.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        for (number, _) in std::mem::take(&mut state.idle) {
            if let Some(seat) = state.seats.get_mut(&number) {
                seat.phase = Phase::Leaving;
            }
        }
        state.resting = state.seats.values().any(|seat| !matches!(seat.phase, Phase::Leaving));
    }

    /// Takes no more calls, refuses those that wait, sends idle workers away. Running calls go on.
    pub(crate) fn close(&self, failure: Failure) -> Option<Arc<Generation>> {
        let (waiting, generation) = {
            let mut state = self.lock();
            state.unavailable = Some(failure.clone());
            state.idle.clear();
            self.closing.cancel();
            (std::mem::take(&mut state.waiting), state.generation.take())
        };
        for job in waiting.into_values() {
            job.refuse(failure.clone());
        }
        if let Some(generation) = &generation {
            generation.retired.cancel();
        }
        generation
    }

    /// Waits until the last worker is gone. Only of use after `close`.
    pub(crate) async fn drained(&self) {
        self.seats.close();
        self.seats.wait().await;
    }

    /// Cancels every running call.
    pub(crate) fn cancel_running(&self) {
        for seat in self.lock().seats.values() {
            if let Phase::Busy { cancel, .. } = &seat.phase {
                cancel.cancel();
            }
        }
    }

    /// Whose workers.
    pub(crate) fn plugin(&self) -> &PluginName {
        &self.options.plugin
    }

    /// How the plugin stands.
    pub(crate) fn standing(&self) -> Standing {
        self.lock().history.standing().clone()
    }

    /// Whether calls can reach code of it, whatever it is worth.
    pub(crate) fn has_code(&self) -> bool {
        self.lock().generation.is_some()
    }

    /// Calls that wait.
    pub(crate) fn queued(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Counts since the pool was made.
    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed_failure(&self) -> Failure {
        Failure::noticed(FailureKind::Unavailable, format!("plugin `{}` is being removed or the server stops", self.plugin()))
    }

    fn generation(&self, state: &mut State, source: Arc<dyn WorkerSource>) -> Arc<Generation> {
        state.generations += 1;
        let retired = self.closing.child_token();
        Arc::new(Generation { number: state.generations, source, retired, seats: TaskTracker::new() })
    }

    /// Gives a call to the worker that was used last, or queues it.
    fn place(self: &Arc<Self>, state: &mut State, mut job: Job) {
        state.resting = false;
        while let Some((number, hand)) = state.idle.pop() {
            if let Some(seat) = state.seats.get_mut(&number) {
                seat.phase = Phase::busy(&job);
            }
            match hand.send(job) {
                Ok(()) => return,
                // That worker is on its way out; the next one.
                Err(back) => job = back,
            }
        }
        state.waiting.insert(job.ticket, job);
        state.waiting_since.get_or_insert_with(Instant::now);
        self.balance(state);
    }

    /// Starts workers for calls that wait, as far as limit and policy allow.
    fn balance(self: &Arc<Self>, state: &mut State) {
        let Some(generation) = state.generation.clone() else { return };
        loop {
            let own = state.seats.values().filter(|seat| seat.generation == generation.number);
            let (mut loaded, mut starting) = (0, 0);
            for seat in own {
                loaded += usize::from(matches!(seat.phase, Phase::Idle | Phase::Busy { .. }));
                starting += usize::from(matches!(seat.phase, Phase::Starting));
            }
            let enough = state.waiting.len() <= starting || loaded + starting >= self.options.workers.max(1);
            let vain = (state.start_failed && starting > 0) || (state.frozen && loaded > 0);
            if enough || vain {
                return;
            }
            let now = Instant::now();
            let pressing = state.waiting_since.map_or(now, |since| since + PRESSURE);
            if loaded > 0 && pressing > now {
                self.balance_at(state, pressing, &generation);
                return;
            }
            match decide(&mut state.history, Event::WorkerWanted, now.into_std()) {
                Decision::StartAt(at) => {
                    self.balance_at(state, at.into(), &generation);
                    return;
                }
                _ => {
                    if state.lost > 0 {
                        state.lost -= 1;
                        self.counters.restarts.fetch_add(1, Ordering::Relaxed);
                    }
                    let (seat, status) = self.new_seat(state, &generation);
                    let task = seat::serve(Arc::clone(self), Arc::clone(&generation), seat, status, None);
                    self.spawn(&generation, task);
                }
            }
        }
    }

    fn spawn(&self, generation: &Generation, task: impl Future<Output = ()> + Send + 'static) {
        generation.seats.spawn(self.seats.track_future(task));
    }

    /// Looks for waiting calls again, unless it is going to anyway.
    fn balance_at(self: &Arc<Self>, state: &mut State, at: Instant, generation: &Generation) {
        if std::mem::replace(&mut state.timer, true) {
            return;
        }
        let (pool, retired) = (Arc::clone(self), generation.retired.clone());
        self.spawn(generation, async move {
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = retired.cancelled() => {}
            }
            let mut state = pool.lock();
            state.timer = false;
            pool.balance(&mut state);
        });
    }

    /// A call's reader is gone before the end.
    fn withdraw(&self, ticket: u64) {
        let mut state = self.lock();
        if state.waiting.remove(&ticket).is_some() {
            state.relieved();
            Self::end_probe(&mut state, ticket, Event::ProbeWithdrawn);
        }
    }

    /// Tells the policy how the probe went, if `ticket` is the probe.
    fn end_probe(state: &mut State, ticket: u64, event: Event) -> Decision {
        if state.probe != Some(ticket) {
            return Decision::Nothing;
        }
        state.probe = None;
        decide(&mut state.history, event, Instant::now().into_std())
    }

    /// Refuses whoever waits, when the policy says so; returns them for after the lock.
    fn flush(&self, state: &mut State, decision: &Decision) -> Vec<(Job, Failure)> {
        if !matches!(decision, Decision::Break(_) | Decision::Park(_)) {
            return Vec::new();
        }
        state.probe = None;
        state.waiting_since = None;
        let failure = refusal(self.plugin().as_str(), state.history.standing());
        std::mem::take(&mut state.waiting).into_values().map(|job| (job, failure.clone())).collect()
    }

    fn tell(&self, decision: &Decision, refused: Vec<(Job, Failure)>) {
        for (job, failure) in refused {
            job.refuse(failure);
        }
        if matches!(decision, Decision::Break(_) | Decision::Park(_) | Decision::Recovered) {
            (self.news)(News::Standing);
        }
    }
}

impl State {
    /// Calls have left the queue.
    fn relieved(&mut self) {
        if self.waiting.is_empty() {
            self.waiting_since = None;
        }
    }
}

impl Phase {
    fn busy(job: &Job) -> Self {
        Self::Busy { call: job.call.id, cancel: job.cancel.clone() }
    }
}

#[cfg(test)]
mod tests;
