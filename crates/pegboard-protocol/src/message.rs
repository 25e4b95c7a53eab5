//! The messages. Direction is in the noun: `ToWorker` goes down, `FromWorker` comes up; the same for the zygote.
//!
//! A worker has two sockets. **Control** carries `Hello`, `Ping`, `Cancel`, `Stop` and their answers, served by a thread of its
//! own, so that a long call or a long answer never delays them. **Data** carries one call at a time, read by the worker's
//! main thread. Every message says on which of the two it travels and since when it exists.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hello::{Features, ProtocolVersion};

/// How a failure is told. Twin of the model's `Failure`, whose kinds a worker can say.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct WireFailure {
    /// `raised`, `load`, `target`, `unpicklable`, `memory`, `cancelled`; others read as `raised`.
    pub kind: String,
    /// Simple name of the exception class.
    pub class: String,
    /// `str(exception)`.
    pub message: String,
    /// Traceback without the host's own frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How many parts make one argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ArgumentShape {
    /// One part, one value.
    Single,
    /// `count` parts, put together as a list.
    List {
        /// Parts.
        count: usize,
    },
}

/// The run's context: whole the first time that a worker sees it, by id afterwards. A worker keeps the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContextReference {
    /// The run's id.
    pub id: String,
    /// JSON object with `run`, `definition`, `input`, `namespace`, `executor`, `config`; absent when the worker has it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::raw::deserialize")]
    pub body: Option<Box<RawValue>>,
}

/// Where stages run instead of in the worker itself (1.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecutorChoice {
    /// `ray`, `dask`, or the dotted path of a class in the plugin's environment.
    pub target: String,
    /// Its options, by the executor's own names.
    #[serde(default)]
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// Limits of one worker, applied by itself before any plugin code is imported. Absent: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `RLIMIT_DATA` in bytes: the memory allowance plus the budget for mapped inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor seconds for each call (soft `RLIMIT_CPU`, moved forward before the call).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// `RLIMIT_FSIZE` in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// `RLIMIT_NOFILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// `RLIMIT_NPROC`; without effect for root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

/// Server to worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Control, first. Answers the worker's hello (1.0).
    Hello {
        /// What the server speaks.
        protocol: ProtocolVersion,
        /// What both may use.
        features: Features,
        /// Values above this many bytes go to shared memory.
        inline_limit: u64,
        /// Map shared values read-only instead of copy-on-write.
        read_only: bool,
    },
    /// Control. Answered by `Pong` with the same number (1.0).
    Ping {
        /// Any number.
        sequence: u64,
    },
    /// Control. Raises the host's `Cancelled` in the call, if it is still on. No answer of its own (1.0).
    Cancel {
        /// The call.
        call: u64,
    },
    /// Control. End after the call that is on: run exit handlers, leave with status 0 (1.0).
    Stop,
    /// Data, first. Import these modules; answered by `Loaded` or `Failed` with call 0 (1.0).
    Load {
        /// Name of the plugin.
        plugin: String,
        /// Modules of its entry points.
        modules: Vec<String>,
        /// Modules that calls named before, imported as well if they still exist: an edit that breaks one is seen here (1.2).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        called: Vec<String>,
        /// Where stages run; absent: in the worker (1.1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        executor: Option<ExecutorChoice>,
    },
    /// Data. Call a target once. Parts: the arguments (1.0).
    Stage {
        /// Number of the call.
        call: u64,
        /// Name of the stage.
        stage: String,
        /// Context of the run.
        context: ContextReference,
        /// Dotted path.
        target: String,
        /// Results of the dependencies; absent: bind the run's input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Vec<ArgumentShape>>,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. Take an iterable apart. Parts: the arguments. Answered by `Items` and `Finished` (1.0).
    Expand {
        /// Number of the call.
        call: u64,
        /// Name of the stage.
        stage: String,
        /// Context of the run.
        context: ContextReference,
        /// Key in the run's input; absent: the first argument.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        map_on: Option<String>,
        /// Results of the dependencies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Vec<ArgumentShape>>,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. Call a target once per item. Parts: the arguments, then the items. Answered by `Items` and `Finished` (1.0).
    Items {
        /// Number of the call.
        call: u64,
        /// Name of the stage.
        stage: String,
        /// Context of the run.
        context: ContextReference,
        /// Dotted path.
        target: String,
        /// Key in the run's input whose parameter the item takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        map_on: Option<String>,
        /// What every item receives besides itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Vec<ArgumentShape>>,
        /// Index of the first item.
        first: u64,
        /// Number of items: that many last parts.
        count: usize,
        /// Stop at the first item that raises.
        stop_on_failure: bool,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. Say a value as JSON. Parts: the argument. Answered by `Finished` with one `j` part (1.0).
    Encode {
        /// Number of the call.
        call: u64,
        /// Context of the run.
        context: ContextReference,
        /// Shape of the value.
        argument: ArgumentShape,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. Call a function with one JSON value; it answers with one. Parts: the value (`j`). Answered by `Finished` with one `j`
    /// part (1.3).
    Invoke {
        /// Number of the call.
        call: u64,
        /// Dotted path of the function.
        target: String,
    },
    /// Data. Answers a `Request`. Parts: the value, if the method gives one (1.0).
    Response {
        /// Number of the request.
        request: u64,
        /// Whether the key was there.
        found: bool,
        /// Why it could not be done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<WireFailure>,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
}

/// Worker to server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// Control, first (1.0).
    Hello {
        /// What the worker speaks.
        protocol: ProtocolVersion,
        /// What it can do.
        features: Features,
        /// `os.getpid()`.
        process_id: u32,
        /// `platform.python_version()`.
        python: String,
        /// Number of the signal that makes it dump its stacks; 0: none.
        stack_signal: i32,
    },
    /// Control. Says that the interpreter lock could be had (1.0).
    Pong {
        /// From the ping.
        sequence: u64,
        /// Bytes of shared values that are mapped now.
        mapped_bytes: u64,
    },
    /// Data. The plugin is imported (1.0).
    Loaded {
        /// How long it took.
        seconds: f64,
    },
    /// Data. Parts: values of consecutive items, or failures (`e`). Any number of these before `Finished` (1.0).
    Items {
        /// Number of the call.
        call: u64,
        /// Index of the first.
        first: u64,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. The call ended well. Parts: its values (1.0).
    Finished {
        /// Number of the call.
        call: u64,
        /// Microseconds inside the worker.
        busy_us: u64,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
    /// Data. The call failed; call 0: the load (1.0).
    Failed {
        /// Number of the call.
        call: u64,
        /// How.
        failure: WireFailure,
    },
    /// Data. Lines of the structured logger (1.0).
    Log {
        /// Oldest first.
        records: Vec<LogRecord>,
    },
    /// Data. How far the call is (1.0).
    Progress {
        /// Units done.
        done: f64,
        /// Units in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        /// A word about it.
        #[serde(default)]
        message: String,
    },
    /// Data. The plugin wants something of the server during its call; answered by `Response`. Parts: the value to put (1.0).
    Request {
        /// Number of the request.
        request: u64,
        /// `memory_put`, `memory_get`, `memory_exists`, `memory_delete`, `memory_clear`.
        method: String,
        /// Namespace of the key.
        namespace: String,
        /// The key.
        #[serde(default)]
        key: String,
        /// Descriptors that belong to this frame.
        #[serde(default, skip_serializing_if = "is_zero")]
        descriptors: usize,
    },
}

/// One line of the structured logger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogRecord {
    /// `debug`, `info`, `warning`, `error`, `critical`.
    pub level: String,
    /// Already formatted.
    pub text: String,
}

/// Server to zygote.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToZygote {
    /// Start a worker. Five descriptors: control socket, data socket, standard output, standard error, stack dumps (1.0).
    Fork {
        /// Any number; comes back in the answer.
        request: u64,
        /// Fork and execute a fresh interpreter instead of a copy of this one.
        fresh: bool,
        /// Work directory of the worker; made by the server.
        directory: String,
        /// Applied before the plugin is imported.
        limits: Limits,
        /// Always 5.
        descriptors: usize,
    },
}

/// Zygote to server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromZygote {
    /// First: the imports are done (1.0).
    Parked {
        /// What the zygote speaks.
        protocol: ProtocolVersion,
        /// `platform.python_version()`.
        python: String,
        /// Python threads beside the main one: above zero a fork is not safe, the server asks for fresh processes.
        python_threads: usize,
        /// Modules imported.
        imported: Vec<String>,
        /// Modules that are there but do not import, with the last line of their traceback.
        failed: Vec<(String, String)>,
        /// How long it took.
        seconds: f64,
    },
    /// A worker runs. One descriptor: its process handle (pidfd) (1.0).
    Forked {
        /// From the request.
        request: u64,
        /// Process and group id.
        process_id: u32,
        /// Always 1.
        descriptors: usize,
    },
    /// It could not be started (1.0).
    ForkFailed {
        /// From the request.
        request: u64,
        /// Why.
        message: String,
    },
    /// A worker is gone and reaped (1.0).
    Exited {
        /// Process id.
        process_id: u32,
        /// Exit status; absent when a signal ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// Signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
