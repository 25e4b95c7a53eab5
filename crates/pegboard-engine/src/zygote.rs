//! The parked interpreter of one environment, from which workers are forked.
//!
//! Invariants: it never imports plugin code; it is the parent of every worker, so it tells how each one ended; when it dies its
//! workers die with it, and the next fork starts a new one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::Failure;

/// How an environment's zygote is started.
#[derive(Clone, Debug)]
pub struct ZygoteOptions {
    /// The environment's interpreter, `<environment>/bin/python`.
    pub python: PathBuf,
    /// Folder that holds the unpacked `pegboard` package of the worker host.
    pub host: PathBuf,
    /// Modules to import before parking, when the environment has them.
    pub preload: Vec<String>,
    /// Start fresh interpreters instead of forking copies.
    pub fresh: bool,
    /// From the start to the message that it is parked.
    pub start_deadline: Duration,
}

/// A zygote; restarted when it is needed and dead.
#[derive(Debug)]
pub struct Zygote {}

#[allow(clippy::todo, unused_variables, clippy::unused_async, reason = "signatures first")]
impl Zygote {
    /// Starts the interpreter and waits until it is parked.
    ///
    /// # Errors
    /// `Unavailable` with what it printed when it does not park; `Protocol` when it speaks another version.
    pub async fn start(options: ZygoteOptions) -> Result<Arc<Self>, Failure> {
        todo!()
    }

    /// Ends it and every worker that is left of it.
    pub async fn stop(&self) {
        todo!()
    }
}
