//! Why sessions fail, in words.

use std::time::Duration;

use pegboard_model::{SessionFailure, SessionProgress};

fn failure(code: &str, message: impl Into<String>, hint: &str) -> SessionFailure {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    SessionFailure { code: code.to_owned(), message: message.into(), hint }
}

/// The plugin said that it failed; `cause` is the last line of level ERROR.
pub(crate) fn raised(cause: Option<&str>) -> SessionFailure {
    match cause {
        Some(cause) => failure("plugin-raised", cause, "the whole traceback is in the script's own output"),
        None => failure(
            "plugin-raised",
            "the plugin's callback failed and its client does not say why",
            "look at the script's own output; clients from 1.4.7 on send the reason",
        ),
    }
}

/// What the plugin answered could not be stored.
pub(crate) fn answer_refused(error: &pegboard_model::Error) -> SessionFailure {
    failure(
        "plugin-answer",
        format!("the plugin's answer was refused: {}", error.message),
        error.hint.as_deref().unwrap_or("mend the plugin, or map its classes to the project's tools; then re-run the stage"),
    )
}

/// An export whose handler ended without an answer.
pub(crate) fn no_file(cause: Option<&str>) -> SessionFailure {
    let message = cause.map_or_else(|| "the plugin ended without an answer".to_owned(), str::to_owned);
    failure("plugin-no-answer", message, "look at the session's log and at the script's own output")
}

/// The answer does not fit the plugin's type.
pub(crate) fn wrong_answer(message: impl Into<String>) -> SessionFailure {
    failure("plugin-answer", message, "does the script's class fit the type in the plugin's record?")
}

/// It took too long.
pub(crate) fn timeout(limit: Duration, progress: Option<SessionProgress>) -> SessionFailure {
    let far = progress.map(|progress| format!(" ({} of {} done)", progress.done, progress.total)).unwrap_or_default();
    let seconds = limit.as_secs_f64();
    failure(
        "session-timeout",
        format!("the plugin did not answer within {seconds} s{far}"),
        "raise the plugin's time limit, or look at the script's own output: some failures are not told to the hub",
    )
}

/// Nobody came to take it.
pub(crate) fn never_taken(limit: Duration) -> SessionFailure {
    failure(
        "session-queue-timeout",
        format!("no connection of the plugin took the session within {} s", limit.as_secs()),
        "start the plugin's script, then retry the session",
    )
}

/// The plugin's connection closed and it did not come back.
pub(crate) fn left() -> SessionFailure {
    failure(
        "plugin-left",
        "the plugin disconnected during the run and did not come back",
        "look at the script's own output; start it again and retry the session",
    )
}

/// The plugin lost the run twice.
pub(crate) fn lost_again() -> SessionFailure {
    failure(
        "plugin-restarted",
        "the plugin's process ended during the run, was sent the run again, and ended again",
        "look at the script's own output before you retry the session",
    )
}

/// What it sent cut the connection.
pub(crate) fn too_large(limit: usize) -> SessionFailure {
    failure(
        "plugin-answer-too-large",
        format!("the plugin sent a message of more than {} MiB", limit >> 20),
        "let the script upload the result and answer with its address",
    )
}

/// The plugin was deleted.
pub(crate) fn removed() -> SessionFailure {
    failure("plugin-removed", "the plugin was removed", "")
}

/// The payload could not be made, or the call could not be.
pub(crate) fn refused(error: &pegboard_model::Error) -> SessionFailure {
    SessionFailure { code: error.code.clone(), message: error.message.clone(), hint: error.hint.clone() }
}

/// The client said, again and again, that it was busy.
pub(crate) fn always_busy() -> SessionFailure {
    failure(
        "plugin-busy",
        "the plugin refused the task at once, several times, without saying why",
        "is something else using the script's slots? Lower the plugin's limit of tasks, or look at the script's own output",
    )
}
