//! Who works here, and with which key.

use serde::{Deserialize, Serialize};

use crate::hub::HubId;
use crate::time::Timestamp;

/// Owns projects, users, storages and plugins. One exists from the start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Organization {
    /// Identity.
    pub id: HubId,
    /// For people.
    pub name: String,
    /// Set by the server.
    pub created_at: Timestamp,
}

/// What somebody may do in the organization.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationRole {
    /// Everything.
    Admin,
    /// What their projects allow.
    Member,
}

/// Somebody who works here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Identity.
    pub id: HubId,
    /// Where they work.
    pub organization: HubId,
    /// Unique; this is how clients name people.
    pub email: String,
    /// What they may do.
    pub role: OrganizationRole,
    /// Set by the server.
    pub created_at: Timestamp,
}

/// A key for the HTTP API. Its text is shown once; only its hash is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names the key where it must not be shown.
    pub id: HubId,
    /// For people.
    pub name: String,
    /// Whose it is.
    pub user: HubId,
    /// BLAKE3 of the text, hexadecimal.
    pub hash: String,
    /// Only this project; none: everything that the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<HubId>,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Useless from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
