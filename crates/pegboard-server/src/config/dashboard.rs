//! Where panels come from and how long they may take.

use std::path::PathBuf;
use std::time::Duration;

use super::values::Values;

/// Settings of the section `dashboard`.
#[derive(Clone, Debug)]
pub struct DashboardSettings {
    /// Folders of plugin files, in order.
    pub plugins: Vec<PluginFolder>,
    /// Longest time for one callback.
    pub callback_deadline: Duration,
    /// Longest time for the import of a file and the making of its components.
    pub load_deadline: Duration,
    /// How often folders in object storage are looked at.
    pub poll: Duration,
    /// Most files that have a worker at once; at least one.
    pub workers: usize,
    /// Folders whose requirements name `workbench` get that one instead of ours.
    pub original_workbench: bool,
}

/// A folder of plugin files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PluginFolder {
    /// On this machine.
    Local(PathBuf),
    /// In object storage: `s3://bucket/prefix`.
    Remote(String),
}

impl DashboardSettings {
    /// `directory`: what relative paths begin at.
    pub(super) fn from_values(values: &Values, directory: &std::path::Path) -> Self {
        let duration = |key: &str, default: u64| values.duration(key).unwrap_or(Duration::from_secs(default));
        let folder = |text: String| match text.split_once("://") {
            Some(("file", path)) => PluginFolder::Local(PathBuf::from(path)),
            Some(_) => PluginFolder::Remote(text),
            None => PluginFolder::Local(directory.join(text)),
        };
        Self {
            plugins: values.list("dashboard.plugins").into_iter().map(folder).collect(),
            callback_deadline: duration("dashboard.callback_deadline", 30),
            load_deadline: duration("dashboard.load_deadline", 30),
            poll: duration("dashboard.poll", 5),
            workers: values.count("dashboard.workers").unwrap_or(64).max(1),
            original_workbench: values.flag("dashboard.original_workbench"),
        }
    }
}
