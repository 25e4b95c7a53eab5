//! Where the stages of a run are.

use pegboard_model::{Argument, Operation, RunState};

use crate::fan_out::FanOut;
use crate::graph::Dependency;
use crate::plan::Plan;

/// One stage now.
#[derive(Debug)]
pub(super) struct StageProgress {
    /// Dependencies that are not done.
    pub(super) waiting: usize,
    /// Listings by stages that have not started, and one more for the run's result: at zero the value is dropped.
    pub(super) wanted: usize,
    pub(super) value: Option<Argument>,
    pub(super) state: RunState,
    pub(super) work: Work,
    /// The value is an earlier one.
    pub(super) is_cached: bool,
}

impl StageProgress {
    /// Of all stages of a run that has not begun.
    pub(super) fn all(plan: &Plan) -> Vec<Self> {
        plan.nodes
            .iter()
            .enumerate()
            .map(|(index, node)| Self {
                waiting: node.dependencies.iter().filter(|dependency| matches!(dependency, Dependency::On(_))).count(),
                wanted: plan.consumers[index].len() + usize::from(index == plan.result),
                value: None,
                state: RunState::Pending,
                work: Work::None,
                is_cached: false,
            })
            .collect()
    }
}

/// What a stage is doing.
#[derive(Debug)]
pub(super) enum Work {
    None,
    /// An earlier result is looked for; what the stage receives waits here.
    Looking(Option<Vec<Argument>>),
    /// One call: what is asked, when it may be asked again, and which attempt it is.
    Call {
        again: Option<Operation>,
        attempt: u32,
    },
    /// Its iterable is being taken apart; what every item receives besides itself waits here.
    Expanding(Option<Vec<Argument>>),
    /// Its items are under way.
    Items(Box<FanOut>),
}
