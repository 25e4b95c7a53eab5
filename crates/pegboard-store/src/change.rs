//! What can be changed about runs, events and triggers in one transaction, and what can be asked about many.

use pegboard_model::{Event, LogLevel, LogLine, Run, RunId, RunState, StageRun, Timestamp};
use uuid::Uuid;

/// One durable change. A batch of them is one transaction.
#[derive(Clone, Debug)]
pub enum Change {
    /// Insert the run with all its stages.
    RunCreated(Run),
    /// Replace the run's document; its `stages` are not looked at.
    RunChanged(Run),
    /// Replace one stage of a run.
    StageChanged {
        /// The run.
        run: RunId,
        /// Index of the stage in definition order.
        position: usize,
        /// What it is now.
        stage: StageRun,
    },
    /// Append lines to a run's log; sequence numbers are given by the store, from 1, without gaps.
    Logged {
        /// The run.
        run: RunId,
        /// Oldest first.
        lines: Vec<LogLine>,
    },
    /// Store the event as not handled; its sequence is given by the store.
    EventStored(Event),
    /// Everything that follows from the event is in this batch, or nothing follows. `AlreadyHandled` when another batch said so
    /// before: then nothing of this one is stored, so that no event has its effects twice.
    EventHandled {
        /// The event.
        sequence: u64,
    },
    /// Set the trigger's annotation `flowdapt.ai/last_run` and its `updated_at`. Nobody's change of the trigger is lost by it.
    TriggerFired {
        /// Uid of the trigger rule.
        trigger: Uuid,
        /// When it fired.
        at: Timestamp,
    },
}

/// A line and its place in the run's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// From 1, without gaps.
    pub sequence: u64,
    /// What was said.
    pub line: LogLine,
}

/// An event and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// From 1, without gaps, in the order in which events become visible.
    pub sequence: u64,
    /// Whether everything that follows from it is stored.
    pub handled: bool,
    /// What happened.
    pub event: Event,
}

/// Which lines of a log to read.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only lines with a sequence above this one.
    pub after: u64,
    /// Only lines with a sequence below this one.
    pub before: Option<u64>,
    /// Only lines of this stage.
    pub stage: Option<String>,
    /// Only lines of this level and above.
    pub level: Option<LogLevel>,
    /// The last ones of them instead of the first ones; they are oldest first all the same.
    pub last: bool,
    /// At most so many.
    pub limit: usize,
}

/// Which runs to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only runs of the workflow with this name.
    pub workflow: Option<String>,
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs created before this one (paging). `NotFound` when it does not exist any more.
    pub before: Option<RunId>,
    /// 0: all.
    pub limit: usize,
}
