//! How a command fails: a refusal for people and scripts, and an exit code. One place chooses the code.

use pegboard_model::Error;
use pegboard_server::shape::ErrorBody;

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The command or a setting is wrong.
pub(crate) const USAGE: u8 = 2;
/// There is no server to speak to.
pub(crate) const NO_SERVER: u8 = 3;
/// Stopped with Ctrl-C.
pub(crate) const STOPPED: u8 = 130;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct CommandFailure {
    /// Exit code.
    pub(crate) exit: u8,
    /// What to say; nothing when all has been said.
    pub(crate) error: Option<ErrorBody>,
}

impl CommandFailure {
    /// A wrong command or setting.
    pub(crate) fn usage(error: Error) -> Self {
        Self { exit: USAGE, ..error.into() }
    }

    /// All has been said already.
    pub(crate) fn silent(exit: u8) -> Self {
        Self { exit, error: None }
    }

    /// Somebody pressed Ctrl-C and something goes on without him.
    pub(crate) fn left(message: &str, hint: &str) -> Self {
        Self { exit: STOPPED, ..Error::invalid("left", message).hint(hint).into() }
    }

    /// The server cannot be reached.
    pub(crate) fn no_server(url: &str, reason: &str) -> Self {
        let error = Error::unavailable("server-unreachable", format!("cannot reach a Pegboard server at {url}: {reason}"))
            .hint("start one with `pegboard serve`, or name another with `--url` or PEGBOARD_URL");
        Self { exit: NO_SERVER, ..error.into() }
    }

    /// The server refused.
    pub(crate) fn refused(error: ErrorBody) -> Self {
        Self { exit: FAILED, error: Some(error) }
    }

    /// The runtime does not start.
    pub(crate) fn no_runtime(error: std::io::Error) -> Self {
        Error::internal("runtime", format!("cannot start threads: {error}")).into()
    }
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        let body = ErrorBody { code: error.code, message: error.message, hint: error.hint, detail: error.detail };
        Self { exit: FAILED, error: Some(body) }
    }
}
