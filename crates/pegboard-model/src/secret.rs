//! A named secret and who gets it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Something that plugins need and nobody shall read. Stored as a versioned document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// Unique; the name of the environment variable that holds it in the plugins' processes.
    pub name: String,
    /// The value, encrypted: hexadecimal. This crate has no key.
    pub sealed: String,
    /// Who gets it: names of packages, ids of hub plugins whose scripts the server runs.
    pub plugins: Vec<String>,
    /// When it was set first.
    pub created_at: Timestamp,
    /// When its value or its plugins changed last.
    pub updated_at: Timestamp,
}
