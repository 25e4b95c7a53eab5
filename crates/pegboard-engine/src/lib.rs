//! Every child process.

pub mod engine;
pub mod environment;

pub use engine::{Engine, EngineEvent, EngineOptions, WorkerLimits};
pub use environment::{Environment, EnvironmentOptions, Environments, InstallRequest, Progress};
