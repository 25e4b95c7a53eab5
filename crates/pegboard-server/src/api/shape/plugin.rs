//! Plugins and their workers.

use pegboard_model::{PluginRecord, PluginSource, WorkerStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::{FailureAnswer, word};
use crate::config::without_password;

/// Asks for a plugin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallBody {
    /// A requirement (`name>=1`), an absolute path of a project folder or wheel, or a `git+` URL.
    pub requirement: String,
    /// Install a folder in place: its files are what runs.
    #[serde(default)]
    pub editable: bool,
    /// Package index instead of the default one.
    #[serde(default)]
    pub index_url: Option<String>,
    /// Use the real `flowdapt` distribution instead of the compatibility package.
    #[serde(default)]
    pub original_flowdapt: bool,
}

/// Asks for another version of an installed plugin. All keys may be absent: then its source is installed anew.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// Instead of the requirement that it was installed with.
    #[serde(default)]
    pub requirement: Option<String>,
    /// Package index instead of the one that it was installed from.
    #[serde(default)]
    pub index_url: Option<String>,
}

/// A plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginAnswer {
    /// Unique name.
    pub name: String,
    /// Version of its distribution.
    pub version: String,
    /// One line about it, from its distribution.
    pub summary: String,
    /// `installing`, `ready`, `broken` or `parked`.
    pub state: String,
    /// The API that it was written for: `workbench`, `flowdapt`, `ango` or `pegboard`.
    pub dialect: String,
    /// `package`, `directory` or `remote`.
    pub source: String,
    /// What it was installed with; credentials masked.
    pub requirement: Option<String>,
    /// Whether it runs from its source folder.
    pub editable: bool,
    /// Modules that are imported when it loads.
    pub entry_points: Vec<String>,
    /// Modules that it owns: a target below one of them is its.
    pub modules: Vec<String>,
    /// What it adds.
    pub contributions: Vec<PluginContribution>,
    /// Name of its environment.
    pub environment: String,
    /// Why it does not load, or why it is parked.
    pub failure: Option<FailureAnswer>,
    /// What is not right with it, though it loads: other plugins that bring a module of the same name.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// When it was installed first.
    pub installed_at: String,
    /// When its record changed last.
    pub updated_at: String,
    /// Its processes.
    pub workers: Vec<WorkerAnswer>,
    /// What they may do; only told of one plugin by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<super::PluginPermissions>,
}

/// One thing that a plugin adds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginContribution {
    /// `stage`, `executor`, …
    pub kind: String,
    /// Its name within the plugin.
    pub name: String,
}

/// All plugins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// By name.
    pub plugins: Vec<PluginAnswer>,
}

/// One process that runs a plugin's code.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerAnswer {
    /// Whose code.
    pub plugin: String,
    /// Process id; null for a remote worker.
    pub process_id: Option<u32>,
    /// `starting`, `idle`, `busy`, `blocked`, `draining` or `dead`.
    pub state: String,
    /// Reload generation: grows with each swap.
    pub generation: u64,
    /// Since when it lives.
    pub started_at: String,
    /// Calls that it has answered.
    pub calls: u64,
    /// Resident private memory.
    pub memory_bytes: Option<u64>,
}

/// All workers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerList {
    /// By plugin.
    pub workers: Vec<WorkerAnswer>,
}

impl PluginAnswer {
    /// A record with those of `workers` that belong to it, beside all `installed`.
    #[must_use]
    pub fn new(record: PluginRecord, workers: &[WorkerStatus], installed: &[PluginRecord]) -> Self {
        let warnings = clashes(&record, installed);
        let (source, requirement, editable) = match record.source {
            PluginSource::Package { requirement, editable, .. } => ("package", Some(without_password(&requirement)), editable),
            PluginSource::Directory { location } => ("directory", Some(without_password(&location)), false),
            PluginSource::Remote => ("remote", None, false),
        };
        let workers = workers.iter().filter(|worker| worker.plugin == record.name).cloned().map(WorkerAnswer::from).collect();
        Self {
            name: record.name.to_string(),
            version: record.metadata.version,
            summary: record.metadata.description,
            state: word(record.state),
            dialect: word(record.dialect),
            source: source.to_owned(),
            requirement,
            editable,
            entry_points: record.entry_points,
            modules: record.modules,
            contributions: record.contributions.into_iter().map(|c| PluginContribution { kind: c.kind, name: c.name }).collect(),
            environment: record.environment,
            failure: record.failure.map(FailureAnswer::from),
            warnings,
            installed_at: record.installed_at.to_string(),
            updated_at: record.updated_at.to_string(),
            workers,
            permissions: None,
        }
    }
}

/// One sentence for each module that another plugin brings as well; calls find one of the two, that which was installed first.
fn clashes(record: &PluginRecord, installed: &[PluginRecord]) -> Vec<String> {
    let mut found = Vec::new();
    for module in &record.modules {
        let mut all: Vec<&PluginRecord> = installed.iter().filter(|other| other.modules.contains(module)).collect();
        all.sort_by_key(|other| (other.installed_at, &other.name));
        let Some(first) = all.first().filter(|_| all.iter().any(|other| other.name != record.name)) else { continue };
        let names: Vec<String> = all.iter().map(|other| format!("`{}`", other.name)).collect();
        found.push(format!(
            "plugins {} bring the same module `{module}`: targets below it go to `{}`, which was installed first; rename the module \
             in the others, or uninstall what is not needed",
            names.join(" and "),
            first.name
        ));
    }
    found
}

impl From<WorkerStatus> for WorkerAnswer {
    fn from(status: WorkerStatus) -> Self {
        Self {
            plugin: status.plugin.to_string(),
            process_id: status.process_id,
            state: word(status.state),
            generation: status.generation,
            started_at: status.started_at.to_string(),
            calls: status.calls,
            memory_bytes: status.memory_bytes,
        }
    }
}
