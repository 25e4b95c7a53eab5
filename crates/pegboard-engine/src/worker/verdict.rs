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

/// Said of a worker that has not loaded its plugin yet.
pub(super) const WHILE_LOADED: &str = "while it was loaded";

/// Exit status of a host whose connection has ended; when we are still here, the plugin has closed it.
const LOST_SERVER: i32 = 70;

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
    let how = match exit {
        Exit::Code(code) => format!("exited with status {code}"),
        Exit::Signal(number) => format!("was ended by {}", signal_name(number)),
        Exit::Unknown => "has died together with the parked interpreter that it came from".to_owned(),
    };
    let is_short_of_memory = matches!(exit, Exit::Signal(_)) && watch.kernel_was_short_of_memory();
    let hint = hint(exit, options.limits.cpu_seconds, is_short_of_memory, when);
    let failure = Failure::noticed(FailureKind::Died, format!("worker of plugin `{plugin}` {how} {when}")).hint(hint);
    match capture.tail() {
        Some(tail) => failure.traceback(tail),
        None => failure,
    }
}

/// What to do about such an end.
fn hint(exit: Exit, cpu_seconds: Option<u64>, is_short_of_memory: bool, when: &str) -> String {
    let hint = match exit {
        Exit::Code(LOST_SERVER) => {
            "it lost its connection while the server went on: the plugin, or a library, closes file descriptors that are not its \
             own (3 and above), for example with `os.closerange`; close only what was opened there"
        }
        Exit::Code(_) if when == WHILE_LOADED => {
            "the import of a module ended the process: look for `os._exit` at the top level of the plugin's modules, and of the \
             libraries that they import"
        }
        Exit::Code(_) => {
            "a stage must return, not end its process: look for `sys.exit` and `os._exit`, also in the libraries that it calls"
        }
        Exit::Signal(number) => match signal_name(number).as_str() {
            "SIGKILL" if is_short_of_memory => {
                "the kernel killed a process for lack of memory at that time, most likely this one: use less memory, or give \
                 the machine more, or set a memory limit for plugins with `engine.memory`"
            }
            // A worker whose control connection was closed under it ends its whole group in this way.
            "SIGKILL" => {
                "if nobody killed it by hand, the kernel may have for lack of memory: look into the kernel's log (`dmesg`); or the \
                 plugin closed file descriptors that are not its own (3 and above)"
            }
            "SIGXCPU" => match cpu_seconds {
                Some(seconds) => {
                    return format!(
                        "it used more than its limit of {seconds} processor seconds for one call: raise `engine.cpu_time`, or do \
                         less in one call"
                    );
                }
                None => "it used more processor time than the server's own limit (`ulimit -t`) allows",
            },
            "SIGXFSZ" => "it wrote a larger file than `engine.file_size` allows: raise it, or write several smaller files",
            "SIGSEGV" | "SIGBUS" | "SIGILL" | "SIGFPE" | "SIGABRT" => {
                "native code of a library has crashed: the lines above say where Python was; try another version of that library"
            }
            _ => "somebody outside of Pegboard ended it, or the plugin itself did",
        },
        Exit::Unknown => "the next call starts both anew",
    };
    hint.to_owned()
}

/// The import of a plugin's modules failed. When one of them is not there itself, its package is at fault, not what it depends on.
pub(super) fn not_loaded(mut failure: Failure, modules: &[String]) -> Failure {
    let absent = failure.message.strip_prefix("No module named '").and_then(|rest| rest.strip_suffix('\''));
    let named = modules.iter().find(|module| {
        let rest = absent.and_then(|absent| module.strip_prefix(absent));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    if let (Some(module), "ModuleNotFoundError") = (named, failure.class.as_str()) {
        failure.hint = Some(format!(
            "the package's entry point in group `flowdapt.plugins` names the module `{module}`, and the package does not bring it: \
             correct the entry point, or let the build include the module"
        ));
    }
    failure
}

/// It has more memory of its own than it may have.
pub(super) fn over_memory(plugin: &PluginName, stage: &str, used: u64, limit: u64) -> Failure {
    Failure::noticed(
        FailureKind::Memory,
        format!("stage `{stage}` of plugin `{plugin}` uses {}, its limit is {}", mebibytes(used), mebibytes(limit)),
    )
    .hint("raise `engine.memory`, or work on smaller pieces at a time")
}

/// Adds the figures to a `MemoryError` that Python raised under the limit.
pub(super) fn memory_error(mut failure: Failure, options: &WorkerOptions) -> Failure {
    if let (None, Some(limit)) = (&failure.hint, options.limits.memory_bytes) {
        failure.hint = Some(format!(
            "the plugin may use {} of its own and map {} of values: raise `engine.memory`, or work on smaller pieces at a time",
            mebibytes(limit),
            mebibytes(options.limits.mapped_bytes)
        ));
    }
    failure
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_hint() {
        const DURING: &str = "during stage `x`";
        for (exit, when, words) in [
            (Exit::Code(0), DURING, "sys.exit"),
            (Exit::Code(LOST_SERVER), DURING, "os.closerange"),
            (Exit::Code(3), WHILE_LOADED, "top level"),
            (Exit::Signal(24), DURING, "`engine.cpu_time`"),
            (Exit::Signal(25), DURING, "`engine.file_size`"),
            (Exit::Signal(9), DURING, "dmesg"),
            (Exit::Signal(11), DURING, "native code"),
            (Exit::Signal(15), DURING, "outside"),
            (Exit::Unknown, DURING, "anew"),
        ] {
            let hint = hint(exit, Some(2), false, when);
            assert!(hint.contains(words), "{exit:?}: {hint}");
        }
        let failed = |class: &str, message: &str| {
            let failure = Failure { class: class.to_owned(), ..Failure::noticed(FailureKind::Raised, message.to_owned()) };
            not_loaded(failure, &["plugin.stages".to_owned()]).hint.unwrap_or_default()
        };
        for (class, message, is_ours) in [
            ("ModuleNotFoundError", "No module named 'plugin'", true),
            ("ModuleNotFoundError", "No module named 'plugin.stages'", true),
            ("ModuleNotFoundError", "No module named 'plug'", false),
            ("ModuleNotFoundError", "No module named 'numpy'", false),
            ("ValueError", "No module named 'plugin'", false),
        ] {
            assert_eq!(failed(class, message).contains("`plugin.stages`"), is_ours, "{class}: {message}");
        }
        assert!(hint(Exit::Signal(9), None, true, DURING).contains("`engine.memory`"));
    }
}
