//! What an artifact is and how it is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Most bytes of a name.
const LONGEST: usize = 200;

/// What sort of thing an artifact is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// A table as it came in.
    DataSource,
    /// A table that models learn from.
    FeatureSet,
    /// What was trained, with the results of its runs.
    Model,
    /// A model that answers, with what was measured while it did.
    Endpoint,
    /// Nodes and edges.
    Graph,
    /// A small JSON value.
    Parameter,
    /// A table that plugins keep for themselves: a report, an intermediate result.
    Frame,
}

impl ArtifactKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::DataSource, Self::FeatureSet, Self::Model, Self::Endpoint, Self::Graph, Self::Parameter, Self::Frame];

    /// As URLs and documents say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataSource => "data_source",
            Self::FeatureSet => "feature_set",
            Self::Model => "model",
            Self::Endpoint => "endpoint",
            Self::Graph => "graph",
            Self::Parameter => "parameter",
            Self::Frame => "frame",
        }
    }

    /// Whether its file `data` is a table.
    #[must_use]
    pub fn is_table(self) -> bool {
        matches!(self, Self::DataSource | Self::FeatureSet | Self::Frame)
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ArtifactKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let word = text.replace('-', "_");
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| {
            let kinds: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            Error::invalid("artifact-kind", format!("`{text}` is not a kind of artifact"))
                .hint(format!("one of {}", kinds.join(", ")))
        })
    }
}

/// Name of an artifact, unique within its kind: parts joined by `/`, without one at the start or the end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactName(String);

impl ArtifactName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ArtifactName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.trim_matches('/');
        let is_part = |part: &str| !part.is_empty() && part.trim() == part;
        if name.len() <= LONGEST && name.split('/').all(is_part) && !name.chars().any(char::is_control) {
            return Ok(Self(name.to_owned()));
        }
        let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
        Err(Error::invalid("artifact-name", format!("`{shown}` is not a name for an artifact"))
            .hint(format!("a name has 1 to {LONGEST} bytes, no control characters, and no blank at the ends of its parts")))
    }
}

impl TryFrom<String> for ArtifactName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ArtifactName> for String {
    fn from(name: ArtifactName) -> Self {
        name.0
    }
}

/// One artifact, whatever its version: `model:wine-quality`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactReference {
    /// What it is.
    pub kind: ArtifactKind,
    /// How it is called.
    pub name: ArtifactName,
}

impl fmt::Display for ArtifactReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind, self.name)
    }
}

impl FromStr for ArtifactReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (kind, name) = text.split_once(':').ok_or_else(|| {
            Error::invalid("artifact-reference", format!("`{text}` does not say which artifact is meant"))
                .hint("write kind and name, such as `feature_set:wine`")
        })?;
        Ok(Self { kind: kind.parse()?, name: name.parse()? })
    }
}

impl TryFrom<String> for ArtifactReference {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ArtifactReference> for String {
    fn from(reference: ArtifactReference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_references() {
        let long = "x".repeat(201);
        for (text, expected) in [
            ("wine", Some("wine")),
            ("/workbench/models/wine/meta", Some("workbench/models/wine/meta")),
            ("größe 1", Some("größe 1")),
            ("", None),
            ("/", None),
            ("a//b", None),
            (" a", None),
            ("a\nb", None),
            (&long, None),
        ] {
            assert_eq!(text.parse::<ArtifactName>().ok().as_ref().map(ArtifactName::as_str), expected, "{text}");
        }
        let reference: ArtifactReference = "feature-set:wine".parse().unwrap();
        assert_eq!(reference.to_string(), "feature_set:wine");
        for (text, code) in [("wine", "artifact-reference"), ("thing:wine", "artifact-kind"), ("model:", "artifact-name")] {
            assert_eq!(text.parse::<ArtifactReference>().unwrap_err().code, code);
        }
    }
}
