//! Live news of runs. Except for progress, what is said here is durable already: a listener who subscribes first and reads the
//! store then misses nothing.

use std::sync::Arc;

use pegboard_model::{LogLine, Run, RunId, StageRun};
use pegboard_store::Change;

/// One piece of news. Those of one run come in order.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run's header changed (stages empty). The last one of a run has a final state.
    Run(Arc<Run>),
    /// A stage changed.
    Stage {
        /// The run.
        run: RunId,
        /// Position among the run's stages.
        position: usize,
        /// The stage as it is now.
        stage: Arc<StageRun>,
    },
    /// Somebody said something.
    Log {
        /// The run.
        run: RunId,
        /// In order.
        lines: Vec<LogLine>,
    },
    /// A plugin says how far its call is. Nowhere stored.
    Progress {
        /// The run.
        run: RunId,
        /// Position among the run's stages.
        position: usize,
        /// Units done.
        done: f64,
        /// Units in all, when known.
        total: Option<f64>,
        /// A word about it.
        message: String,
    },
}

impl RunEvent {
    /// What a change says about a run; none when it is not about one.
    pub(crate) fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::RunCreated(run) | Change::RunChanged(run) => Self::Run(Arc::new(header(run))),
            Change::StageChanged { run, position, stage } => {
                Self::Stage { run: *run, position: *position, stage: Arc::new(stage.clone()) }
            }
            Change::Logged { run, lines } => Self::Log { run: *run, lines: lines.clone() },
            Change::EventStored(_) | Change::EventHandled { .. } | Change::TriggerFired { .. } => return None,
        })
    }
}

/// The run without its stages.
pub(crate) fn header(run: &Run) -> Run {
    Run {
        uid: run.uid,
        name: run.name.clone(),
        workflow: run.workflow.clone(),
        namespace: run.namespace.clone(),
        source: run.source,
        state: run.state,
        input: run.input.clone(),
        created_at: run.created_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        stages: Vec::new(),
        result: run.result.clone(),
        result_object: run.result_object.clone(),
        configs: run.configs.clone(),
        failure: run.failure.clone(),
    }
}
