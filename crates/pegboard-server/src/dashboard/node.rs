//! Component trees as the browser takes them.

use serde_json::{Map, Value as Json, json};

use super::environment::Environment;
use super::told::PanelFailure;

/// A component of the HTML library.
pub(crate) fn html(kind: &str, props: Json) -> Json {
    component("dash_html_components", kind, props)
}

/// A component of the core library.
pub(crate) fn core(kind: &str, props: Json) -> Json {
    component("dash_core_components", kind, props)
}

/// A component of the Bootstrap library.
pub(crate) fn bootstrap(kind: &str, props: Json) -> Json {
    component("dash_bootstrap_components", kind, props)
}

/// A block with a class and children.
pub(crate) fn block(class: &str, children: Json) -> Json {
    let mut props = Map::new();
    props.insert("className".to_owned(), json!(class));
    props.insert("children".to_owned(), children);
    html("Div", Json::Object(props))
}

/// An element around others, which may be many: they are moved, where `json!` would copy them.
pub(crate) fn around(kind: &str, children: Vec<Json>) -> Json {
    html(kind, Json::Object(Map::from_iter([("children".to_owned(), Json::Array(children))])))
}

fn component(namespace: &str, kind: &str, props: Json) -> Json {
    let mut node = Map::new();
    node.insert("type".to_owned(), json!(kind));
    node.insert("namespace".to_owned(), json!(namespace));
    node.insert("props".to_owned(), props);
    Json::Object(node)
}

/// A value in the browser.
pub(crate) fn store(id: &str, data: Json) -> Json {
    core("Store", json!({ "id": id, "data": data }))
}

/// A failure, with its traceback folded away.
pub(crate) fn notice(title: &str, failure: &PanelFailure) -> Json {
    let mut children = vec![html("Strong", json!({ "children": title })), html("P", json!({ "children": failure.message }))];
    if let Some(line) = failure.line {
        let file = failure.file.as_deref().and_then(|file| file.rsplit('/').next()).unwrap_or("the file");
        children.push(html("P", json!({ "className": "pegboard-where", "children": format!("{file}, line {line}") })));
    }
    if let Some(hint) = &failure.hint {
        children.push(html("P", json!({ "className": "pegboard-hint", "children": hint })));
    }
    if let Some(traceback) = &failure.traceback {
        let summary = html("Summary", json!({ "children": "Traceback" }));
        let text = html("Pre", json!({ "children": traceback }));
        children.push(html("Details", json!({ "children": [summary, text] })));
    }
    block("pegboard-notice", Json::Array(children))
}

/// Libraries of components whose names are not those of their packages.
const LIBRARIES: [&str; 3] = ["dash_html_components", "dash_core_components", "dash_table"];

/// The library of a component in this JSON that browsers have no script of, if there is one.
pub(crate) fn strange_library(text: &str, environment: &Environment) -> Option<String> {
    let is_known = |name: &str| LIBRARIES.contains(&name) || environment.files.contains_key(name);
    // Nearly always all are known, and the text need not be read.
    let mut names =
        text.split("\"namespace\":").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    if names.all(is_known) {
        return None;
    }
    strange_component(&serde_json::from_str(text).ok()?, &is_known)
}

fn strange_component(tree: &Json, is_known: &impl Fn(&str) -> bool) -> Option<String> {
    match tree {
        Json::Array(each) => each.iter().find_map(|one| strange_component(one, is_known)),
        Json::Object(fields) => {
            let is_component =
                fields.len() == 3 && fields.get("type").is_some_and(Json::is_string) && fields.contains_key("props");
            let library = fields.get("namespace").and_then(Json::as_str).filter(|_| is_component);
            let strange = library.filter(|name| !is_known(name)).map(str::to_owned);
            strange.or_else(|| fields.values().find_map(|one| strange_component(one, is_known)))
        }
        _ => None,
    }
}

/// What a property shows instead of a value, when there is none because of a failure; none: it stays as it is.
pub(crate) fn instead(property: &str, text: &str) -> Option<Json> {
    match property {
        "figure" => {
            let hidden = json!({ "visible": false });
            let annotation = json!({
                "text": text, "showarrow": false, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "font": { "color": "#9999cc" },
            });
            Some(json!({ "data": [], "layout": {
                "xaxis": hidden, "yaxis": hidden, "annotations": [annotation], "height": 160,
                "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            } }))
        }
        "children" | "value" | "data" => Some(json!(text)),
        "columnDefs" => Some(json!([{ "headerName": "Error", "field": "Error" }])),
        "rowData" => Some(json!([{ "Error": text }])),
        _ => None,
    }
}

/// An id in the form of a response's keys.
pub(crate) fn id_text(id: &Json) -> String {
    match id {
        Json::String(text) => text.clone(),
        Json::Object(fields) => super::mark::sorted(fields.clone()),
        other => other.to_string(),
    }
}

/// An id in the form of a dependency's output.
pub(crate) fn reference(id: &Json, property: &str) -> String {
    let text = id_text(id);
    // A dot would end the id too early.
    let text = if text.starts_with('{') { text } else { text.replace('.', "\\.") };
    format!("{text}.{property}")
}

/// A callback's specification with the fields that the renderer reads.
pub(crate) fn callback(output: &str, inputs: &[(String, &str)], state: &[(String, &str)], prevent: bool) -> Map<String, Json> {
    let list = |entries: &[(String, &str)]| -> Json {
        entries.iter().map(|(id, property)| json!({ "id": id, "property": property })).collect()
    };
    let spec = json!({
        "output": output, "inputs": list(inputs), "state": list(state), "clientside_function": null,
        "prevent_initial_call": prevent, "background": null, "dynamic_creator": null, "no_output": false,
        "optional": false, "hidden": false, "websocket": false, "persistent": false,
    });
    match spec {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The same for a function of ours in the browser.
pub(crate) fn clientside(
    function: &str,
    output: &str,
    inputs: &[(String, &str)],
    state: &[(String, &str)],
    prevent: bool,
) -> Map<String, Json> {
    let mut spec = callback(output, inputs, state, prevent);
    spec.insert("clientside_function".to_owned(), json!({ "namespace": "pegboard", "function_name": function }));
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_without_a_script_are_found_and_data_is_data() {
        let environment = Environment::default();
        for (text, found) in [
            (r#"{"a":{"type":"Div","namespace":"dash_html_components","props":{}}}"#, None),
            (
                r#"[{"props":{"children":[{"props":{},"type":"X","namespace":"theirs"}]},"type":"Div","namespace":"dash_html_components"}]"#,
                Some("theirs"),
            ),
            (r#"{"x": [{"type": "X", "namespace": "theirs", "props": {}}]}"#, Some("theirs")),
            (r#"{"rowData":[{"namespace":"kube-system","pod":"x"}]}"#, None),
            (r#"{"text":"\"namespace\":\"theirs\""}"#, None),
        ] {
            assert_eq!(strange_library(text, &environment).as_deref(), found, "{text}");
        }
    }
}
