//! Resources as clients send them, read into the model.

use std::collections::BTreeMap;

use pegboard_flow::Flow;
use pegboard_model::{
    ConfigSpec, ResourceName, ResourceSpec, Selector, SelectorType, SelectorValue, Stage, StageType, TriggerAction, TriggerSpec,
    TriggerType, WorkflowSpec,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::answer::Refused;
use super::read::{Body, Fields};
use super::version::Kind;

/// A kind of resource that clients may write.
pub(super) trait Writable: ResourceSpec {
    /// What the media type calls it.
    const MEDIA: Kind;
    /// What messages call it.
    const CLASS: &'static str;

    /// Reads the spec; none when a problem was noted.
    fn read(spec: &mut Fields<'_>) -> Option<Self>;

    /// What cannot be stored: of the spec alone, and of what is installed.
    ///
    /// # Errors
    /// 400.
    fn check(&self, _flow: &Flow) -> Result<(), Refused> {
        Ok(())
    }

    /// What it will stumble over; it is stored all the same.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a body says about a resource, before the server gives it an identity.
#[derive(Debug)]
pub(super) struct Draft<S> {
    pub(super) name: ResourceName,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: S,
}

impl<S: Writable> Draft<S> {
    /// Reads a body; the refusal names everything that is wrong. The kind is the endpoint's, whatever the body calls it.
    pub(super) fn read(body: &Body, flow: &Flow) -> Result<Self, Refused> {
        let mut problems = Vec::new();
        let draft = Self::parts(body.resource()?, &mut problems);
        match draft {
            Some(draft) if problems.is_empty() => draft.spec.check(flow).map(|()| draft),
            _ => Err(Refused::bad(problems.join("\n"))),
        }
    }

    fn parts(entries: Map<String, Json>, problems: &mut Vec<String>) -> Option<Self> {
        let mut top = Fields::of("", entries, problems);
        top.text("kind");
        let metadata = top.required_object("metadata");
        let spec = top.required_object("spec");
        let metadata = metadata.and_then(|metadata| {
            let mut metadata = Fields::of("metadata", metadata, problems);
            metadata.ignored_uid("uid");
            metadata.ignored_time("created_at");
            metadata.ignored_time("updated_at");
            let annotations = metadata.text_map("annotations");
            let name = metadata.required_text("name")?;
            match name.parse() {
                Ok(name) => Some((name, annotations)),
                Err(_) if name.is_empty() => {
                    metadata.problem("name", "name cannot be empty");
                    None
                }
                Err(_) => {
                    metadata.problem("name", "`name` can only contain alphanumeric characters, underscores, and hyphens.");
                    None
                }
            }
        });
        let spec = spec.and_then(|spec| S::read(&mut Fields::of("spec", spec, problems)));
        let ((name, annotations), spec) = (metadata?, spec?);
        Some(Self { name, annotations, spec })
    }
}

impl Writable for WorkflowSpec {
    const MEDIA: Kind = Kind::Workflow;
    const CLASS: &'static str = "WorkflowResource";

    fn read(spec: &mut Fields<'_>) -> Option<Self> {
        match spec.required("stages")? {
            Json::Array(values) if !values.is_empty() => {
                let stages = values.into_iter().enumerate().map(|(index, value)| stage(spec, index, value)).collect::<Vec<_>>();
                Some(Self { stages: stages.into_iter().collect::<Option<_>>()? })
            }
            Json::Array(_) => {
                spec.problem("stages", "a workflow has at least one stage");
                None
            }
            _ => {
                spec.problem("stages", "Input should be a valid list");
                None
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        Flow::check(self)
    }
}

fn stage(spec: &mut Fields<'_>, index: usize, value: Json) -> Option<Stage> {
    let key = format!("stages.{index}");
    let entries = spec.as_object(&key, value)?;
    let path = spec.path_to(&key);
    let mut fields = Fields::of(path, entries, spec.problems());
    let stage_type = match fields.text("type").as_deref() {
        None | Some("simple") => StageType::Simple,
        Some("parameterized") => StageType::Parameterized,
        Some(other) => {
            fields.problem("type", format_args!("Stage type `{other}` does not exist."));
            StageType::Simple
        }
    };
    let (target, name) = (fields.required_text("target"), fields.required_text("name"));
    let stage = Stage {
        stage_type,
        description: fields.text("description").unwrap_or_default(),
        version: fields.text("version").unwrap_or_default(),
        depends_on: fields.texts("depends_on"),
        options: fields.object("options"),
        resources: fields.object("resources"),
        priority: fields.integer("priority"),
        retries: beyond(&mut fields, "retries"),
        timeout: beyond(&mut fields, "timeout"),
        cache: beyond(&mut fields, "cache"),
        concurrency: beyond(&mut fields, "concurrency"),
        target: target?,
        name: name?,
    };
    Some(stage)
}

/// A key beyond the dialect.
fn beyond<T: DeserializeOwned>(fields: &mut Fields<'_>, key: &str) -> Option<T> {
    let value = fields.take(key).filter(|value| !value.is_null())?;
    serde_json::from_value(value).map_err(|error| fields.problem(key, error)).ok()
}

impl Writable for ConfigSpec {
    const MEDIA: Kind = Kind::Config;
    const CLASS: &'static str = "ConfigResource";

    fn read(spec: &mut Fields<'_>) -> Option<Self> {
        let data = spec.required_object("data");
        let selector = match spec.take("selector") {
            None | Some(Json::Null) => None,
            Some(value) => {
                let entries = spec.as_object("selector", value)?;
                Some(selector(&mut Fields::of(spec.path_to("selector"), entries, spec.problems())))
            }
        };
        Some(Self { selector, data: data? })
    }
}

fn selector(fields: &mut Fields<'_>) -> Selector {
    let selector_type = match fields.text("type").as_deref() {
        None | Some("name") => SelectorType::Name,
        Some("annotation") => SelectorType::Annotation,
        Some(_) => {
            fields.problem("type", "Input should be 'name' or 'annotation'");
            SelectorType::Name
        }
    };
    let kind = fields.take("kind").filter(|kind| !kind.is_null());
    let kind = kind.and_then(|kind| fields.as_text("kind", kind));
    let value = match fields.take("value") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => Some(SelectorValue::Name(name)),
        Some(Json::Object(entries)) => {
            let text = |(name, value): (String, Json)| Some((name.clone(), fields.as_text(&format!("value.{name}"), value)?));
            Some(SelectorValue::Annotations(entries.into_iter().filter_map(text).collect()))
        }
        Some(_) => {
            fields.problem("value", "Input should be a valid string or a valid dictionary");
            None
        }
    };
    Selector { kind, selector_type, value }
}

impl Writable for TriggerSpec {
    const MEDIA: Kind = Kind::TriggerRule;
    const CLASS: &'static str = "TriggerRuleResource";

    fn read(spec: &mut Fields<'_>) -> Option<Self> {
        let trigger_type = match spec.text("type").as_deref() {
            None | Some("condition") => Some(TriggerType::Condition),
            Some("schedule") => Some(TriggerType::Schedule),
            Some(_) => {
                spec.problem("type", "Input should be 'schedule' or 'condition'");
                None
            }
        };
        let rule = spec.required("rule").filter(|rule| {
            let valid = match rule {
                Json::Object(_) => true,
                Json::Array(items) => items.iter().all(Json::is_string),
                _ => false,
            };
            if !valid {
                spec.problem("rule", "Input should be a valid dictionary or a list of strings");
            }
            valid
        });
        let action = spec.required_object("action").and_then(|entries| {
            let mut action = Fields::of(spec.path_to("action"), entries, spec.problems());
            let parameters = action.object("parameters");
            Some(TriggerAction { target: action.required_text("target")?, parameters })
        });
        Some(Self { trigger_type: trigger_type?, rule: rule?, action: action? })
    }

    fn check(&self, flow: &Flow) -> Result<(), Refused> {
        flow.check_trigger(self).map_err(|error| Refused::bad(format!("spec: {error}")))
    }
}
