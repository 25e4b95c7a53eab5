//! Workflows: stages (Flowdapt specification, section 3), and what a stage may ask for beyond the dialect.

use std::time::Duration;

use pegboard_model::{Error, Retries, Stage, StageType, WorkflowSpec};

use super::Warnings;
use super::fields::{Fields, invalid, wrong};
use crate::nearest::nearest;
use crate::node::{Content, Node};

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
        options: fields.object("options")?,
        resources: fields.object("resources")?,
        priority: fields.integer("priority")?,
        retries: retries(&mut fields)?,
        timeout: timeout(&mut fields)?,
        cache: fields.boolean("cache")?,
        concurrency: concurrency(&mut fields)?,
    })
}

fn retries(fields: &mut Fields) -> Result<Option<Retries>, Error> {
    let Some((place, value)) = fields.value("retries").filter(|(_, value)| !value.is_null()) else { return Ok(None) };
    let retries: Retries = serde_json::from_value(value).map_err(|error| {
        invalid(place, format!("`{}`: {error}", fields.path_to("retries")))
            .hint("write it as `{count: 3, delay: 1, factor: 2, longest: 60, jitter: 0.1}`; only `count` is needed")
    })?;
    let numbers = [("delay", retries.delay), ("factor", retries.factor), ("longest", retries.longest), ("jitter", retries.jitter)];
    match numbers.into_iter().find(|(_, number)| !number.is_finite() || *number < 0.0) {
        Some((key, number)) => {
            let path = fields.path_to("retries");
            Err(invalid(place, format!("`{path}.{key}` is {number}, not a number from 0")))
        }
        None => Ok(Some(retries)),
    }
}

fn timeout(fields: &mut Fields) -> Result<Option<f64>, Error> {
    let Some((place, value)) = fields.value("timeout").filter(|(_, value)| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0 && Duration::try_from_secs_f64(*seconds).is_ok());
    let refused = || invalid(place, format!("`{}` is {value}, not a number above 0", fields.path_to("timeout")));
    seconds.map(Some).ok_or_else(|| refused().hint("it is in seconds"))
}

fn concurrency(fields: &mut Fields) -> Result<Option<u32>, Error> {
    let Some((place, value)) = fields.value("concurrency").filter(|(_, value)| !value.is_null()) else { return Ok(None) };
    let most = value.as_u64().and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
    let refused = || invalid(place, format!("`{}` is {value}, not an integer from 1", fields.path_to("concurrency")));
    most.map(Some).ok_or_else(refused)
}
