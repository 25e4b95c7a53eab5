//! Workflow documents: YAML or JSON in, checked words out (Flowdapt specification, sections 2 and 3).
//!
//! Refused is what the dialect's API refuses. Unknown keys are not: its servers drop them, so do we, but a person who wrote
//! `dependson` wants to know. They become warnings beside the document.

use std::collections::BTreeMap;
use std::fmt::Display;

use pegboard_model::{Error, ResourceName, Stage, StageType, WorkflowSpec};
use serde_json::{Map, Value as Json};

use crate::nearest::nearest;
use crate::node::{self, Content, Key, Node, Place};

/// Problems that do not stop a document from being stored. One sentence each.
pub type Warnings = Vec<String>;

/// What a document says, before the store gives it an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowDocument {
    /// From `metadata.name`.
    pub name: ResourceName,
    /// From `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// The graph.
    pub spec: WorkflowSpec,
    /// Keys that nobody reads, each with its place and the nearest key that somebody does read.
    pub warnings: Warnings,
}

const TOP_KEYS: [&str; 3] = ["kind", "metadata", "spec"];
const METADATA_KEYS: [&str; 5] = ["uid", "name", "created_at", "updated_at", "annotations"];
const SPEC_KEYS: [&str; 1] = ["stages"];
const STAGE_KEYS: [&str; 9] =
    ["type", "target", "name", "description", "version", "depends_on", "options", "resources", "priority"];
const STAGE_TYPES: [&str; 2] = ["simple", "parameterized"];
const OPTION_KEYS: [&str; 2] = ["map_on", "allow_partial_failure"];

/// Reads one or several documents.
///
/// # Errors
/// `invalid-yaml` when it cannot be read at all, `invalid-workflow` when it says something that a workflow cannot say.
pub fn parse(text: &str) -> Result<Vec<WorkflowDocument>, Error> {
    let documents = node::read(text)?;
    if documents.is_empty() {
        return Err(
            Error::invalid("invalid-workflow", "there is no document in it").hint("a workflow begins with `kind: workflow`")
        );
    }
    documents.into_iter().map(document).collect()
}

fn document(node: Node) -> Result<WorkflowDocument, Error> {
    let mut warnings = Vec::new();
    let mut top = Fields::of(node, "the document", &TOP_KEYS, &mut warnings)?;
    if let Some((place, kind)) = top.text("kind")?
        && kind != "workflow"
    {
        return Err(invalid(place, format!("`kind` is `{kind}`, not `workflow`")).hint("only workflows can be applied here"));
    }

    let mut metadata = Fields::of(top.required("metadata")?, "metadata", &METADATA_KEYS, &mut warnings)?;
    if let Some((place, uid)) = metadata.text("uid")?
        && uuid::Uuid::parse_str(&uid).is_err()
    {
        return Err(
            invalid(place, format!("`metadata.uid` is `{uid}`, which is not a UUID")).hint("leave it out: the server sets it")
        );
    }
    let (place, name) = metadata.required_text("name")?;
    let name: ResourceName = name.parse().map_err(|error: Error| {
        let refused = invalid(place, format!("`metadata.name`: {}", error.message));
        Error { hint: error.hint, ..refused }
    })?;
    let annotations = annotations(metadata.take("annotations"))?;

    let mut spec = Fields::of(top.required("spec")?, "spec", &SPEC_KEYS, &mut warnings)?;
    let stages = spec.required("stages")?;
    let stages = match stages.content {
        Content::List(nodes) if !nodes.is_empty() => nodes,
        Content::List(_) => return Err(invalid(stages.place, "`spec.stages` is empty").hint("a workflow has at least one stage")),
        other => return Err(wrong(stages.place, "spec.stages", &other, "a list")),
    };
    let stages =
        stages.into_iter().enumerate().map(|(index, node)| stage(index, node, &mut warnings)).collect::<Result<Vec<_>, _>>()?;
    Ok(WorkflowDocument { name, annotations, spec: WorkflowSpec { stages }, warnings })
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
        retries: None,
        timeout: None,
        cache: None,
        concurrency: None,
    })
}

fn annotations(node: Option<Node>) -> Result<BTreeMap<String, String>, Error> {
    let Some(node) = node else { return Ok(BTreeMap::new()) };
    let Content::Map(entries) = node.content else {
        return Err(wrong(node.place, "metadata.annotations", &node.content, "an object"));
    };
    let text = |(key, node): (Key, Node)| match node.content {
        Content::Text(text) => Ok((key.text, text)),
        other => Err(wrong(node.place, &format!("metadata.annotations.{}", key.text), &other, "text")),
    };
    entries.into_iter().map(text).collect()
}

/// The entries of one object, taken out one by one.
struct Fields {
    path: String,
    place: Place,
    entries: Vec<(Key, Node)>,
}

impl Fields {
    /// Warns of the keys that are not `known` and forgets them.
    fn of(node: Node, path: &str, known: &[&str], warnings: &mut Warnings) -> Result<Self, Error> {
        let mut entries = match node.content {
            Content::Map(entries) => entries,
            other => return Err(wrong(node.place, path, &other, "an object")),
        };
        entries.retain(|(key, _)| {
            let valid = known.contains(&key.text.as_str());
            if !valid {
                warnings.push(unknown_key(key, path, known));
            }
            valid
        });
        Ok(Self { path: path.to_owned(), place: node.place, entries })
    }

    fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(entry, _)| entry.text == key)?;
        Some(self.entries.swap_remove(index).1)
    }

    fn required(&mut self, key: &str) -> Result<Node, Error> {
        self.take(key).ok_or_else(|| invalid(self.place, format!("{} has no `{key}`", quoted(&self.path))))
    }

    fn text(&mut self, key: &str) -> Result<Option<(Place, String)>, Error> {
        let Some(node) = self.take(key) else { return Ok(None) };
        match node.content {
            Content::Text(text) => Ok(Some((node.place, text))),
            other => Err(wrong(node.place, &self.path_to(key), &other, "text")),
        }
    }

    fn required_text(&mut self, key: &str) -> Result<(Place, String), Error> {
        self.text(key)?.ok_or_else(|| invalid(self.place, format!("{} has no `{key}`", quoted(&self.path))))
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let Some(node) = self.take(key) else { return Ok(Vec::new()) };
        let Content::List(nodes) = node.content else {
            return Err(wrong(node.place, &self.path_to(key), &node.content, "a list"));
        };
        let text = |(index, node): (usize, Node)| match node.content {
            Content::Text(text) => Ok(text),
            other => Err(wrong(node.place, &format!("{}[{index}]", self.path_to(key)), &other, "text")),
        };
        nodes.into_iter().enumerate().map(text).collect()
    }

    fn object(&mut self, key: &str) -> Result<Map<String, Json>, Error> {
        let Some(node) = self.take(key) else { return Ok(Map::new()) };
        match node.content {
            Content::Map(entries) => Ok(node::object(entries)),
            other => Err(wrong(node.place, &self.path_to(key), &other, "an object")),
        }
    }

    fn integer(&mut self, key: &str) -> Result<Option<i64>, Error> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let refused = wrong(node.place, &self.path_to(key), &node.content, "an integer or null");
        match node.content {
            Content::Null => Ok(None),
            Content::Number(number) => number.as_i64().map(Some).ok_or(refused),
            _ => Err(refused),
        }
    }

    fn path_to(&self, key: &str) -> String {
        if self.path == "the document" { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn unknown_key(key: &Key, path: &str, known: &[&str]) -> String {
    let Key { text, place } = key;
    let stage = known == STAGE_KEYS;
    let advice = match nearest(text, known.iter().copied()) {
        _ if stage && OPTION_KEYS.contains(&text.as_str()) => format!("it belongs into `{path}.options`"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("valid keys are {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("{place}: unknown key `{text}` in {} is ignored; {advice}", quoted(path))
}

fn quoted(path: &str) -> String {
    if path == "the document" { path.to_owned() } else { format!("`{path}`") }
}

fn wrong(place: Place, path: &str, found: &Content, expected: &str) -> Error {
    let error = invalid(place, format!("{} is {}, not {expected}", quoted(path), found.kind()));
    match (found, expected) {
        (Content::Number(_) | Content::Boolean(_), "text") => error.hint("write it in quotes"),
        (Content::Text(text), "a list") => error.hint(format!("write `[{text}]`")),
        _ => error,
    }
}

fn invalid(place: impl Display, message: impl Display) -> Error {
    Error::invalid("invalid-workflow", format!("{place}: {message}"))
}
