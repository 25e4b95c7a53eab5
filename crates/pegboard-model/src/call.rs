//! One call to a plugin: what is asked, what happens meanwhile, how it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{CallId, PluginName};
use crate::log::LogLine;
use crate::value::{Argument, Value};

/// What a stage can ask about the run that it is part of. Sent to a worker once per run, not once per call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunContext {
    /// Tells contexts apart: the run's id.
    pub id: String,
    /// A JSON object: `run`, `definition`, `input`, `namespace`, `executor`, `config` (Flowdapt specification, section 12.1).
    pub json: Bytes,
}

/// A request to a plugin.
#[derive(Clone, Debug)]
pub struct Call {
    /// Identity, unique within the process.
    pub id: CallId,
    /// Whose code.
    pub plugin: PluginName,
    /// What to do.
    pub operation: Operation,
    /// The run on whose behalf; the worker attributes output to `stage`.
    pub context: Arc<RunContext>,
    /// Name of the stage, for logs.
    pub stage: String,
    /// Longest time that the call may take; none means the engine's default.
    pub deadline: Option<Duration>,
}

/// What a worker is asked to do. Arguments are bound to the callable's signature by the worker (specification, 9.2, 9.3).
#[derive(Clone, Debug)]
pub enum Operation {
    /// Call the target once. Ends with one value.
    Stage {
        /// Dotted path.
        target: String,
        /// Results of the dependencies in order; none: a stage without dependencies, bound to the run's input.
        arguments: Option<Vec<Argument>>,
    },
    /// Take the iterable of a parameterized stage apart: `input[map_on]`, or the first argument. Ends with a list of values.
    Expand {
        /// Key in the run's input.
        map_on: Option<String>,
        /// Results of the dependencies in order.
        arguments: Option<Vec<Argument>>,
    },
    /// Call the target once per item. Items end one by one in [`CallEvent::Items`], then the call ends with no value.
    Items {
        /// Dotted path.
        target: String,
        /// Key in the run's input, whose parameter the item takes.
        map_on: Option<String>,
        /// What every item receives besides itself: the dependencies' results, without the one that was taken apart.
        arguments: Option<Vec<Argument>>,
        /// Index of the first item.
        first: u64,
        /// The items.
        items: Vec<Value>,
        /// End the call at the first item that raises; later items are not tried.
        stop_on_failure: bool,
    },
    /// Say the value as JSON (specification, section 8.3). Ends with one inline value that holds JSON text, not a pickle.
    Encode {
        /// The value.
        argument: Argument,
    },
    /// Call a named operation with a JSON payload: for plugins that exchange JSON, not pickles. Remote plugins take nothing
    /// else. Ends with one inline value that holds JSON text.
    Invoke {
        /// Name of the operation, as the plugin's dialect knows it.
        name: String,
        /// One JSON value.
        payload: Bytes,
    },
}

/// How one item of [`Operation::Items`] ended.
#[derive(Clone, Debug)]
pub enum ItemOutcome {
    /// With a value.
    Value(Value),
    /// It raised.
    Failure(Failure),
}

/// What happens during a call. The stream ends after `Finished` or `Failed`, and never without one of them.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A worker took it.
    Started {
        /// Process id of a local worker.
        process_id: Option<u32>,
    },
    /// Lines that were said meanwhile, in order.
    Log(Vec<LogLine>),
    /// The plugin says how far it is.
    Progress {
        /// Units done.
        done: f64,
        /// Units in all, when known.
        total: Option<f64>,
        /// A word about it.
        message: String,
    },
    /// Items that have ended, in order: the first has index `first`.
    Items {
        /// Index of the first one.
        first: u64,
        /// One per item.
        outcomes: Vec<ItemOutcome>,
    },
    /// It ended well.
    Finished {
        /// `Stage`, `Encode`: one; `Expand`: the items; `Items`: none.
        values: Vec<Value>,
        /// Time inside the worker.
        busy: Duration,
    },
    /// It failed.
    Failed(Failure),
}

/// Why a call failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The plugin's code raised.
    Raised,
    /// The plugin's code does not import.
    Load,
    /// The target does not resolve, or cannot take what it is given.
    Target,
    /// The result cannot be pickled.
    Unpicklable,
    /// The process died: signal or exit status.
    Died,
    /// Over its memory limit.
    Memory,
    /// Over its time limit.
    Deadline,
    /// Somebody cancelled it.
    Cancelled,
    /// The worker broke the protocol: garbage, wrong version, closed channel.
    Protocol,
    /// The plugin is parked, not installed, or its environment cannot be made.
    Unavailable,
    /// The machine ran out of disk, memory or descriptors.
    Exhausted,
}

/// How a plugin failed, for people: class and message as Python says them, the traceback, one sentence saying what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// Simple name of the exception class; for a dead worker `WorkflowExecutionError` (specification, section 9.4).
    pub class: String,
    /// `str(exception)`.
    pub message: String,
    /// Python traceback, or the tail of what the process said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that Pegboard itself noticed, under the class name that Flowdapt's clients know.
    pub fn noticed(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, class: "WorkflowExecutionError".to_owned(), message: message.into(), traceback: None, hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a traceback.
    #[must_use]
    pub fn traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        self
    }
}
