//! A plugin's record in the directory.

use serde::{Deserialize, Serialize};

use crate::call::Failure;
use crate::id::PluginName;
use crate::time::Timestamp;

/// The API that a plugin was written for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Dash components, views and pages.
    Workbench,
    /// Stages found by entry point group `flowdapt.plugins`.
    Flowdapt,
    /// Remote scripts.
    Ango,
    /// Our own.
    Pegboard,
}

/// Where a plugin's code comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PluginSource {
    /// A Python distribution installed into an environment of its own.
    Package {
        /// What the user asked for: a requirement, a path, a wheel, a `git+` URL.
        requirement: String,
        /// Installed in place: the source folder is what runs.
        editable: bool,
        /// Package index that the user named instead of the default one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index_url: Option<String>,
    },
    /// A folder of plugin files, local or in object storage.
    Directory {
        /// Path or URL.
        location: String,
    },
    /// Connects to us with id and secret.
    Remote,
}

/// One thing that a plugin adds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contribution {
    /// `stage`, `executor`, `panel`, `view`, `page`, `export`, `model`, …
    pub kind: String,
    /// Its name within the plugin; for a stage module, the importable module.
    pub name: String,
}

/// Whether calls can reach a plugin now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// Its environment is being made.
    Installing,
    /// Loaded, or loads at its first call. With a `failure`: newer code does not load, and what was loaded before serves.
    Ready,
    /// Its code does not load and none of an older generation serves; the record's `failure` says why.
    Broken,
    /// It crashed too often; the record's `failure` holds the last traceback.
    Parked,
}

/// Distribution metadata, as packaging wrote it (Flowdapt specification, section 11.1). Missing fields are empty.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginMetadata {
    /// Distribution name, verbatim.
    pub name: String,
    /// Summary.
    pub description: String,
    /// Author.
    pub author: String,
    /// License, or License-Expression.
    pub license: String,
    /// Home-page, or the first Project-URL.
    pub url: String,
    /// Version of the distribution that owns the entry point.
    pub version: String,
    /// Requires-Dist lines, verbatim.
    pub requirements: Vec<String>,
}

/// A plugin in the directory. Stored as a versioned document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Unique.
    pub name: PluginName,
    /// What it was written for.
    pub dialect: Dialect,
    /// Where its code comes from.
    pub source: PluginSource,
    /// What its distribution says of itself.
    pub metadata: PluginMetadata,
    /// Modules named by its entry points, imported when it loads.
    pub entry_points: Vec<String>,
    /// Top-level importable modules that its distribution owns: a target below one of them belongs to this plugin.
    pub modules: Vec<String>,
    /// What it adds.
    pub contributions: Vec<Contribution>,
    /// Data files of the distribution, relative to the environment's site-packages (specification, section 11.2).
    pub data_files: Vec<String>,
    /// Directory name of its environment below the data directory's `environments`; empty until one is made.
    pub environment: String,
    /// Whether calls can reach it.
    pub state: PluginState,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it was installed first.
    pub installed_at: Timestamp,
    /// When the record changed last.
    pub updated_at: Timestamp,
}
