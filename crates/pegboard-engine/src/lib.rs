//! Every child process.

pub mod engine;
pub mod environment;
pub mod memory;
pub mod shm;
mod spawn;
pub mod worker;
pub mod zygote;

pub use engine::{Engine, EngineEvent, EngineOptions, WorkerLimits};
pub use environment::{Environment, EnvironmentOptions, Environments, InstallRequest, Progress};
