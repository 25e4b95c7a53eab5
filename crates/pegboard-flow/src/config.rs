//! Which configs a workflow gets, and how they become one (Flowdapt specification, section 4).

use pegboard_model::{AppliedConfig, Config, ConfigSpec, Selector, SelectorType, SelectorValue, Workflow};
use pegboard_store::{Store, StoreError};
use serde_json::{Map, Value as Json};

/// Most bytes of JSON that the configs of a run may have, all together, to be kept with it: lists read them with each run.
const KEPT: usize = 4096;

/// Configs that apply to a run of the workflow that begins now, in the order in which they are merged.
///
/// # Errors
/// The store's.
pub(crate) async fn of(store: &Store, workflow: &Workflow) -> Result<Vec<AppliedConfig>, StoreError> {
    Ok(applied(store.resources::<ConfigSpec>().await?, workflow))
}

/// Those that select by name, then those that select by annotation, each in the order in which they are stored.
fn applied(configs: Vec<Config>, workflow: &Workflow) -> Vec<AppliedConfig> {
    let selected = configs.into_iter().filter_map(|config| {
        let selector = config.spec.selector.filter(|selector| matches(selector, workflow))?;
        let (name, updated_at) = (config.metadata.name.to_string(), config.metadata.updated_at);
        Some(AppliedConfig { name, selector, updated_at, data: Some(config.spec.data) })
    });
    let (by_name, by_annotation): (Vec<_>, Vec<_>) =
        selected.partition(|config| config.selector.selector_type == SelectorType::Name);
    by_name.into_iter().chain(by_annotation).collect()
}

/// Whether a config applies to a workflow.
pub(crate) fn applies(config: &ConfigSpec, workflow: &Workflow) -> bool {
    config.selector.as_ref().is_some_and(|selector| matches(selector, workflow))
}

/// The `config` that stages see: later keys replace earlier ones, whole.
pub(crate) fn merged(configs: &[AppliedConfig]) -> Map<String, Json> {
    configs.iter().filter_map(|config| config.data.clone()).flatten().collect()
}

/// What of them is kept with a run: what they said only when that is little.
pub(crate) fn kept(mut configs: Vec<AppliedConfig>) -> Vec<AppliedConfig> {
    let length = |config: &AppliedConfig| serde_json::to_string(&config.data).map_or(usize::MAX, |text| text.len());
    if configs.iter().map(length).fold(0, usize::saturating_add) > KEPT {
        configs.iter_mut().for_each(|config| config.data = None);
    }
    configs
}

fn matches(selector: &Selector, workflow: &Workflow) -> bool {
    let metadata = &workflow.metadata;
    let value = match (selector.selector_type, &selector.value) {
        (SelectorType::Name, Some(SelectorValue::Name(name))) => metadata.name.as_str() == name,
        // One annotation that agrees is enough.
        (SelectorType::Annotation, Some(SelectorValue::Annotations(wanted))) => {
            wanted.iter().any(|(key, value)| metadata.annotations.get(key) == Some(value))
        }
        _ => false,
    };
    value && selector.kind.as_ref().is_none_or(|kind| *kind == workflow.kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow(annotations: Json) -> Workflow {
        serde_json::from_value(json!({
            "kind": "workflow",
            "metadata": {
                "uid": "00000000-0000-4000-8000-000000000001", "name": "w", "annotations": annotations,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            },
            "spec": { "stages": [] },
        }))
        .unwrap()
    }

    fn config(selector: Json, data: Json) -> Config {
        serde_json::from_value(json!({
            "kind": "config",
            "metadata": {
                "uid": "00000000-0000-4000-8000-000000000002", "name": "c",
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            },
            "spec": { "selector": selector, "data": data },
        }))
        .unwrap()
    }

    #[test]
    fn selectors_match_as_the_dialect_says() {
        let annotated = workflow(json!({ "group": "g", "team": "t" }));
        let plain = workflow(json!({}));
        for (selector, matches_annotated, matches_plain) in [
            (json!(null), false, false),
            (json!({}), false, false),
            (json!({ "value": "w" }), true, true),
            (json!({ "type": "name", "value": "w" }), true, true),
            (json!({ "type": "name", "value": "W" }), false, false),
            (json!({ "kind": "workflow", "value": "w" }), true, true),
            (json!({ "kind": "trigger_rule", "value": "w" }), false, false),
            (json!({ "type": "name", "value": { "group": "g" } }), false, false),
            (json!({ "type": "annotation", "value": "w" }), false, false),
            (json!({ "type": "annotation", "value": { "group": "g" } }), true, false),
            (json!({ "type": "annotation", "value": { "group": "other" } }), false, false),
            (json!({ "type": "annotation", "value": { "group": "other", "team": "t" } }), true, false),
            (json!({ "type": "annotation", "value": { "nobody": "g" } }), false, false),
            (json!({ "type": "annotation", "value": {} }), false, false),
            (json!({ "type": "annotation", "value": null }), false, false),
            (json!({ "kind": "config", "type": "annotation", "value": { "group": "g" } }), false, false),
        ] {
            let data = json!({ "k": 1 });
            let merge = |workflow: &Workflow| !applied(vec![config(selector.clone(), data.clone())], workflow).is_empty();
            assert_eq!((merge(&annotated), merge(&plain)), (matches_annotated, matches_plain), "{selector}");
        }
    }

    #[test]
    fn annotations_override_names_and_nested_objects_are_replaced() {
        let by_annotation = json!({ "type": "annotation", "value": { "group": "g" } });
        let by_name = json!({ "value": "w" });
        let configs = vec![
            config(by_annotation.clone(), json!({ "a": 1, "shared": "first annotation", "deep": { "x": 1 } })),
            config(by_name.clone(), json!({ "b": 2, "shared": "first name", "deep": { "y": 2 } })),
            config(by_name, json!({ "c": 3, "shared": "second name" })),
            config(by_annotation, json!({ "shared": "second annotation" })),
            config(json!({ "value": "other" }), json!({ "d": 4 })),
        ];
        let expected = json!({ "b": 2, "shared": "second annotation", "deep": { "x": 1 }, "c": 3, "a": 1 });
        let applied = applied(configs, &workflow(json!({ "group": "g" })));
        assert_eq!(Json::Object(merged(&applied)), expected);
        assert!(kept(applied).iter().all(|config| config.data.is_some()));
    }

    #[test]
    fn much_is_not_kept_with_each_run() {
        let large = config(json!({ "value": "w" }), json!({ "words": "x".repeat(KEPT) }));
        let small = config(json!({ "value": "w" }), json!({ "a": 1 }));
        let kept = kept(applied(vec![large, small], &workflow(json!({}))));
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|config| config.data.is_none()));
    }
}
