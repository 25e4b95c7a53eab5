//! Every child process.

mod convert;
mod directory;
pub mod engine;
pub mod environment;
mod host_files;
mod link;
pub mod memory;
mod output;
mod pool;
mod process;
mod reload;
pub mod script;
pub mod shm;
mod spawn;
mod supervisor;
pub mod worker;
pub mod zygote;

pub use engine::{
    Bounds, Engine, EngineEvent, EngineOptions, EngineStatistics, EnvironmentUse, ExecutorOptions, HostedPlugin, Invocation,
    KernelView, PanelEnvironment, PluginStatistics, Preparation, WorkerCounts, WorkerLimits,
};
pub use environment::{
    Environment, EnvironmentOptions, EnvironmentSize, Environments, InstallRequest, Installer, Progress, Tools,
};
pub use process::own_memory;
pub use script::{ScriptVariables, Scripts};
