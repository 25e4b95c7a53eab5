//! Workflows: stages (Flowdapt specification, section 3), and what a stage may ask for beyond the dialect.

use pegboard_model::{Error, Stage, StageType, WorkflowSpec};
use serde_json::{Map, Value as Json};

use super::Warnings;
use super::fields::{Fields, invalid, wrong};
use crate::asks::{self, IN_OPTIONS, Problem};
use crate::nearest::nearest;
use crate::node::{self, Content, Node, Place};

const SPEC_KEYS: [&str; 1] = ["stages"];
const STAGE_KEYS: [&str; 13] = [
    "type",
    "target",
    "name",
    "description",
    "version",
    "depends_on",
    "options",
    "resources",
    "priority",
    "retries",
    "timeout",
    "cache",
    "concurrency",
];
/// What options may say besides the stage's own keys.
const ONLY_IN_OPTIONS: [&str; 2] = ["map_on", "allow_partial_failure"];
const STAGE_TYPES: [&str; 2] = ["simple", "parameterized"];

pub(super) fn spec(node: Node, warnings: &mut Warnings) -> Result<WorkflowSpec, Error> {
    let mut spec = Fields::of(node, "spec", &SPEC_KEYS, warnings)?;
    let stages = spec.required("stages")?;
    let stages = match stages.content {
        Content::List(nodes) if !nodes.is_empty() => nodes,
        Content::List(_) => return Err(invalid(stages.place, "`spec.stages` is empty").hint("a workflow has at least one stage")),
        other => return Err(wrong(stages.place, "spec.stages", &other, "a list")),
    };
    let stages = stages.into_iter().enumerate().map(|(index, node)| stage(index, node, warnings)).collect::<Result<_, _>>()?;
    Ok(WorkflowSpec { stages })
}

fn stage(index: usize, node: Node, warnings: &mut Warnings) -> Result<Stage, Error> {
    let mut fields = Fields::of(node, &format!("spec.stages[{index}]"), &STAGE_KEYS, warnings)?;
    let stage_type = match fields.text("type")? {
        None => StageType::Simple,
        Some((_, text)) if text == "simple" => StageType::Simple,
        Some((_, text)) if text == "parameterized" => StageType::Parameterized,
        // The dialect's own sentence: clients show it.
        Some((place, text)) => {
            let hint = match nearest(&text, STAGE_TYPES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "types are `simple` and `parameterized`".to_owned(),
            };
            return Err(invalid(place, format!("Stage type `{text}` does not exist.")).hint(hint));
        }
    };
    Ok(Stage {
        stage_type,
        target: fields.required_text("target")?.1,
        name: fields.required_text("name")?.1,
        description: fields.text("description")?.map(|(_, text)| text).unwrap_or_default(),
        version: fields.text("version")?.map(|(_, text)| text).unwrap_or_default(),
        depends_on: fields.texts("depends_on")?,
        options: options(&mut fields, warnings)?,
        resources: fields.object("resources")?,
        priority: fields.integer("priority")?,
        retries: asked(&mut fields, "retries", asks::retries)?,
        timeout: asked(&mut fields, "timeout", asks::timeout)?,
        cache: asked(&mut fields, "cache", asks::cache)?,
        concurrency: asked(&mut fields, "concurrency", asks::concurrency)?,
    })
}

/// A key beyond the dialect.
fn asked<T>(fields: &mut Fields, key: &str, read: impl FnOnce(&Json) -> Result<T, Problem>) -> Result<Option<T>, Error> {
    let Some(node) = fields.take(key).filter(|node| !matches!(node.content, Content::Null)) else { return Ok(None) };
    read(&Json::from(node.clone())).map(Some).map_err(|problem| {
        let (place, sentence) = told(&node, &fields.path_to(key), &problem);
        Error { hint: problem.hint, ..invalid(place, sentence) }
    })
}

/// Clients of the dialect write there what they like: what we cannot mean is no mistake for certain, so it is a warning.
fn options(fields: &mut Fields, warnings: &mut Warnings) -> Result<Map<String, Json>, Error> {
    let Some(node) = fields.take("options") else { return Ok(Map::new()) };
    let path = fields.path_to("options");
    let Content::Map(entries) = node.content else { return Err(wrong(node.place, &path, &node.content, "an object")) };
    let known = || ONLY_IN_OPTIONS.into_iter().chain(STAGE_KEYS);
    for (key, _) in entries.iter().filter(|(key, _)| !known().any(|name| name == key.text)) {
        // Other names may mean something to somebody; a slip of the hand does not.
        if let Some(near) = nearest(&key.text, known()) {
            warnings.push(format!("{}: unknown key `{}` in `{path}` is ignored; did you mean `{near}`?", key.place, key.text));
        }
    }
    for (key, node) in entries.iter().filter(|(key, _)| IN_OPTIONS.contains(&key.text.as_str())) {
        if let Err(problem) = asks::check(&key.text, &Json::from(node.clone())) {
            let (place, sentence) = told(node, &format!("{path}.{}", key.text), &problem);
            let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            warnings.push(format!("{place}: {sentence}, and is ignored{hint}"));
        }
    }
    Ok(node::object(entries))
}

/// Where the problem is, and what it is.
fn told(node: &Node, path: &str, problem: &Problem) -> (Place, String) {
    let Some(inner) = &problem.inner else { return (node.place, format!("`{path}` {}", problem.reason)) };
    let place = match &node.content {
        Content::Map(entries) => entries.iter().find(|(key, _)| key.text == *inner).map_or(node.place, |(key, _)| key.place),
        _ => node.place,
    };
    (place, format!("`{path}.{inner}` {}", problem.reason))
}
