//! What a plugin may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the processes of a plugin may do on this machine, as the engine starts them and as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginPermissions {
    /// The process that the kernel was asked about; null: none runs now, so it was the server, with whose rights each begins.
    pub process_id: Option<u32>,
    /// The user of the operating system that they act as: name and number.
    pub user: String,
    /// Which files they see: `server` (those that the server sees, as that user), `own` (a file system of their own) or `unknown`.
    pub files: String,
    /// Which network they see: `server`, `own` or `unknown`.
    pub network: String,
    /// `all`, or `filtered`: the kernel refuses them some system calls.
    pub system_calls: String,
    /// What they may use.
    pub limits: Vec<PluginLimit>,
    /// Names of the variables that they get besides the server's own, of which those are left out that are settings of ours.
    pub variables: Vec<String>,
    /// Names of those among them that are secrets which an administrator granted to this plugin alone.
    pub secrets: Vec<String>,
}

/// One thing of which a plugin may use so much.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginLimit {
    /// What of: `memory`, `processor time of a call`, and so on.
    pub name: String,
    /// The setting that says how much.
    pub setting: String,
    /// How much; null: no limit.
    pub value: Option<String>,
    /// Who sees to it: `kernel`, `server`, or `nobody` where this machine cannot. Null: there is no limit.
    pub enforced_by: Option<String>,
    /// What the kernel has for the process, where it counts the same thing; null: no limit, or no process.
    pub in_force: Option<String>,
}
