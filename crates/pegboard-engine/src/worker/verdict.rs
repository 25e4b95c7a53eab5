//! How the end of a worker is told: one sentence of what happened, what it said last, one sentence of what to do.

use std::time::Duration;

use pegboard_model::{Failure, FailureKind, PluginName};

use super::watch::Watch;
use super::{KILL_PATIENCE, WorkerOptions};
use crate::link::LinkError;
use crate::output::Capture;
use crate::process::{Exit, signal_name};

/// How long a process may live on when its data channel has ended: a dying one closes its channels first.
const DEATH_GRACE: Duration = Duration::from_millis(500);

/// It sent what the protocol does not know.
pub(super) fn protocol(plugin: &PluginName, what: &str) -> Failure {
    Failure::noticed(FailureKind::Protocol, format!("worker of plugin `{plugin}` broke the protocol: {what}")).hint(
        "something in the plugin writes to, or closes, file descriptors that are not its own; the worker was ended, the next call gets a new one",
    )
}

/// The data channel is of no use any more. Whether the process has died by itself decides what is told; it is dead afterwards.
pub(super) async fn lost(options: &WorkerOptions, watch: &Watch, capture: &Capture, error: &LinkError, when: &str) -> Failure {
    let garbage = matches!(error, LinkError::Protocol(_) | LinkError::DescriptorsLost);
    let exit = if garbage { None } else { watch.exited_within(DEATH_GRACE).await };
    let cut = matches!(error, LinkError::HalfFrame);
    match (watch.cause(), exit) {
        (Some(cause), _) => cause,
        (None, Some(exit)) if !(cut && exit == Exit::Code(0)) => died(options, watch, capture, exit, when),
        _ => {
            watch.kill(protocol(&options.plugin, &format!("{error}, {when}")));
            let _ = watch.exited_within(KILL_PATIENCE).await;
            watch.cause().unwrap_or_else(|| protocol(&options.plugin, &error.to_string()))
        }
    }
}

/// It ended by itself, or by somebody else's hand.
pub(super) fn died(options: &WorkerOptions, watch: &Watch, capture: &Capture, exit: Exit, when: &str) -> Failure {
    let plugin = &options.plugin;
    let (how, hint) = match exit {
        Exit::Code(code) => (
            format!("exited with status {code}"),
            "a stage must return, not end its process: look for `sys.exit` and `os._exit`, also in the libraries that it calls"
                .to_owned(),
        ),
        Exit::Signal(number) => {
            let name = signal_name(number);
            let hint = match name.as_str() {
                "SIGKILL" if watch.kernel_was_short_of_memory() => {
                    "the kernel killed a process for lack of memory at that time, most likely this one: use less memory, or give \
                     the machine more, or set a memory limit for the plugin"
                        .to_owned()
                }
                "SIGKILL" => {
                    "if nobody killed it by hand, the kernel may have for lack of memory: look into the kernel's log (`dmesg`)".to_owned()
                }
                "SIGXCPU" => match options.limits.cpu_seconds {
                    Some(seconds) => format!("it used more than its limit of {seconds} processor seconds for one call: raise `cpu_seconds` or do less in one call"),
                    None => "it used more processor time than the server's own limit (`ulimit -t`) allows".to_owned(),
                },
                "SIGXFSZ" => "it wrote a larger file than its limit `file_bytes` allows".to_owned(),
                "SIGSEGV" | "SIGBUS" | "SIGILL" | "SIGFPE" | "SIGABRT" => {
                    "native code of a library has crashed: the lines above say where Python was; try another version of that library".to_owned()
                }
                _ => "somebody outside of Pegboard ended it, or the plugin itself did".to_owned(),
            };
            (format!("was ended by {name}"), hint)
        }
        Exit::Unknown => (
            "has died together with the parked interpreter that it came from".to_owned(),
            "the next call starts both anew".to_owned(),
        ),
    };
    let failure = Failure::noticed(FailureKind::Died, format!("worker of plugin `{plugin}` {how} {when}")).hint(hint);
    match capture.tail() {
        Some(tail) => failure.traceback(tail),
        None => failure,
    }
}

/// It has more memory of its own than it may have.
pub(super) fn over_memory(plugin: &PluginName, stage: &str, used: u64, limit: u64) -> Failure {
    Failure::noticed(
        FailureKind::Memory,
        format!("stage `{stage}` of plugin `{plugin}` uses {}, its limit is {}", mebibytes(used), mebibytes(limit)),
    )
    .hint("raise the plugin's memory limit, or work on smaller pieces at a time")
}

/// Adds the figures to a `MemoryError` that Python raised under the limit.
pub(super) fn memory_error(mut failure: Failure, options: &WorkerOptions) -> Failure {
    if let (None, Some(limit)) = (&failure.hint, options.limits.memory_bytes) {
        failure.hint = Some(format!(
            "the plugin may use {} of its own and map {} of values: raise its memory limit, or work on smaller pieces at a time",
            mebibytes(limit),
            mebibytes(options.limits.mapped_bytes)
        ));
    }
    failure
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
