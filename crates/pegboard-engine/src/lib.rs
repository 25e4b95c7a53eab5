//! Every child process.

pub mod engine;
pub mod environment;
mod spawn;

pub use engine::{Engine, EngineEvent, EngineOptions, WorkerLimits};
pub use environment::{Environment, EnvironmentOptions, Environments, InstallRequest, Progress};
