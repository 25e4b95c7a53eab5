//! Version and features of the protocol. Not the product's version: either side may be newer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The protocol's version. Same major: compatible; a new minor only adds messages behind a feature name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProtocolVersion {
    /// Differs: refuse.
    pub major: u16,
    /// Differs: go on, with the features both name.
    pub minor: u16,
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// What this build speaks.
pub const PROTOCOL: ProtocolVersion = ProtocolVersion { major: 1, minor: 3 };

/// Names of optional abilities; unknown ones are ignored.
pub type Features = Vec<String>;

/// Values may travel as descriptors of sealed memory files (since 1.0).
pub const FEATURE_SHARED_MEMORY: &str = "shared-memory";
/// The worker registers a stack dump on a signal that needs no interpreter lock (since 1.0).
pub const FEATURE_STACK_DUMP: &str = "stack-dump";
/// The worker can hand the calls of stages to an executor that `load` names (since 1.1).
pub const FEATURE_EXECUTOR: &str = "executor";
/// The worker calls functions that exchange JSON (since 1.3).
pub const FEATURE_INVOKE: &str = "invoke";

/// Refuses another major version.
///
/// # Errors
/// [`Error::Version`].
pub fn check(theirs: ProtocolVersion) -> Result<(), Error> {
    if theirs.major == PROTOCOL.major {
        Ok(())
    } else {
        Err(Error::Version { theirs: theirs.to_string(), ours: PROTOCOL.to_string() })
    }
}
