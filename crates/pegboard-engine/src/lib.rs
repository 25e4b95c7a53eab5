//! Every child process.

mod directory;
pub mod engine;
pub mod environment;
mod host_files;
pub mod memory;
pub mod shm;
mod spawn;
mod supervisor;
mod convert;
mod link;
mod output;
mod pool;
mod process;
mod reload;
pub mod worker;
pub mod zygote;

pub use engine::{Engine, EngineEvent, EngineOptions, EngineStatistics, PluginStatistics, WorkerCounts, WorkerLimits};
pub use environment::{Environment, EnvironmentOptions, Environments, InstallRequest, Installer, Progress, Tools};
