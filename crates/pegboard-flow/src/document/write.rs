//! Resources as documents for people: what was applied, without what the server added, and without keys that nobody set.

use pegboard_model::{Error, Resource, ResourceSpec, WorkflowSpec};
use serde_json::{Map, Value as Json, json};
use serde_saphyr::ser_options;

/// Annotations below it belong to the server (Flowdapt specification, section 2).
const SERVER_ANNOTATIONS: &str = "flowdapt.ai/";

/// A resource as YAML that can be applied again. Comments of the text that was applied are not kept.
///
/// # Errors
/// `document-writer` when it has no form as YAML: never for what a document said.
pub fn write<S: ResourceSpec>(resource: &Resource<S>) -> Result<String, Error> {
    let broken = |error: String| Error::internal("document-writer", "the document could not be written").detail(error);
    let mut spec = serde_json::to_value(&resource.spec).map_err(|error| broken(error.to_string()))?;
    if S::KIND == WorkflowSpec::KIND {
        let stages = spec.get_mut("stages").and_then(Json::as_array_mut).into_iter().flatten();
        stages.filter_map(Json::as_object_mut).for_each(tidy);
    } else if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, value| key == "data" || !is_empty(value));
    }
    let own = resource.metadata.annotations.iter().filter(|(key, _)| !key.starts_with(SERVER_ANNOTATIONS));
    let annotations: Map<String, Json> = own.map(|(key, value)| (key.clone(), Json::String(value.clone()))).collect();
    let mut metadata = json!({ "name": resource.metadata.name });
    if !annotations.is_empty() {
        metadata["annotations"] = Json::Object(annotations);
    }
    let document = json!({ "kind": S::KIND, "metadata": metadata, "spec": spec });
    let mut text = serde_saphyr::to_string_with_options(&document, ser_options! { compact_list_indent: false })
        .map_err(|error| broken(error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// The name first, and nothing that says nothing.
fn tidy(stage: &mut Map<String, Json>) {
    let mut fields = std::mem::take(stage);
    if let Some(name) = fields.shift_remove("name") {
        stage.insert("name".to_owned(), name);
    }
    if fields.get("type").is_some_and(|word| word == "simple") {
        fields.shift_remove("type");
    }
    fields.retain(|_, value| !is_empty(value));
    stage.extend(fields);
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

#[cfg(test)]
mod tests {
    use pegboard_model::{Metadata, Timestamp};

    use super::super::{Document, parse};
    use super::*;

    const TEXT: &str = "\
kind: workflow
metadata:
  name: w
  annotations:
    group: \"yes\"
spec:
  stages:
    - name: first
      target: a.b
    - name: second
      type: parameterized
      target: a.c
      depends_on: [first]
      options: { map_on: \"* * \", deep: { list: [1, 2.5, \"1\", null, true] } }
      timeout: 2.5
      description: \"two\\nlines: # no comment\"
---
kind: config
metadata: { name: c }
spec:
  selector: { kind: workflow, type: annotation, value: { group: \"1\" } }
  data: { nothing: null, empty: \"\", none: {}, many: [] }
---
kind: trigger_rule
metadata: { name: t }
spec:
  type: schedule
  rule: [\"* * * * *\"]
  action: { target: run_workflow, parameters: { workflow: w, input: { a: 1 } } }
";

    fn stored<S: ResourceSpec>(document: &super::super::ResourceDocument<S>) -> Resource<S> {
        let mut annotations = document.annotations.clone();
        annotations.insert("flowdapt.ai/last_run".to_owned(), "x".to_owned());
        let metadata = Metadata {
            uid: uuid::Uuid::nil(),
            name: document.name.clone(),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            annotations,
        };
        Resource { kind: S::KIND.to_owned(), metadata, spec: document.spec.clone() }
    }

    #[test]
    fn what_is_written_reads_as_what_was_applied() {
        for document in parse(TEXT).unwrap() {
            let text = match &document {
                Document::Workflow(document) => write(&stored(document)),
                Document::Config(document) => write(&stored(document)),
                Document::Trigger(document) => write(&stored(document)),
            };
            let text = text.unwrap();
            assert_eq!(parse(&text).unwrap(), [document], "{text}");
            assert!(!text.contains("flowdapt.ai"), "{text}");
        }
    }
}
