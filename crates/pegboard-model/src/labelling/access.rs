//! Who works here, and with which key.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
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

/// What somebody may do in the organization. A greater one may do all that a lesser one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationRole {
    /// Look, and change nothing.
    Viewer,
    /// Work: run, change, delete; in Ango's dialect as far as their projects allow.
    Member,
    /// Everything: people, keys, storages, settings.
    Admin,
}

impl OrganizationRole {
    /// All, from the least.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Member, Self::Admin];

    /// Its word: `viewer`, `member`, `admin`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for OrganizationRole {
    type Err = Error;

    /// `role-unknown` for any other word.
    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(word.trim()));
        found.ok_or_else(|| {
            Error::invalid("role-unknown", format!("`{word}` is no role in an organization"))
                .hint("choose viewer, member or admin")
        })
    }
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
    /// No more than this, whatever the user may; none: what the user may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<OrganizationRole>,
    /// When it was used last, to a few minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A user's password, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Password {
    /// Whose.
    pub user: HubId,
    /// Argon2id in the PHC string format, with its salt and costs.
    pub hash: String,
    /// When it was chosen.
    pub changed_at: Timestamp,
}

/// How somebody showed who they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    /// By password.
    Password,
    /// By a link that is good once.
    Link,
    /// By another server, which they signed in to.
    Openid,
}

/// A browser that somebody signed in with, until they sign out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignIn {
    /// Names it where its token must not be shown.
    pub id: HubId,
    /// BLAKE3 of the token in the browser's cookie, hexadecimal.
    pub hash: String,
    /// Whose.
    pub user: HubId,
    /// How it began.
    pub method: SignInMethod,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, to a few minutes.
    pub used_at: Timestamp,
    /// Over from then on, however much it is used.
    pub ends_at: Timestamp,
    /// From where: an IP address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// The first password of the server's first admin.
    FirstAdmin,
    /// The first password of somebody new.
    Invitation,
    /// Another password in place of a lost one.
    Reset,
}

/// A link with which somebody chooses a password, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OneTimeLink {
    /// BLAKE3 of the link's token, hexadecimal.
    pub hash: String,
    /// Whose password.
    pub user: HubId,
    /// What for.
    pub purpose: LinkPurpose,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Useless from then on.
    pub expires_at: Timestamp,
}

/// One line of the record of who did what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it was answered.
    pub time: Timestamp,
    /// Whose record it stands in.
    pub organization: HubId,
    /// Who: an email. As it was given, when nobody could be found under it.
    pub who: String,
    /// How they were known: `local`, `session`, `key`, `none`.
    pub how: String,
    /// The key's id, when it was a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<HubId>,
    /// What: `POST /api/v1/runs`, or a word such as `sign-in-failed`.
    pub action: String,
    /// To what: the path, with its names and ids.
    pub subject: String,
    /// From where: an IP address.
    pub address: String,
}
