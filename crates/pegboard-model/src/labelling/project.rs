//! A project: what is labelled, with which classes, on which way.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::stage::LabelStage;
use crate::hub::HubId;
use crate::time::Timestamp;

/// The classes that answers use (Ango specification, section 6.6). Entries are objects with at least `schemaId`, `title`, `tool`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CategorySchema {
    /// Classes of drawn objects.
    #[serde(default)]
    pub tools: Vec<Json>,
    /// Questions about the whole asset.
    #[serde(default)]
    pub classifications: Vec<Json>,
    /// Between objects.
    #[serde(default)]
    pub relations: Vec<Json>,
}

impl CategorySchema {
    /// The entry of that identity, nested ones too.
    #[must_use]
    pub fn by_id(&self, schema_id: &str) -> Option<&Json> {
        self.find(&|entry| entry["schemaId"] == schema_id)
    }

    /// The tool of that title.
    #[must_use]
    pub fn tool(&self, title: &str) -> Option<&Json> {
        self.tools.iter().find(|entry| entry["title"] == title)
    }

    /// The classification of that title, nested ones too.
    #[must_use]
    pub fn classification(&self, title: &str) -> Option<&Json> {
        let nested = self.tools.iter().filter_map(|entry| entry["classifications"].as_array());
        let fits = |entry: &Json| entry["title"] == title;
        find_in(&self.classifications, &fits).or_else(|| nested.flatten().find_map(|entry| find_one(entry, &fits)))
    }

    /// The relation of that title.
    #[must_use]
    pub fn relation(&self, title: &str) -> Option<&Json> {
        self.relations.iter().find(|entry| entry["title"] == title)
    }

    fn find(&self, fits: &impl Fn(&Json) -> bool) -> Option<&Json> {
        [&self.tools, &self.classifications, &self.relations].into_iter().find_map(|entries| find_in(entries, fits))
    }
}

fn find_in<'a>(entries: &'a [Json], fits: &impl Fn(&Json) -> bool) -> Option<&'a Json> {
    entries.iter().find_map(|entry| find_one(entry, fits))
}

fn find_one<'a>(entry: &'a Json, fits: &impl Fn(&Json) -> bool) -> Option<&'a Json> {
    if fits(entry) {
        return Some(entry);
    }
    entry["classifications"].as_array().and_then(|nested| find_in(nested, fits))
}

/// A named set of assets of one project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// Identity.
    pub id: HubId,
    /// Unique in its project.
    pub name: String,
}

/// Somebody who works on a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub email: String,
    /// `Manager`, `Lead`, `Reviewer` or `Labeler`.
    pub role: String,
}

/// What is labelled, with which classes, on which way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Project {
    /// Identity.
    pub id: HubId,
    /// Whose it is.
    pub organization: HubId,
    /// For people; need not be unique.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `ango`, `pct` or `iframe`.
    pub kind: String,
    /// The user who made it.
    pub owner: HubId,
    /// Classes.
    pub schema: CategorySchema,
    /// The way of a task, first to last in no order: `next` says it.
    pub stages: Vec<LabelStage>,
    /// Sets of assets.
    #[serde(default)]
    pub batches: Vec<Batch>,
    /// Who works on it, besides admins.
    #[serde(default)]
    pub members: Vec<Member>,
    /// What clients have set and get back: benchmarks, validation, templates, instructions.
    #[serde(default)]
    pub settings: Map<String, Json>,
    /// Counts changes; writers say which one they saw.
    pub revision: u64,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Set by the server.
    pub updated_at: Timestamp,
    /// Deleted ones stay until they are purged, and nobody sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Project {
    /// The stage of that id.
    #[must_use]
    pub fn stage(&self, id: &str) -> Option<&LabelStage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// The stage of that id, or else of that name.
    #[must_use]
    pub fn stage_called(&self, word: &str) -> Option<&LabelStage> {
        self.stage(word).or_else(|| self.stages.iter().find(|stage| stage.name == word))
    }

    /// The batch of that id or name.
    #[must_use]
    pub fn batch_called(&self, word: &str) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.name == word || batch.id.to_string() == word)
    }

    /// Names of batches; ids of deleted ones name nothing.
    #[must_use]
    pub fn batch_names(&self, ids: &[HubId]) -> Vec<&str> {
        ids.iter().filter_map(|id| self.batches.iter().find(|batch| batch.id == *id)).map(|batch| batch.name.as_str()).collect()
    }
}
