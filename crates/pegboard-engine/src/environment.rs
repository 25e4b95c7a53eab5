//! Python environments: found, made, locked, shared, removed.

use std::path::PathBuf;
use std::sync::Arc;

use pegboard_model::{Error, PluginName, PluginRecord};

/// Told what happens, step by step: (step, detail). Steps: `resolve`, `create`, `install`, `compile`, `discover`, `load`, `swap`.
pub type Progress = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// How environments are made.
#[derive(Clone, Debug)]
pub struct EnvironmentOptions {
    /// Data directory: `environments/`, `tools/`, `cache/uv`, `host/` are below it.
    pub data: PathBuf,
    /// The Python to use; none: `python3` on PATH, 3.10 or newer.
    pub python: Option<PathBuf>,
    /// The uv to use; none: on PATH, else installed once below `tools/`, else venv and pip.
    pub uv: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
}

/// What to install.
#[derive(Clone, Debug)]
pub struct InstallRequest {
    /// Requirement, path, wheel or `git+` URL.
    pub requirement: String,
    pub editable: bool,
    pub index_url: Option<String>,
    /// Use the real `flowdapt` distribution instead of the compatibility package.
    pub original_flowdapt: bool,
}

/// One environment on disk.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Directory name below `environments/`.
    pub key: String,
    pub directory: PathBuf,
    pub python: PathBuf,
}

/// Makes and finds environments. Cheap to clone.
#[derive(Clone)]
pub struct Environments {}


impl Environments {
    /// Finds the tools; does not touch the network.
    pub async fn open(options: EnvironmentOptions) -> Result<Self, Error> { todo!() }
    /// Resolve, lock, create or share, compile, discover. No plugin code runs. The record is `Installing` until the engine has loaded it.
    pub async fn install(&self, request: &InstallRequest, progress: &Progress) -> Result<(Environment, PluginRecord), Error> { todo!() }
    /// The environment without a plugin, made on first use: interpreter, `pegboard`, compatibility package.
    pub async fn base(&self, progress: &Progress) -> Result<Environment, Error> { todo!() }
    /// A known one, if it is complete.
    pub fn get(&self, key: &str) -> Option<Environment> { todo!() }
    /// Removes those that no key names (not those younger than the call).
    pub async fn collect(&self, used: &[String]) -> Result<(), Error> { todo!() }
}
