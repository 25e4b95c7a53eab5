//! The durable side of one run: its state in memory, what of it is still to be recorded, and its promised end.
//!
//! The end of a run is announced after it is durable. When the store refuses for too long it is announced as a failure that
//! says so, and recording is tried on.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pegboard_model::run::ItemCounts;
use pegboard_model::{ErrorKind, Event, Failure, FailureKind, LogLevel, LogLine, Run, RunState, StagePlugin, Timestamp};
use pegboard_store::{Change, StoreError};
use tokio::sync::{mpsc, watch};

use crate::event_log;
use crate::events::{RunEvent, header};
use crate::flow::Shared;
use crate::outbox::{Outbox, clipped};

/// Longest message and longest traceback kept with a stage, in bytes.
const LONGEST_FAILURE: usize = 64 << 10;
/// Waits between attempts to record the end of a run; the last one repeats.
const RETRIES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// Attempts before the end is announced although it is not durable.
const ATTEMPTS_IN_SILENCE: usize = 3;

/// What a run can be told from outside.
#[derive(Debug)]
pub(crate) enum Control {
    /// A user ends the run.
    Cancel,
    /// The server stops.
    Interrupt,
}

/// The way from the handle to a run, and back.
pub(crate) struct Channels {
    pub(crate) control: mpsc::UnboundedReceiver<Control>,
    pub(crate) announce: watch::Sender<Option<Arc<Run>>>,
    /// The run is stored.
    pub(crate) is_kept: bool,
}

/// See the module.
pub(crate) struct RunRecord {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: Run,
    pub(crate) channels: Channels,
    /// What the store refused.
    pub(crate) refusals: mpsc::UnboundedReceiver<StoreError>,
    refuse: mpsc::UnboundedSender<StoreError>,
    outbox: Outbox,
    /// The store has refused a change: what it knows of this run is unknown.
    store_failed: bool,
    /// Somebody removed the run's record: it goes on, and nothing of it is written any more (Flowdapt specification, section 6).
    /// One that is not kept is like this from its beginning. Its events are stored all the same.
    removed: bool,
}

impl RunRecord {
    /// The run begins.
    pub(crate) fn begin(shared: Arc<Shared>, mut run: Run, channels: Channels) -> Self {
        let mut outbox = Outbox::new(shared.options.log_limit);
        run.state = RunState::Running;
        run.started_at = Some(now());
        outbox.header_changed();
        let event = event_log::started(&run);
        shared.triggers.tells_of_run(event.id, run.uid);
        outbox.event(event);
        let removed = !channels.is_kept;
        let (refuse, refusals) = mpsc::unbounded_channel();
        Self { shared, run, channels, refusals, refuse, outbox, store_failed: false, removed }
    }

    pub(crate) fn stage_started(&mut self, position: usize, plugin: Option<StagePlugin>) {
        let stage = &mut self.run.stages[position];
        stage.plugin = plugin;
        stage.state = RunState::Running;
        stage.started_at = Some(now());
        self.outbox.stage_changed(position);
    }

    pub(crate) fn counts(&mut self, position: usize, counts: ItemCounts) {
        self.run.stages[position].items = Some(counts);
        self.outbox.counts_changed(position);
    }

    pub(crate) fn stage_ended(&mut self, position: usize, state: RunState, failure: Option<Failure>) {
        let now = now();
        let stage = &mut self.run.stages[position];
        stage.state = state;
        // A stage that never started has no end either; one that finished did start, whether the runner said so or not.
        if state == RunState::Finished {
            stage.started_at.get_or_insert(now);
        }
        stage.finished_at = stage.started_at.map(|_| now);
        stage.failure = failure.map(bounded);
        if let Some(failure) = &stage.failure {
            let text = format!("stage `{}` failed: {}: {}", stage.name, failure.class, failure.message);
            self.outbox.say(now, Some(stage.name.clone()), LogLevel::Error, text);
        }
        self.outbox.stage_changed(position);
    }

    /// The stage takes an earlier result.
    pub(crate) fn cached(&mut self, position: usize) {
        self.run.stages[position].cached = true;
        self.outbox.stage_changed(position);
    }

    pub(crate) fn log(&mut self, lines: Vec<LogLine>) {
        self.outbox.log(lines);
    }

    /// Says something in Pegboard's own voice; about the run as a whole when there is no stage.
    pub(crate) fn say(&mut self, position: Option<usize>, level: LogLevel, text: String) {
        let stage = position.map(|position| self.run.stages[position].name.clone());
        self.outbox.say(now(), stage, level, text);
    }

    /// Progress of fan-outs waits for its turn.
    pub(crate) fn has_counts(&self) -> bool {
        self.outbox.has_counts()
    }

    /// Sends what has changed on its way to the store.
    pub(crate) async fn flush(&mut self) {
        let mut changes = self.outbox.take(&self.run, Instant::now());
        if self.removed {
            changes.retain(|change| matches!(change, Change::EventStored(_)));
        }
        if !self.store_failed {
            self.shared.recorder.send(changes, &self.refuse).await;
        }
    }

    /// The store refused a change. Gives back what the run fails with, if it fails.
    pub(crate) fn refused(&mut self, error: &StoreError) -> Option<Failure> {
        if matches!(error, StoreError::NotFound(_)) {
            self.removed = true;
            return None;
        }
        self.store_failed = true;
        Some(unrecorded(error))
    }

    /// The run is over, in memory.
    pub(crate) fn end(&mut self, state: RunState, failure: Option<Failure>) {
        self.run.state = state;
        self.run.failure = failure.map(bounded);
        self.run.finished_at = Some(now());
    }

    /// Records the end, then announces it. False: the server stopped before the store took it.
    pub(crate) async fn finish(&mut self) -> bool {
        self.outbox.say_left_out(now());
        self.outbox.header_changed();
        let event = event_log::finished(&self.run);
        self.shared.triggers.tells_of_run(event.id, self.run.uid);
        self.shared.triggers.run_ended(self.run.uid);
        self.outbox.event(event.clone());
        let mut untold = Some(event);
        let mut changes = if self.store_failed { self.everything() } else { self.outbox.take_all(&self.run) };
        let mut attempt = 0;
        while !self.removed {
            let refused = match self.shared.recorder.record(changes).await {
                Err(error) => Some(error),
                // The last changes are durable, but were those before them? The recorder told before it answered.
                Ok(()) => {
                    untold = None;
                    self.refusals.try_recv().ok().filter(|_| !self.store_failed)
                }
            };
            let Some(error) = refused else { break };
            if self.refused(&error).is_none() {
                break;
            }
            tracing::error!(run.id = %self.run.uid, attempt, %error, "the end of a run could not be recorded");
            let pause = RETRIES[attempt.min(RETRIES.len() - 1)];
            attempt += 1;
            if attempt == ATTEMPTS_IN_SILENCE {
                // Somebody waits for this; better a failure that says why than silence.
                self.run.state = RunState::Failed;
                self.run.failure = Some(unrecorded(&error));
                self.announce();
                self.tell();
            }
            if self.is_interrupted_within(pause).await && attempt >= ATTEMPTS_IN_SILENCE {
                return false;
            }
            if let Some(event) = untold.take().filter(|_| !matches!(error, StoreError::AlreadyExists(_))) {
                // With the same id: an attempt may have been stored although it was refused, and nobody is to hear of it twice.
                let event = Event { id: event.id, ..event_log::finished(&self.run) };
                self.outbox.event(event.clone());
                untold = Some(event);
            }
            changes = self.everything();
        }
        if let Some(event) = untold {
            // There is no record of the run any more; that it ended is news all the same.
            if let Err(error) = self.shared.recorder.record(vec![Change::EventStored(event)]).await {
                tracing::warn!(run.id = %self.run.uid, %error, "the event of the end of a run could not be stored");
            }
        }
        self.announce();
        if self.removed {
            self.tell();
        }
        tracing::debug!(run.id = %self.run.uid, run.state = self.run.state.as_str(), "a run ended");
        true
    }

    fn announce(&self) {
        self.channels.announce.send_replace(Some(Arc::new(self.run.clone())));
    }

    /// News of an end that the recorder could not tell of.
    fn tell(&self) {
        let _ = self.shared.events.send(RunEvent::Run(Arc::new(header(&self.run))));
    }

    /// The whole state of the run.
    fn everything(&mut self) -> Vec<Change> {
        (0..self.run.stages.len()).for_each(|stage| self.outbox.stage_changed(stage));
        self.outbox.header_changed();
        self.outbox.take_all(&self.run)
    }

    async fn is_interrupted_within(&mut self, pause: Duration) -> bool {
        if self.shared.is_stopping() {
            tokio::time::sleep(pause).await;
            return true;
        }
        let interrupted = async {
            while let Some(control) = self.channels.control.recv().await {
                if matches!(control, Control::Interrupt) {
                    return;
                }
            }
        };
        tokio::time::timeout(pause, interrupted).await.is_ok()
    }
}

fn unrecorded(error: &StoreError) -> Failure {
    let told = pegboard_model::Error::from(error.clone());
    let hint = match (told.kind, told.hint) {
        (ErrorKind::Exhausted, Some(hint)) => hint,
        _ => "see the server's log, then run the workflow again".to_owned(),
    };
    Failure::noticed(FailureKind::Exhausted, format!("the run could not be recorded: {error}")).hint(hint)
}

/// A failure that fits into a record: the beginning of the message, the end of the traceback.
fn bounded(failure: Failure) -> Failure {
    let traceback = failure.traceback.map(|text| {
        let begin = (text.len().saturating_sub(LONGEST_FAILURE)..=text.len()).find(|begin| text.is_char_boundary(*begin));
        match begin {
            Some(begin) if begin > 0 => format!("…{}", &text[begin..]),
            _ => text,
        }
    });
    Failure { message: clipped(failure.message, LONGEST_FAILURE), traceback, ..failure }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
