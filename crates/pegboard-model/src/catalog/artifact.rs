//! One version of an artifact.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::file::ArtifactFile;
use super::name::{ArtifactKind, ArtifactName, ArtifactReference};
use crate::time::Timestamp;

/// What made an artifact: a run, or a session of a remote plugin.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ArtifactOrigin {
    /// Uid of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Name of its workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Id of the session in which a remote plugin made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Where it came from otherwise: a file, a run of another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// One version of an artifact. A later one is made by publishing again; within a version, files and facts are added.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// How it is called; unique within its kind.
    pub name: ArtifactName,
    /// Counted from 1.
    // A stored document's own `version` says how it is written.
    #[serde(rename = "number")]
    pub version: u64,
    /// Who answers for it; `unknown` when nobody said.
    pub owner: String,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// `ready` unless its publisher says otherwise.
    pub status: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What is wrong with it, by name; empty: nothing.
    #[serde(default)]
    pub health: Vec<String>,
    /// What it was made from.
    #[serde(default)]
    pub inputs: Vec<ArtifactReference>,
    /// Who made it.
    #[serde(default)]
    pub origin: ArtifactOrigin,
    /// What its publisher says about it: type, framework, target, features, hyperparameters and so on; small.
    #[serde(default)]
    pub facts: Map<String, Json>,
    /// Its files, by role.
    #[serde(default)]
    pub files: Vec<ArtifactFile>,
    /// When its first version was published.
    pub created_at: Timestamp,
    /// When this version was published or changed last; later than any time before.
    pub modified_at: Timestamp,
}

impl Artifact {
    /// The artifact, whatever its version.
    #[must_use]
    pub fn reference(&self) -> ArtifactReference {
        ArtifactReference { kind: self.kind, name: self.name.clone() }
    }

    /// The file of that role.
    #[must_use]
    pub fn file(&self, role: &str) -> Option<&ArtifactFile> {
        self.files.iter().find(|file| file.role == role)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
