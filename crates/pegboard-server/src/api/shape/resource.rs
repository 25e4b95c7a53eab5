//! Configs and trigger rules, and what became of an applied text.

use std::collections::BTreeMap;

use pegboard_flow::TriggerStatus;
use pegboard_flow::trigger::upcoming;
use pegboard_model::{Config, Metadata, Timestamp, TriggerRule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::run::word;
use super::workflow::WorkflowAnswer;

/// Instants of a schedule that are shown.
const UPCOMING: usize = 3;
/// The annotation with which the server says when a trigger fired last.
const LAST_RUN: &str = "flowdapt.ai/last_run";

/// A stored config: data for the workflows that its selector names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigAnswer {
    /// Unique name.
    pub name: String,
    /// Identity: a UUID.
    pub uid: String,
    /// When it was applied first.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
    /// Free text by key.
    pub annotations: BTreeMap<String, String>,
    /// Which workflows: `kind`, `type` (`name` or `annotation`), `value`. Null: none.
    #[schema(value_type = Object, nullable)]
    pub selector: Json,
    /// What their runs find in `config`.
    #[schema(value_type = Object)]
    pub data: Map<String, Json>,
    /// Names of the stored workflows that it applies to; only in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Vec<String>>,
}

/// All configs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigList {
    /// In the order in which they were applied first, which is the order in which they are merged.
    pub configs: Vec<ConfigAnswer>,
}

/// A stored trigger rule, and how it fared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TriggerAnswer {
    /// Unique name.
    pub name: String,
    /// Identity: a UUID.
    pub uid: String,
    /// When it was applied first.
    pub created_at: String,
    /// When it was changed last, or fired.
    pub updated_at: String,
    /// Free text by key.
    pub annotations: BTreeMap<String, String>,
    /// `condition` or `schedule`.
    #[serde(rename = "type")]
    pub trigger_type: String,
    /// An expression over events, or a list of cron expressions.
    #[schema(value_type = Object)]
    pub rule: Json,
    /// What it does.
    pub action: TriggerActionAnswer,
    /// When it fired last.
    pub last_fired_at: Option<String>,
    /// When its schedule is due next; empty for a condition.
    pub next: Vec<String>,
    /// How often it fired since the server was started.
    pub fired: u64,
    /// What went wrong last since the server was started.
    pub problem: Option<String>,
    /// Until when what it causes itself does not fire it: it was caught in a circle.
    pub held_back_until: Option<String>,
}

/// What a trigger does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TriggerActionAnswer {
    /// `run_workflow`, `print_event`, or a dotted path.
    pub target: String,
    /// For `run_workflow`: `workflow` and `input`.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Json>,
}

/// All trigger rules.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TriggerList {
    /// In the order in which they were applied first.
    pub triggers: Vec<TriggerAnswer>,
}

/// What became of an applied text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApplyAnswer {
    /// One per document, in order.
    pub applied: Vec<AppliedResource>,
}

/// What became of one document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedResource {
    /// Whether it is new; else the one with its name was replaced, unless it is unchanged.
    pub created: bool,
    /// Whether it was there already, just so: then nothing was stored.
    #[serde(default)]
    pub unchanged: bool,
    /// Problems that did not stop it from being stored, one sentence each.
    pub warnings: Vec<String>,
    /// Only of a dry run: what would change, as a unified diff of the documents; empty when nothing would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// As stored.
    #[serde(flatten)]
    pub resource: ResourceAnswer,
}

/// A stored resource as a document that can be changed and applied again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentAnswer {
    /// `workflow`, `config` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The version that an `If-Match` can name.
    pub updated_at: String,
    /// YAML. Comments of the text that was applied are not kept.
    pub text: String,
}

/// A resource under the name of its kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceAnswer {
    /// A graph of stages.
    Workflow(Box<WorkflowAnswer>),
    /// Data for workflows.
    Config(Box<ConfigAnswer>),
    /// When, and what then.
    Trigger(Box<TriggerAnswer>),
}

impl ResourceAnswer {
    /// Its kind, as commands and URLs say it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Workflow(_) => "workflow",
            Self::Config(_) => "config",
            Self::Trigger(_) => "trigger",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Workflow(workflow) => &workflow.name,
            Self::Config(config) => &config.name,
            Self::Trigger(trigger) => &trigger.name,
        }
    }
}

impl From<Config> for ConfigAnswer {
    fn from(config: Config) -> Self {
        let Metadata { uid, name, created_at, updated_at, annotations } = config.metadata;
        Self {
            name: name.to_string(),
            uid: uid.to_string(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
            annotations,
            selector: serde_json::to_value(config.spec.selector).unwrap_or_default(),
            data: config.spec.data,
            applies_to: None,
        }
    }
}

impl TriggerAnswer {
    /// A stored rule with how it fared, when that is known.
    #[must_use]
    pub fn new(rule: TriggerRule, known: &[TriggerStatus], now: Timestamp) -> Self {
        let Metadata { uid, name, created_at, updated_at, annotations } = rule.metadata;
        let status = known.iter().find(|status| status.trigger == uid);
        Self {
            name: name.to_string(),
            uid: uid.to_string(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
            // Stored without a zone; it is UTC.
            last_fired_at: annotations.get(LAST_RUN).map(|time| format!("{}Z", time.trim_end_matches('Z'))),
            annotations,
            trigger_type: word(rule.spec.trigger_type),
            next: upcoming(&rule.spec, now, UPCOMING).iter().map(ToString::to_string).collect(),
            rule: rule.spec.rule,
            action: TriggerActionAnswer { target: rule.spec.action.target, parameters: rule.spec.action.parameters },
            fired: status.map_or(0, |status| status.fired),
            problem: status.and_then(|status| status.problem.as_ref()).map(|(_, problem)| problem.clone()),
            held_back_until: status.and_then(|status| status.held_back_until).map(|time| time.to_string()),
        }
    }
}
