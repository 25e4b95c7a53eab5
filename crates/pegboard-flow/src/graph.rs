//! Which stage needs which: names become indices, options are laid over their stage (specification, section 3).
//!
//! Nothing here fails: what is wrong is kept in the graph, so that a check can tell all of it and a run can refuse it.

use std::collections::HashMap;

use pegboard_model::{Stage, StageType, WorkflowSpec};
use serde_json::Value as Json;

use crate::asks::{Asks, asks};

/// A stage as it will run.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) stage_type: StageType,
    pub(crate) map_on: Option<String>,
    pub(crate) allow_partial_failure: bool,
    /// In the order in which their results are passed.
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) asks: Asks,
}

/// What a stage waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Dependency {
    /// Another stage.
    On(usize),
    /// The stage itself: not counted for ordering, and its own result is missing when it is looked up (section 9.1).
    Itself,
    /// No stage of that name.
    Unknown(String),
}

/// Two stages of one name: the later wins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Replaced {
    pub(crate) name: String,
    /// Position in the definition.
    pub(crate) position: usize,
    /// Position of the one that runs.
    pub(crate) later: usize,
}

/// The stages that will run, in definition order.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// Stages that a later one of the same name replaces.
    pub(crate) replaced: Vec<Replaced>,
    /// Options that cannot be laid over their stage, one sentence each.
    pub(crate) unusable: Vec<String>,
    /// Options that mean nothing to us, one sentence each: the dialect knows no such options.
    pub(crate) ignored: Vec<String>,
}

impl Graph {
    /// Linear in stages and dependencies.
    pub(crate) fn of(spec: &WorkflowSpec) -> Self {
        let (mut unusable, mut ignored) = (Vec::new(), Vec::new());
        let laid: Vec<Laid> = spec.stages.iter().map(|stage| lay_options(stage, &mut unusable, &mut ignored)).collect();
        let mut last: HashMap<&str, usize> = HashMap::with_capacity(laid.len());
        for (position, stage) in laid.iter().enumerate() {
            last.insert(&stage.name, position);
        }
        let replaced = laid
            .iter()
            .enumerate()
            .filter_map(|(position, stage)| {
                let later = *last.get(stage.name.as_str()).filter(|last| **last != position)?;
                Some(Replaced { name: stage.name.clone(), position, later })
            })
            .collect();
        // Definition positions and indices differ as soon as a stage was replaced.
        let mut index_of = vec![usize::MAX; laid.len()];
        let kept = laid.iter().enumerate().filter(|(position, stage)| last.get(stage.name.as_str()) == Some(position));
        for (index, (position, _)) in kept.clone().enumerate() {
            index_of[position] = index;
        }
        let nodes = kept
            .map(|(_, stage)| Node {
                name: stage.name.clone(),
                target: stage.target.clone(),
                stage_type: stage.stage_type,
                map_on: stage.map_on.clone(),
                allow_partial_failure: stage.allow_partial_failure,
                dependencies: stage
                    .depends_on
                    .iter()
                    .map(|name| match last.get(name.as_str()) {
                        Some(_) if *name == stage.name => Dependency::Itself,
                        Some(position) => Dependency::On(index_of[*position]),
                        None => Dependency::Unknown(name.clone()),
                    })
                    .collect(),
                asks: stage.asks.clone(),
            })
            .collect();
        Self { nodes, replaced, unusable, ignored }
    }
}

/// A stage with its options laid over it, dependencies still by name.
struct Laid {
    name: String,
    target: String,
    stage_type: StageType,
    map_on: Option<String>,
    allow_partial_failure: bool,
    depends_on: Vec<String>,
    asks: Asks,
}

fn lay_options(stage: &Stage, unusable: &mut Vec<String>, ignored: &mut Vec<String>) -> Laid {
    let mut refuse = |key: &str, expected: &str| {
        unusable.push(format!("option `{key}` of stage `{}` is `{}`, not {expected}", stage.name, stage.options[key]));
    };
    let mut text = |key: &str, own: &str| match stage.options.get(key) {
        None => own.to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(_) => {
            refuse(key, "text");
            own.to_owned()
        }
    };
    let name = text("name", &stage.name);
    let target = text("target", &stage.target).trim().to_owned();
    let depends_on = match stage.options.get("depends_on") {
        None => stage.depends_on.clone(),
        Some(value) => names(value).unwrap_or_else(|| {
            refuse("depends_on", "a list of names");
            Vec::new()
        }),
    };
    let parameterized = stage.stage_type == StageType::Parameterized;
    let map_on = match stage.options.get("map_on") {
        Some(Json::String(key)) if parameterized => Some(key.clone()),
        Some(value) if parameterized && !value.is_null() => {
            refuse("map_on", "text or null");
            None
        }
        _ => None,
    };
    let allow_partial_failure = match stage.options.get("allow_partial_failure") {
        Some(value) if parameterized => boolean(value).unwrap_or_else(|| {
            refuse("allow_partial_failure", "a boolean");
            true
        }),
        _ => true,
    };
    let asks = asks(stage, |key, problem| {
        let path = problem.inner.as_ref().map_or_else(|| key.to_owned(), |inner| format!("{key}.{inner}"));
        ignored.push(format!("option `{path}` of stage `{}` {} and is ignored", stage.name, problem.reason));
    });
    Laid { name, target, stage_type: stage.stage_type, map_on, allow_partial_failure, depends_on, asks }
}

fn names(value: &Json) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Python's reading of a boolean in a configuration: YAML 1.2 leaves `no` as text.
fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(value) => Some(*value),
        Json::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Json::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "t" | "y" | "1" => Some(true),
            "false" | "no" | "off" | "f" | "n" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
