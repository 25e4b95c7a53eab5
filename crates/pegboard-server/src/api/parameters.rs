//! Which keys the input of a workflow may have: what the functions say that take them.

use std::collections::BTreeMap;

use pegboard_model::{StageType, WorkflowSpec};
use serde::Deserialize;

use super::shape::{ParameterAnswer, ParametersAnswer};
use super::targets;
use crate::app::App;

/// What a worker says of one parameter.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    name: String,
    annotation: String,
    default: Option<String>,
    required: bool,
}

/// By target.
pub(super) type Descriptions = BTreeMap<String, Vec<Described>>;

/// Asks the plugins of those stages that take input.
pub(super) async fn of(app: &App, spec: &WorkflowSpec) -> ParametersAnswer {
    let targets = spec.stages.iter().filter(|stage| stage.depends_on.is_empty()).map(|stage| stage.target.trim());
    gathered(spec, &targets::described(app, targets.collect()).await)
}

/// A stage without dependencies takes input by the names of its parameters; a parameterized one takes its items from `map_on`.
fn gathered(spec: &WorkflowSpec, described: &Descriptions) -> ParametersAnswer {
    let mut answer = ParametersAnswer { parameters: Vec::new(), unknown: Vec::new() };
    for stage in &spec.stages {
        let map_on = stage.map_on().filter(|_| stage.stage_type == StageType::Parameterized);
        if let Some(name) = map_on {
            add(&mut answer, &stage.name, name, None, true);
        }
        if !stage.depends_on.is_empty() {
            continue;
        }
        match described.get(stage.target.trim()) {
            Some(parameters) => {
                for parameter in parameters.iter().filter(|parameter| Some(parameter.name.as_str()) != map_on) {
                    add(&mut answer, &stage.name, &parameter.name, Some(parameter), false);
                }
            }
            None => answer.unknown.push(stage.name.clone()),
        }
    }
    answer
}

fn add(answer: &mut ParametersAnswer, stage: &str, name: &str, described: Option<&Described>, is_list: bool) {
    let required = is_list || described.is_some_and(|described| described.required);
    if let Some(known) = answer.parameters.iter_mut().find(|known| known.name == name) {
        known.stages.push(stage.to_owned());
        known.required |= required;
        known.is_list |= is_list;
        return;
    }
    answer.parameters.push(ParameterAnswer {
        name: name.to_owned(),
        stages: vec![stage.to_owned()],
        annotation: described.map(|described| described.annotation.clone()).unwrap_or_default(),
        default: described.and_then(|described| described.default.clone()),
        required,
        is_list,
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_gathered_over_the_stages_that_take_them() {
        let spec: WorkflowSpec = serde_json::from_value(json!({ "stages": [
            { "name": "load", "target": "m.load" },
            { "name": "split", "target": "m.split" },
            { "name": "each", "target": "m.each", "type": "parameterized", "options": { "map_on": "files" } },
            { "name": "gone", "target": "m.gone" },
            { "name": "later", "target": "m.later", "depends_on": ["load"] },
        ] }))
        .unwrap();
        let described = serde_json::from_value(json!({
            "m.load": [{ "name": "seed", "annotation": "int", "default": "7", "required": false }],
            "m.split": [{ "name": "seed", "annotation": "", "default": null, "required": true }],
            "m.each": [{ "name": "files", "annotation": "str", "default": null, "required": true }],
            "m.later": [{ "name": "never", "annotation": "", "default": null, "required": true }],
        }))
        .unwrap();
        let answer = gathered(&spec, &described);
        let told: Vec<_> =
            answer.parameters.iter().map(|one| (one.name.as_str(), one.stages.len(), one.required, one.is_list)).collect();
        assert_eq!(told, [("seed", 2, true, false), ("files", 1, true, true)]);
        assert_eq!((answer.parameters[0].annotation.as_str(), answer.parameters[0].default.as_deref()), ("int", Some("7")));
        assert_eq!(answer.unknown, ["gone"]);
    }
}
