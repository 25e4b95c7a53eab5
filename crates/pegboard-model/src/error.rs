//! The closed set of ways in which a request can be refused, with a stable code, a message and a hint.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What sort of refusal it is. The server has one table from this to an HTTP status, the command line one to an exit code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller sent something that cannot be right.
    InvalidInput,
    /// The thing named does not exist.
    NotFound,
    /// The thing exists already, or somebody else changed it meanwhile.
    Conflict,
    /// It cannot be done now, but may be later: no network, parked plugin, draining server.
    Unavailable,
    /// A plugin did something wrong; details travel in a [`crate::Failure`].
    PluginFailed,
    /// Out of disk, memory, descriptors.
    Exhausted,
    /// Our own fault.
    Internal,
}

/// A refusal: kind for machines, stable `code`, message for people, hint saying what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub struct Error {
    /// What sort of refusal.
    pub kind: ErrorKind,
    /// Stable, kebab-case; each has a page in `docs/errors.md`.
    pub code: String,
    /// What happened to what; lower case, no full stop, values in backticks.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// More, when there is more: a traceback, the tool's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Error {
    /// Any kind.
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into(), hint: None, detail: None }
    }

    /// The caller's fault.
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, code, message)
    }

    /// The thing named does not exist.
    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, code, message)
    }

    /// It exists already, or somebody was faster.
    pub fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    /// Not now.
    pub fn unavailable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, code, message)
    }

    /// Our own fault.
    pub fn internal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, code, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a longer text.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
