//! Credentials for somebody else's bucket, or a folder of this machine.

use serde::{Deserialize, Serialize};

use crate::hub::HubId;
use crate::time::Timestamp;

/// Whose bucket it is. Written as the dialect's clients write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StorageProvider {
    /// Amazon S3, or what speaks like it.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// Azure Blob Storage.
    Azure,
    /// A folder of the server's machine.
    Local,
}

impl StorageProvider {
    /// As clients write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Gcp => "GCP",
            Self::Azure => "AZURE",
            Self::Local => "LOCAL",
        }
    }
}

/// A place that assets lie in. What is secret about it is sealed: this crate has no key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Storage {
    /// Identity.
    pub id: HubId,
    /// Whose it is.
    pub organization: HubId,
    /// For people.
    pub name: String,
    /// Whose bucket it is.
    pub provider: StorageProvider,
    /// For example `eu-central-1`.
    #[serde(default)]
    pub region: String,
    /// Address of a service that is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// For a local one: the folder, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Key, secret and credentials, encrypted: hexadecimal.
    pub sealed: String,
    /// Set by the server.
    pub created_at: Timestamp,
}
