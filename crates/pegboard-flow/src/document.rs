//! Documents of resources: YAML or JSON in, checked words out (Flowdapt specification, sections 2 to 5).
//!
//! Refused is what the dialect's API refuses. Unknown keys are not: its servers drop them, so do we, but a person who wrote
//! `dependson` wants to know. They become warnings beside the document.

mod config;
mod fields;
mod trigger;
mod workflow;
mod write;

use std::collections::BTreeMap;

use pegboard_model::{ConfigSpec, Error, ResourceName, ResourceSpec, TriggerSpec, WorkflowSpec};

use self::fields::{Fields, invalid, wrong};
pub use self::write::write;
use crate::nearest::nearest;
use crate::node::{self, Content, Key, Node};

/// Problems that do not stop a document from being stored. One sentence each.
pub type Warnings = Vec<String>;

/// What a document says, before the store gives it an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceDocument<S> {
    /// From `metadata.name`.
    pub name: ResourceName,
    /// From `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// What it says.
    pub spec: S,
    /// Keys that nobody reads, each with its place and the nearest key that somebody does read; and what cannot be meant.
    pub warnings: Warnings,
}

/// A graph of stages.
pub type WorkflowDocument = ResourceDocument<WorkflowSpec>;
/// Data for workflows.
pub type ConfigDocument = ResourceDocument<ConfigSpec>;
/// When, and what then.
pub type TriggerDocument = ResourceDocument<TriggerSpec>;

/// One document of a text, by its `kind`.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// `workflow`, also when the document names no kind.
    Workflow(WorkflowDocument),
    /// `config`.
    Config(ConfigDocument),
    /// `trigger_rule`.
    Trigger(TriggerDocument),
}

const KINDS: [&str; 3] = [WorkflowSpec::KIND, ConfigSpec::KIND, TriggerSpec::KIND];
const TOP_KEYS: [&str; 3] = ["kind", "metadata", "spec"];
const METADATA_KEYS: [&str; 5] = ["uid", "name", "created_at", "updated_at", "annotations"];

/// Reads one or several documents.
///
/// # Errors
/// `invalid-yaml` when it cannot be read at all; `invalid-workflow`, `invalid-config` or `invalid-trigger` when it says
/// something that such a resource cannot say.
pub fn parse(text: &str) -> Result<Vec<Document>, Error> {
    let documents = node::read(text)?;
    if documents.is_empty() {
        return Err(
            Error::invalid("invalid-workflow", "there is no document in it").hint("a workflow begins with `kind: workflow`")
        );
    }
    documents.into_iter().map(document).collect()
}

fn document(node: Node) -> Result<Document, Error> {
    let mut warnings = Vec::new();
    let mut top = Fields::of(node, "the document", &TOP_KEYS, &mut warnings)?;
    let Some((place, kind)) = top.text("kind")? else {
        return resource(top, warnings, workflow::spec).map(Document::Workflow);
    };
    let coded = |code: &'static str| move |error: Error| Error { code: code.to_owned(), ..error };
    match kind.as_str() {
        WorkflowSpec::KIND => resource(top, warnings, workflow::spec).map(Document::Workflow),
        ConfigSpec::KIND => resource(top, warnings, config::spec).map(Document::Config).map_err(coded("invalid-config")),
        TriggerSpec::KIND => resource(top, warnings, trigger::spec).map(Document::Trigger).map_err(coded("invalid-trigger")),
        _ => {
            let hint = match nearest(&kind, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "kinds are `workflow`, `config` and `trigger_rule`".to_owned(),
            };
            Err(invalid(place, format!("`kind` is `{kind}`, which is no resource")).hint(hint))
        }
    }
}

/// What all kinds have in common, and their own spec.
fn resource<S>(
    mut top: Fields,
    mut warnings: Warnings,
    read: impl FnOnce(Node, &mut Warnings) -> Result<S, Error>,
) -> Result<ResourceDocument<S>, Error> {
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
    let annotations = texts_by_key(metadata.take("annotations"), "metadata.annotations")?;
    let spec = read(top.required("spec")?, &mut warnings)?;
    Ok(ResourceDocument { name, annotations, spec, warnings })
}

fn texts_by_key(node: Option<Node>, path: &str) -> Result<BTreeMap<String, String>, Error> {
    let Some(node) = node else { return Ok(BTreeMap::new()) };
    let Content::Map(entries) = node.content else {
        return Err(wrong(node.place, path, &node.content, "an object"));
    };
    let text = |(key, node): (Key, Node)| match node.content {
        Content::Text(text) => Ok((key.text, text)),
        other => Err(wrong(node.place, &format!("{path}.{}", key.text), &other, "text")),
    };
    entries.into_iter().map(text).collect()
}
