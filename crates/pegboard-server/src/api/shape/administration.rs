//! What administrators see and send: secrets, environments, how the server is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use pegboard_engine::{EngineStatistics, EnvironmentUse};
use pegboard_model::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret, without its value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretAnswer {
    /// Name of the environment variable that holds it.
    pub name: String,
    /// Who gets it: names of packages, ids of hub plugins.
    pub plugins: Vec<String>,
    /// When it was set first.
    pub created_at: String,
    /// When its value or its plugins changed last.
    pub updated_at: String,
}

impl From<&Secret> for SecretAnswer {
    fn from(secret: &Secret) -> Self {
        Self {
            name: secret.name.clone(),
            plugins: secret.plugins.clone(),
            created_at: secret.created_at.to_string(),
            updated_at: secret.updated_at.to_string(),
        }
    }
}

/// All secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// By name.
    pub secrets: Vec<SecretAnswer>,
}

/// What becomes of a secret. What is absent stays as it is.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    /// The name that the path has; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value; a new secret needs one. It is never sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// All plugins that get it: names of packages, ids of hub plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Vec<String>>,
}

/// A secret that was set, and what that did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretSet {
    /// As it is now.
    pub secret: SecretAnswer,
    /// Plugins whose processes were started anew with it.
    pub reloaded: Vec<String>,
    /// Plugins that could not be started anew; they say why, and go on with what they had.
    pub failed: Vec<String>,
}

/// A Python environment on the server's disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentAnswer {
    /// Its directory below the data directory's `environments`.
    pub key: String,
    /// Its interpreter.
    pub python: String,
    /// Bytes on disk; files that it shares with the installer's cache count in full.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// When it was made, or last taken by another plugin.
    pub used_at: Option<String>,
    /// Packages that run in it.
    pub plugins: Vec<String>,
    /// Whether anybody uses it: a package, a hosted script, panels, the server itself.
    pub is_used: bool,
}

impl From<EnvironmentUse> for EnvironmentAnswer {
    fn from(found: EnvironmentUse) -> Self {
        let EnvironmentUse { environment, plugins, is_used } = found;
        Self {
            key: environment.key,
            python: environment.python,
            bytes: environment.bytes,
            files: environment.files,
            used_at: environment.used_at.map(instant),
            plugins,
            is_used,
        }
    }
}

fn instant(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

/// All environments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentList {
    /// The largest first.
    pub environments: Vec<EnvironmentAnswer>,
    /// Bytes of all.
    pub bytes: u64,
    /// Bytes of those that nobody uses.
    pub unused_bytes: u64,
}

/// Environments that were removed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentsPruned {
    /// Their keys.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether a storage can be reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StorageTest {
    /// Whether it can.
    pub reached: bool,
    /// Files found; counted up to 1,000.
    pub files: Option<u64>,
    /// Why not, in the words of whoever refused.
    pub reason: Option<String>,
}

/// Where to look in a storage.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageTestBody {
    /// The bucket or container; a local storage has none.
    #[serde(default)]
    pub bucket: String,
}

/// Workers and what they do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct EngineStatus {
    /// Importing their plugin.
    pub starting: usize,
    /// Waiting for calls.
    pub idle: usize,
    /// On a call.
    pub busy: usize,
    /// Held by their own code.
    pub blocked: usize,
    /// On their last call.
    pub draining: usize,
    /// Calls since the start.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Workers started in place of one that died.
    pub restarts: u64,
    /// Calls that wait.
    pub queued: usize,
    /// Bytes of shared values in memory.
    pub shared_bytes: u64,
    /// Bytes of shared values that may be in memory before the oldest go to disk.
    pub shared_budget: u64,
    /// Bytes of shared values on disk.
    pub spilled_bytes: u64,
}

impl EngineStatus {
    pub(crate) fn new(found: &EngineStatistics, shared_budget: u64) -> Self {
        Self {
            starting: found.workers.starting,
            idle: found.workers.idle,
            busy: found.workers.busy,
            blocked: found.workers.blocked,
            draining: found.workers.draining,
            calls: found.calls,
            failed: found.failed,
            restarts: found.restarts,
            queued: found.queued,
            shared_bytes: found.shared_bytes,
            shared_budget,
            spilled_bytes: found.spilled_bytes,
        }
    }
}

/// What is stored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// `SQLite` or `PostgreSQL`.
    pub records: String,
    /// Bytes of the database.
    pub record_bytes: u64,
    /// Records by noun.
    pub counts: BTreeMap<String, u64>,
    /// `folder` or `S3`.
    pub objects: String,
    /// How many objects.
    pub object_count: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// When it was counted; at most once a minute.
    pub counted_at: String,
}

/// How the server is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DetailsAnswer {
    /// Local plugins at work.
    pub engine: EngineStatus,
    /// What is stored.
    pub store: StoreStatus,
    /// Private bytes of the server's own process, without its plugins'.
    pub memory_bytes: u64,
    /// Bytes of the disk that the data directory is on.
    pub disk_bytes: u64,
    /// Of these, free.
    pub disk_free_bytes: u64,
}
