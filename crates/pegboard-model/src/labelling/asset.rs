//! One file or text that is labelled.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::hub::HubId;
use crate::time::Timestamp;

/// What `data` of an asset begins with when it is a file in our own store; the rest is `PROJECT/KIND/UNIQUE/NAME`.
pub const OWN_FILE: &str = "pegboard:";

/// One file or text that is labelled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Asset {
    /// Identity.
    pub id: HubId,
    /// Whose it is.
    pub project: HubId,
    /// The client's own name for it; not unique.
    pub external_id: String,
    /// A URL, or the text itself, or [`OWN_FILE`] and a place in our own store.
    pub data: String,
    /// Where the URL's credentials are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<HubId>,
    /// Sets that it is in.
    #[serde(default)]
    pub batches: Vec<HubId>,
    /// Width and height and the like.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub metadata: Json,
    /// What the client gave along.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub context: Json,
    /// Shown beside it: objects with `type` and `value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Json>,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Email.
    pub created_by: String,
}

impl Asset {
    /// Its place in our own store, if that is where it lies.
    #[must_use]
    pub fn own_file(&self) -> Option<&str> {
        self.data.strip_prefix(OWN_FILE)
    }
}
