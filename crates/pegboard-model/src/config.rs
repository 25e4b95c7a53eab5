//! Configs: data that is attached to workflows by a selector (Flowdapt specification, section 4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::resource::{Resource, ResourceSpec};

/// A stored config.
pub type Config = Resource<ConfigSpec>;

impl ResourceSpec for ConfigSpec {
    const KIND: &'static str = "config";
}

/// Which workflows, and what they get.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConfigSpec {
    /// Which workflows; none: no workflow.
    #[serde(default)]
    pub selector: Option<Selector>,
    /// Merged into the run's `config`.
    pub data: Map<String, Json>,
}

/// Which resources a config is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Selector {
    /// Kind of the resource; none: any.
    #[serde(default)]
    pub kind: Option<String>,
    /// By name or by annotation.
    #[serde(rename = "type", default)]
    pub selector_type: SelectorType,
    /// A name, or annotations of which one must match. A value of the wrong sort matches nothing.
    #[serde(default)]
    pub value: Option<SelectorValue>,
}

/// What a selector compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectorType {
    /// The resource's name.
    #[default]
    Name,
    /// The resource's annotations.
    Annotation,
}

/// What a selector compares with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SelectorValue {
    /// A name.
    Name(String),
    /// Annotations.
    Annotations(BTreeMap<String, String>),
}
