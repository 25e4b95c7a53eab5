//! Configs (Flowdapt specification, section 4).

use pegboard_model::{ConfigSpec, Error, Selector, SelectorType, SelectorValue};

use super::fields::{Fields, invalid, wrong};
use super::{Warnings, texts_by_key};
use crate::nearest::nearest;
use crate::node::{Content, Node};

/// The second schema has `new` as well; it means nothing.
const SPEC_KEYS: [&str; 3] = ["selector", "data", "new"];
const SELECTOR_KEYS: [&str; 3] = ["kind", "type", "value"];
const SELECTOR_TYPES: [&str; 2] = ["name", "annotation"];

pub(super) fn spec(node: Node, warnings: &mut Warnings) -> Result<ConfigSpec, Error> {
    let mut spec = Fields::of(node, "spec", &SPEC_KEYS, warnings)?;
    let selector = match spec.take("selector") {
        None => None,
        Some(Node { content: Content::Null, .. }) => None,
        Some(node) => Some(selector(node, warnings)?),
    };
    if selector.is_none() {
        warnings.push("the config has no `spec.selector`: it is for no workflow".to_owned());
    }
    let data = spec.required("data")?;
    match data.content {
        Content::Map(entries) => Ok(ConfigSpec { selector, data: crate::node::object(entries) }),
        other => Err(wrong(data.place, "spec.data", &other, "an object")),
    }
}

fn selector(node: Node, warnings: &mut Warnings) -> Result<Selector, Error> {
    let place = node.place;
    let mut fields = Fields::of(node, "spec.selector", &SELECTOR_KEYS, warnings)?;
    let kind = match fields.take("kind") {
        None => None,
        Some(Node { content: Content::Null, .. }) => None,
        Some(Node { content: Content::Text(kind), .. }) => Some(kind),
        Some(node) => return Err(wrong(node.place, "spec.selector.kind", &node.content, "text or null")),
    };
    let selector_type = match fields.text("type")? {
        None => SelectorType::Name,
        Some((_, text)) if text == "name" => SelectorType::Name,
        Some((_, text)) if text == "annotation" => SelectorType::Annotation,
        Some((place, text)) => {
            let hint = match nearest(&text, SELECTOR_TYPES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "selectors are by `name` or by `annotation`".to_owned(),
            };
            return Err(invalid(place, format!("`spec.selector.type` is `{text}`, not `name` or `annotation`")).hint(hint));
        }
    };
    let value = match fields.take("value") {
        None => None,
        Some(Node { content: Content::Null, .. }) => None,
        Some(Node { content: Content::Text(name), .. }) => Some(SelectorValue::Name(name)),
        Some(node @ Node { content: Content::Map(_), .. }) => {
            Some(SelectorValue::Annotations(texts_by_key(Some(node), "spec.selector.value")?))
        }
        Some(node) => return Err(wrong(node.place, "spec.selector.value", &node.content, "text, an object or null")),
    };
    // Stored all the same, as the dialect does; but it is surely not what was meant.
    let fits = match (&value, selector_type) {
        (Some(SelectorValue::Name(_)), SelectorType::Name) => true,
        (Some(SelectorValue::Annotations(wanted)), SelectorType::Annotation) => !wanted.is_empty(),
        _ => false,
    };
    if !fits {
        let expected = match selector_type {
            SelectorType::Name => "a name: the workflow's",
            SelectorType::Annotation => "an object of annotations, of which one must agree",
        };
        warnings.push(format!("{place}: the selector matches nothing: `value` should be {expected}"));
    }
    Ok(Selector { kind, selector_type, value })
}
