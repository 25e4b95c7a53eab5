//! The way of a task through a project.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::hub::HubId;

/// What happens to a task in a stage. Written as the dialect's clients write it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LabelStageKind {
    /// Every task begins here and goes on at once.
    Start,
    /// Somebody answers.
    Label,
    /// Somebody accepts or rejects an answer.
    Review,
    /// The task goes on at once: to the first next stage when its condition holds, else to the second.
    Logic,
    /// A model plugin answers.
    Plugin,
    /// Holds other stages; the task goes on at once.
    Consensus,
    /// Waits until somebody takes the task on.
    Hold,
    /// Waits until somebody takes the task on; nothing is sent.
    Webhook,
    /// The end.
    Complete,
    /// Waits until somebody takes the task on: a kind that this server does not know.
    #[serde(untagged)]
    Other(String),
}

impl LabelStageKind {
    /// As clients write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => "Start",
            Self::Label => "Label",
            Self::Review => "Review",
            Self::Logic => "Logic",
            Self::Plugin => "Plugin",
            Self::Consensus => "Consensus",
            Self::Hold => "Hold",
            Self::Webhook => "Webhook",
            Self::Complete => "Complete",
            Self::Other(word) => word,
        }
    }
}

/// One stage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LabelStage {
    /// Unique in its project; that of a default stage is its name.
    pub id: String,
    /// What happens there.
    pub kind: LabelStageKind,
    /// For people.
    pub name: String,
    /// Ids of the stages that follow.
    #[serde(default)]
    pub next: Vec<String>,
    /// Who works there: emails.
    #[serde(default)]
    pub assigned_to: Vec<String>,
    /// For `Plugin`: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<HubId>,
    /// The consensus stage that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consensus: Option<String>,
    /// Everything else that clients have set, `position` among it.
    #[serde(default)]
    pub settings: Map<String, Json>,
}

impl LabelStage {
    /// A stage without anything special; its id is its name.
    #[must_use]
    pub fn simple(kind: LabelStageKind, next: &[&str]) -> Self {
        Self {
            id: kind.as_str().to_owned(),
            name: kind.as_str().to_owned(),
            kind,
            next: next.iter().map(|&id| id.to_owned()).collect(),
            assigned_to: Vec::new(),
            plugin: None,
            consensus: None,
            settings: Map::new(),
        }
    }

    /// What a new project has: `Start`, `Label`, `Complete`.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::simple(LabelStageKind::Start, &["Label"]),
            Self::simple(LabelStageKind::Label, &["Complete"]),
            Self::simple(LabelStageKind::Complete, &[]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_as_they_are_written() {
        for word in ["Start", "Label", "Review", "Logic", "Plugin", "Consensus", "Hold", "Webhook", "Complete", "Dance"] {
            let kind: LabelStageKind = serde_json::from_value(word.into()).unwrap();
            assert_eq!((kind.as_str(), serde_json::to_value(&kind).unwrap()), (word, Json::from(word)));
            assert_eq!(matches!(kind, LabelStageKind::Other(_)), word == "Dance");
        }
    }
}
