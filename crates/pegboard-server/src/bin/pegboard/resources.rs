//! `pegboard workflows`, `configs`, `triggers`, `show` and `delete`.

use clap::ValueEnum;
use pegboard_server::shape::{
    ConfigAnswer, ConfigList, DocumentAnswer, TriggerAnswer, TriggerList, WorkflowAnswer, WorkflowList,
};
use serde_json::Value as Json;

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

/// Kinds of stored documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ResourceKind {
    #[value(alias = "workflows")]
    Workflow,
    #[value(alias = "configs")]
    Config,
    #[value(aliases = ["triggers", "trigger_rule"])]
    Trigger,
}

impl ResourceKind {
    /// As people say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Config => "config",
            Self::Trigger => "trigger",
        }
    }

    /// As URLs say it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Workflow => "workflows",
            Self::Config => "configs",
            Self::Trigger => "triggers",
        }
    }
}

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
    if output.json {
        let answer: Json = client.get(&[kind.path(), name], &[]).await?;
        output.data(&answer);
    } else {
        let document: DocumentAnswer = client.get(&[kind.path(), name, "document"], &[]).await?;
        output.raw(&document.text);
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
    use serde_json::json;

    use super::*;

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
