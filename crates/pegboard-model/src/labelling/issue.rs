//! Something that somebody found wrong with a task.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::hub::HubId;
use crate::time::Timestamp;

/// A remark under an issue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Comment {
    /// Email.
    pub created_by: String,
    /// Set by the server.
    pub created_at: Timestamp,
    /// What it says.
    pub content: String,
}

/// Something that somebody found wrong with a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Issue {
    /// Identity.
    pub id: HubId,
    /// Whose it is.
    pub project: HubId,
    /// About which asset.
    pub asset: HubId,
    /// About which task.
    pub task: HubId,
    /// Id of the stage that the task was in.
    pub stage: String,
    /// `Open` first.
    pub status: String,
    /// What it says.
    pub content: String,
    /// The place: `position`, `page`, `pageEnd`, `objectId`, `errorCodes` and what else a client said, by its names.
    #[serde(default)]
    pub details: Map<String, Json>,
    /// Oldest first.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// Email.
    pub created_by: String,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Set by the server.
    pub updated_at: Timestamp,
}
