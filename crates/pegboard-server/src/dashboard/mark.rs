//! Pattern-matching ids of one worker are kept apart from those of the others by a mark in them.
//!
//! Invariants: string ids are never touched, because scripts and style sheets name them; what a worker receives is what its author
//! wrote; marking twice is marking once.

use serde_json::{Map, Value as Json};

/// Key that the mark stands under; no author writes it.
const KEY: &str = "_pegboard";

/// What tells one worker's ids from another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Marks the ids of all components in a tree, wherever they stand in it.
    pub(crate) fn add_to_tree(&self, tree: &mut Json) {
        match tree {
            Json::Array(items) => items.iter_mut().for_each(|item| self.add_to_tree(item)),
            Json::Object(node) => {
                let is_component = node.contains_key("namespace") && node.contains_key("type");
                if is_component && let Some(Json::Object(id)) = node.get_mut("props").and_then(|props| props.get_mut("id")) {
                    self.add(id);
                }
                node.values_mut().for_each(|value| self.add_to_tree(value));
            }
            _ => {}
        }
    }

    /// Marks the ids of a callback's specification.
    pub(crate) fn add_to_callback(&self, callback: &mut Map<String, Json>) {
        if let Some(Json::String(output)) = callback.get_mut("output") {
            *output = self.add_to_output(output);
        }
        for side in ["inputs", "state"] {
            for entry in callback.get_mut(side).and_then(Json::as_array_mut).into_iter().flatten() {
                if let Some(Json::String(id)) = entry.get_mut("id") {
                    *id = self.add_to_text(id);
                }
            }
        }
        if let Some(Json::Object(running)) = callback.get_mut("running") {
            for part in running.values_mut() {
                self.add_to_keys(part);
            }
        }
    }

    /// Marks what a callback answered: its keys, the components in its values, and of a background callback how it goes and what cancels it.
    pub(crate) fn add_to_answer(&self, answer: &mut Json) {
        for part in ["response", "sideUpdate", "progress", "progressDefault"] {
            if let Some(values) = answer.get_mut(part) {
                self.add_to_keys(values);
                self.add_to_tree(values);
            }
        }
        for input in answer.get_mut("cancel").and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(Json::String(id)) = input.get_mut("id") {
                *id = self.add_to_text(id);
            }
        }
    }

    /// Takes the mark out of what a browser posts.
    pub(crate) fn remove(&self, posted: &mut Json) {
        match posted {
            Json::String(text) if text.contains(KEY) => *text = self.remove_from_text(text),
            Json::Array(items) => items.iter_mut().for_each(|item| self.remove(item)),
            Json::Object(fields) => {
                if fields.get(KEY).and_then(Json::as_str) == Some(&self.0) {
                    fields.shift_remove(KEY);
                }
                fields.values_mut().for_each(|value| self.remove(value));
            }
            _ => {}
        }
    }

    /// `id.property`, or `..id.property...id.property..`.
    fn add_to_output(&self, output: &str) -> String {
        match output.strip_prefix("..").and_then(|rest| rest.strip_suffix("..")) {
            Some(several) => {
                let each: Vec<String> = several.split("...").map(|one| self.add_to_reference(one)).collect();
                format!("..{}..", each.join("..."))
            }
            None => self.add_to_reference(output),
        }
    }

    /// `id.property`.
    fn add_to_reference(&self, reference: &str) -> String {
        match reference.rfind("}.") {
            Some(end) if reference.starts_with('{') => {
                format!("{}{}", self.add_to_text(&reference[..=end]), &reference[end + 1..])
            }
            _ => reference.to_owned(),
        }
    }

    fn add_to_text(&self, id: &str) -> String {
        if !id.starts_with('{') {
            return id.to_owned();
        }
        match serde_json::from_str::<Map<String, Json>>(id) {
            Ok(mut fields) => {
                self.add(&mut fields);
                sorted(fields)
            }
            Err(_) => id.to_owned(),
        }
    }

    fn remove_from_text(&self, text: &str) -> String {
        // Inside of JSON text keys are sorted, so the mark is an entry of its own, with a comma on one of its sides.
        let entry = format!("\"{KEY}\":\"{}\"", self.0);
        text.replace(&format!("{entry},"), "").replace(&format!(",{entry}"), "").replace(&entry, "")
    }

    fn add_to_keys(&self, values: &mut Json) {
        let Some(fields) = values.as_object_mut() else { return };
        if !fields.keys().any(|key| key.starts_with('{')) {
            return;
        }
        let old = std::mem::take(fields);
        fields.extend(old.into_iter().map(|(key, value)| {
            let key = if key.ends_with('}') { self.add_to_text(&key) } else { self.add_to_reference(&key) };
            (key, value)
        }));
    }

    fn add(&self, id: &mut Map<String, Json>) {
        id.insert(KEY.to_owned(), Json::String(self.0.clone()));
    }
}

/// An id as the browser writes it: JSON text with sorted keys.
pub(crate) fn sorted(fields: Map<String, Json>) -> String {
    let mut entries: Vec<_> = fields.into_iter().collect();
    // As JavaScript sorts: by UTF-16 code units.
    entries.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    Json::Object(entries.into_iter().collect()).to_string()
}

/// Whether anything here can hold a pattern-matching id.
pub(crate) fn has_patterns(callback: &Map<String, Json>) -> bool {
    let is_pattern = |id: Option<&Json>| id.and_then(Json::as_str).is_some_and(|id| id.starts_with('{'));
    let entries = ["inputs", "state"].into_iter().filter_map(|side| callback.get(side)?.as_array()).flatten();
    callback.get("output").and_then(Json::as_str).is_some_and(|output| output.contains('{'))
        || entries.into_iter().any(|entry| is_pattern(entry.get("id")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark() -> Mark {
        Mark::new("ab12".to_owned())
    }

    #[test]
    fn components_are_marked_wherever_they_stand() {
        let mut tree = json!({"type": "Div", "namespace": "html", "props": {"id": "plain", "children": [
            {"type": "Tab", "namespace": "dcc", "props": {"id": {"type": "t", "i": 1}, "label":
                {"type": "Span", "namespace": "html", "props": {"id": {"type": "s"}}}}},
            {"id": {"type": "no component"}}]}});
        mark().add_to_tree(&mut tree);
        let text = tree.to_string();
        assert_eq!(text.matches("ab12").count(), 2, "{text}");
        assert!(text.contains(r#""id":"plain""#) && text.contains(r#"{"id":{"type":"no component"}}"#));
        let once = tree.clone();
        mark().add_to_tree(&mut tree);
        assert_eq!(tree, once);
    }

    #[test]
    fn outputs_of_every_form() {
        for (output, expected) in [
            ("a.children", "a.children"),
            (r#"{"type":"x"}.title"#, r#"{"_pegboard":"ab12","type":"x"}.title"#),
            (r#"{"Z":1,"a":["MATCH"]}.p@0f"#, r#"{"Z":1,"_pegboard":"ab12","a":["MATCH"]}.p@0f"#),
            (r#"..a.b...{"i":["ALL"]}.c.."#, r#"..a.b...{"_pegboard":"ab12","i":["ALL"]}.c.."#),
        ] {
            let mut callback = Map::from_iter([
                ("output".to_owned(), json!(output)),
                ("inputs".to_owned(), json!([{"id": "{\"i\":[\"ALL\"]}", "property": "n"}])),
            ]);
            assert!(has_patterns(&callback));
            mark().add_to_callback(&mut callback);
            assert_eq!(callback["output"], expected);
            assert_eq!(callback["inputs"][0]["id"], r#"{"_pegboard":"ab12","i":["ALL"]}"#);
        }
    }

    #[test]
    fn what_a_browser_posts_is_what_the_author_wrote() {
        let mut posted = json!({
            "output": r#"{"_pegboard":"ab12","theme":["MATCH"]}.title"#,
            "outputs": {"id": {"_pegboard": "ab12", "theme": "dark"}, "property": "title"},
            "inputs": [[{"id": {"_pegboard": "ab12", "theme": "dark"}, "property": "id", "value": {"_pegboard": "ab12", "theme": "dark"}}]],
            "changedPropIds": [r#"{"_pegboard":"ab12","theme":"dark"}.n_clicks"#, r#"{"Z":1,"_pegboard":"ab12"}.x"#],
            "parsedChangedPropsIds": [{"_pegboard": "ab12", "theme": "dark"}, "plain"],
        });
        mark().remove(&mut posted);
        assert!(!posted.to_string().contains("_pegboard"), "{posted}");
        assert_eq!(posted["output"], r#"{"theme":["MATCH"]}.title"#);
        assert_eq!(posted["changedPropIds"][1], r#"{"Z":1}.x"#);
    }

    #[test]
    fn answers_are_marked_in_keys_and_values() {
        let mut answer = json!({"multi": true, "response": {
            r#"{"theme":"dark"}"#: {"title": "1"},
            "out": {"children": {"type": "P", "namespace": "html", "props": {"id": {"i": 1}}}}},
            "sideUpdate": {r#"{"i":2}"#: {"n": 1}}});
        mark().add_to_answer(&mut answer);
        assert_eq!(answer["response"][r#"{"_pegboard":"ab12","theme":"dark"}"#]["title"], "1");
        assert_eq!(answer["response"]["out"]["children"]["props"]["id"]["_pegboard"], "ab12");
        assert_eq!(answer["sideUpdate"][r#"{"_pegboard":"ab12","i":2}"#]["n"], 1);
        let mut begun = json!({"job": "1", "cancel": [{"id": r#"{"i":1}"#, "property": "n"}, {"id": "stop", "property": "n"}],
            "progressDefault": {r#"{"i":3}.children"#: ""}});
        mark().add_to_answer(&mut begun);
        assert_eq!(
            begun["cancel"],
            json!([{"id": r#"{"_pegboard":"ab12","i":1}"#, "property": "n"}, {"id": "stop", "property": "n"}])
        );
        assert_eq!(begun["progressDefault"][r#"{"_pegboard":"ab12","i":3}.children"#], "");
    }
}
