//! The payload of a run, as each type's clients expect it (specification, section 4).

use pegboard_model::{Asset, ClassPair, PluginType, Session, SessionCause, Task};
use serde_json::{Map, Value as Json, json};

/// What a payload says of the asset and the task of a model's run.
pub(crate) struct Subject {
    pub(crate) asset: Asset,
    pub(crate) task: Option<Task>,
    /// Where the data can be fetched, or the text itself.
    pub(crate) data_url: String,
}

/// The object that the client gets. `api_key` is the run's own.
pub(crate) fn payload(session: &Session, api_key: &str, subject: Option<&Subject>) -> Map<String, Json> {
    let mut payload = session.parameters.clone();
    let batches = payload.entry("batches").or_insert_with(|| json!([])).clone();
    payload.insert("tags".to_owned(), batches);
    let text = |id: Option<pegboard_model::HubId>| id.map(|id| id.to_string()).unwrap_or_default();
    for (key, value) in [
        ("projectId", json!(text(session.project))),
        ("apiKey", json!(api_key)),
        ("orgId", json!(session.organization.to_string())),
        ("runBy", json!(session.run_by.to_string())),
        ("session", json!(session.id.to_string())),
        ("configJSON", json!(session.config)),
    ] {
        payload.insert(key.to_owned(), value);
    }
    match session.plugin_type {
        PluginType::Export => {}
        PluginType::Model => {
            payload.insert("categorySchema".to_owned(), classes(&session.classes));
            if let Some(subject) = subject {
                model(&mut payload, subject);
            }
            if matches!(session.cause, SessionCause::Stage { .. }) {
                payload.insert("workflow".to_owned(), json!(true));
            }
        }
        // Public samples of batch models ask for its length, those of models whether it is null.
        PluginType::BatchModel => drop(payload.insert("categorySchema".to_owned(), json!(session.classes))),
        PluginType::FileExplorer | PluginType::Input | PluginType::MarkdownGenerator => storage(&mut payload, session),
    }
    payload
}

fn model(payload: &mut Map<String, Json>, subject: &Subject) {
    payload.insert("assetId".to_owned(), json!(subject.asset.id.to_string()));
    payload.insert("dataURL".to_owned(), json!(subject.data_url));
    if let Some(task) = &subject.task {
        let answer = &task.answer;
        payload.insert("taskId".to_owned(), json!(task.id.to_string()));
        // The oldest clients merge into this.
        let answer = json!({ "tools": answer.tools, "classifications": answer.classifications, "relations": answer.relations });
        payload.insert("labeltask".to_owned(), json!({ "_id": task.id.to_string(), "answer": answer }));
    }
}

/// Names of both generations of clients for the same things.
fn storage(payload: &mut Map<String, Json>, session: &Session) {
    if let Some(storage) = payload.get("storageId").cloned() {
        payload.insert("integrationId".to_owned(), storage);
    }
    if session.plugin_type == PluginType::MarkdownGenerator {
        let template = payload.get("markdownText").and_then(Json::as_str).unwrap_or_default();
        payload.insert("markdownText".to_owned(), json!(escaped(template)));
        return;
    }
    for (key, value) in [("bucket", json!("")), ("folder", json!("")), ("storageId", json!("")), ("integrationId", json!(""))] {
        payload.entry(key).or_insert(value);
    }
    let token = payload.entry("scrollToken").or_insert(Json::Null).clone();
    payload.insert("scroll_token".to_owned(), token);
    payload.entry("files").or_insert(Json::Null);
    let project = payload.get("projectId").cloned().unwrap_or_default();
    payload.insert("project".to_owned(), project);
}

/// Null when nothing was mapped: scripts test for null and take the first entry otherwise.
fn classes(pairs: &[ClassPair]) -> Json {
    if pairs.is_empty() { Json::Null } else { json!(pairs) }
}

/// Scripts undo this.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            other => out.push(other),
        }
    }
    out
}
