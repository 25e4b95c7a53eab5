//! `pegboard workflows`, `configs`, `triggers`, `show` and `delete`.

use pegboard_server::shape::{ConfigAnswer, ConfigList, TriggerAnswer, TriggerList, WorkflowAnswer, WorkflowList};
use serde_json::{Map, Value as Json, json};

use crate::arguments::ResourceKind;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

/// Keys of an answer that belong to the metadata of a document.
const METADATA: [&str; 5] = ["name", "uid", "created_at", "updated_at", "annotations"];
/// Keys that the server makes up for readers; no document has them.
const MADE_UP: [&str; 5] = ["last_fired_at", "next", "fired", "problem", "held_back_until"];

pub(crate) async fn workflows(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: WorkflowList = client.get(&["workflows"], &[]).await?;
    if output.json {
        output.data(&answer);
    } else if answer.workflows.is_empty() {
        output.note("no workflow yet; `pegboard apply FILE` stores one");
    } else {
        let row = |workflow: &WorkflowAnswer| {
            vec![workflow.name.clone(), workflow.stages.len().to_string(), instant(&workflow.updated_at)]
        };
        output.table(&["NAME", "STAGES", "CHANGED"], answer.workflows.iter().map(row).collect());
    }
    Ok(())
}

pub(crate) async fn configs(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: ConfigList = client.get(&["configs"], &[]).await?;
    if output.json {
        output.data(&answer);
    } else if answer.configs.is_empty() {
        output.note("no config yet; `pegboard apply FILE` stores one");
    } else {
        let row = |config: &ConfigAnswer| {
            let keys: Vec<&str> = config.data.keys().map(String::as_str).collect();
            vec![config.name.clone(), selected(&config.selector), keys.join(", "), instant(&config.updated_at)]
        };
        output.table(&["NAME", "FOR", "KEYS", "CHANGED"], answer.configs.iter().map(row).collect());
    }
    Ok(())
}

pub(crate) async fn triggers(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: TriggerList = client.get(&["triggers"], &[]).await?;
    if output.json {
        output.data(&answer);
    } else if answer.triggers.is_empty() {
        output.note("no trigger yet; `pegboard apply FILE` stores one");
    } else {
        let row = |trigger: &TriggerAnswer| {
            let last = trigger.last_fired_at.as_deref().map(instant).unwrap_or_default();
            let next = trigger.next.first().map(|next| instant(next)).unwrap_or_default();
            let problem = match &trigger.held_back_until {
                Some(until) => format!("held back until {}: {}", instant(until), trigger.problem.clone().unwrap_or_default()),
                None => trigger.problem.clone().unwrap_or_default(),
            };
            vec![trigger.name.clone(), trigger.trigger_type.clone(), action(trigger), last, next, problem]
        };
        output.table(&["NAME", "TYPE", "ACTION", "LAST", "NEXT", "PROBLEM"], answer.triggers.iter().map(row).collect());
    }
    Ok(())
}

/// Prints the document, so that it can be changed and applied again.
pub(crate) async fn show(client: &Client, kind: ResourceKind, name: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: Map<String, Json> = client.get(&[kind.path(), name], &[]).await?;
    if output.json {
        output.data(&answer);
    } else {
        output.data(&document(kind, answer));
    }
    Ok(())
}

pub(crate) async fn delete(client: &Client, kind: ResourceKind, name: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: Json = client.delete(&[kind.path(), name]).await?;
    if output.json {
        output.data(&answer);
    } else {
        output.note(&format!("{} {name} deleted", kind.word()));
    }
    Ok(())
}

/// An answer as the document that it was made from.
fn document(kind: ResourceKind, answer: Map<String, Json>) -> Json {
    let mut spec = Map::new();
    let (mut name, mut annotations) = (Json::Null, Json::Null);
    for (key, mut value) in answer {
        match key.as_str() {
            "name" => name = value,
            "annotations" => annotations = value,
            key if METADATA.contains(&key) || MADE_UP.contains(&key) => {}
            "stages" => {
                // What nobody set says nothing.
                let stages = value.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut);
                stages.for_each(|stage| stage.retain(|_, value| !is_empty(value)));
                spec.insert(key, value);
            }
            _ => {
                spec.insert(key, value);
            }
        }
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| !key.starts_with("flowdapt.ai/"));
    }
    let mut metadata = json!({ "name": name });
    if !is_empty(&annotations) {
        metadata["annotations"] = annotations;
    }
    json!({ "kind": kind.document(), "metadata": metadata, "spec": spec })
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(entries) => entries.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

/// `workflow train`, `group=examples or team=a`, `-`.
fn selected(selector: &Json) -> String {
    match &selector["value"] {
        Json::String(name) => format!("{} {name}", selector["kind"].as_str().unwrap_or("any kind:")),
        Json::Object(annotations) => {
            let pairs: Vec<String> =
                annotations.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
            pairs.join(" or ")
        }
        _ => "-".to_owned(),
    }
}

fn action(trigger: &TriggerAnswer) -> String {
    match trigger.action.parameters.get("workflow").and_then(Json::as_str) {
        Some(workflow) if trigger.action.target == "run_workflow" => format!("run {workflow}"),
        _ => trigger.action.target.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_document_is_what_was_applied() {
        let answer = json!({
            "name": "w", "uid": "u", "created_at": "a", "updated_at": "b", "annotations": { "flowdapt.ai/x": "1", "team": "a" },
            "stages": [{ "name": "a", "type": "simple", "target": "m.f", "description": "", "depends_on": [], "timeout": null }],
        });
        assert_eq!(
            document(ResourceKind::Workflow, answer.as_object().unwrap().clone()),
            json!({ "kind": "workflow", "metadata": { "name": "w", "annotations": { "team": "a" } },
                    "spec": { "stages": [{ "name": "a", "type": "simple", "target": "m.f" }] } })
        );
        let answer = json!({ "name": "t", "annotations": {}, "type": "schedule", "rule": ["@daily"], "next": ["x"], "fired": 0 });
        assert_eq!(
            document(ResourceKind::Trigger, answer.as_object().unwrap().clone()),
            json!({ "kind": "trigger_rule", "metadata": { "name": "t" }, "spec": { "type": "schedule", "rule": ["@daily"] } })
        );
    }

    #[test]
    fn selectors_in_a_word() {
        for (selector, word) in [
            (json!(null), "-"),
            (json!({ "type": "name", "kind": "workflow", "value": "train" }), "workflow train"),
            (json!({ "type": "annotation", "value": { "a": "1", "b": "2" } }), "a=1 or b=2"),
        ] {
            assert_eq!(selected(&selector), word);
        }
    }
}
