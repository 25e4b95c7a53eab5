//! What can be changed about a run, and what can be asked about many.

use pegboard_model::{LogLine, Run, RunId, RunState, StageRun};

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
}

/// A line and its place in the run's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// From 1, without gaps.
    pub sequence: u64,
    /// What was said.
    pub line: LogLine,
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
