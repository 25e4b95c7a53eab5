//! The entries of an object, with places for refusals and warnings for keys that nobody reads.

use std::fmt::Display;

use pegboard_model::Error;
use serde_json::{Map, Value as Json};

use super::Warnings;
use crate::nearest::nearest;
use crate::node::{self, Content, Key, Node, Place};

/// Keys that people write beside `options`.
const OPTION_KEYS: [&str; 2] = ["map_on", "allow_partial_failure"];

/// The entries of one object, taken out one by one.
pub(super) struct Fields {
    path: String,
    pub(super) place: Place,
    entries: Vec<(Key, Node)>,
}

impl Fields {
    /// Warns of the keys that are not `known` and forgets them.
    pub(super) fn of(node: Node, path: &str, known: &[&str], warnings: &mut Warnings) -> Result<Self, Error> {
        let mut entries = match node.content {
            Content::Map(entries) => entries,
            other => return Err(wrong(node.place, path, &other, "an object")),
        };
        entries.retain(|(key, _)| {
            let valid = known.contains(&key.text.as_str());
            if !valid {
                warnings.push(unknown_key(key, path, known));
            }
            valid
        });
        Ok(Self { path: path.to_owned(), place: node.place, entries })
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(entry, _)| entry.text == key)?;
        Some(self.entries.swap_remove(index).1)
    }

    pub(super) fn required(&mut self, key: &str) -> Result<Node, Error> {
        self.take(key).ok_or_else(|| invalid(self.place, format!("{} has no `{key}`", quoted(&self.path))))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<(Place, String)>, Error> {
        let Some(node) = self.take(key) else { return Ok(None) };
        match node.content {
            Content::Text(text) => Ok(Some((node.place, text))),
            other => Err(wrong(node.place, &self.path_to(key), &other, "text")),
        }
    }

    pub(super) fn required_text(&mut self, key: &str) -> Result<(Place, String), Error> {
        self.text(key)?.ok_or_else(|| invalid(self.place, format!("{} has no `{key}`", quoted(&self.path))))
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let Some(node) = self.take(key) else { return Ok(Vec::new()) };
        let Content::List(nodes) = node.content else {
            return Err(wrong(node.place, &self.path_to(key), &node.content, "a list"));
        };
        let text = |(index, node): (usize, Node)| match node.content {
            Content::Text(text) => Ok(text),
            other => Err(wrong(node.place, &format!("{}[{index}]", self.path_to(key)), &other, "text")),
        };
        nodes.into_iter().enumerate().map(text).collect()
    }

    pub(super) fn object(&mut self, key: &str) -> Result<Map<String, Json>, Error> {
        let Some(node) = self.take(key) else { return Ok(Map::new()) };
        match node.content {
            Content::Map(entries) => Ok(node::object(entries)),
            other => Err(wrong(node.place, &self.path_to(key), &other, "an object")),
        }
    }

    pub(super) fn integer(&mut self, key: &str) -> Result<Option<i64>, Error> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let refused = wrong(node.place, &self.path_to(key), &node.content, "an integer or null");
        match node.content {
            Content::Null => Ok(None),
            Content::Number(number) => number.as_i64().map(Some).ok_or(refused),
            _ => Err(refused),
        }
    }

    pub(super) fn path_to(&self, key: &str) -> String {
        if self.path == "the document" { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn unknown_key(key: &Key, path: &str, known: &[&str]) -> String {
    let Key { text, place } = key;
    let is_stage = known.contains(&"depends_on");
    let advice = match nearest(text, known.iter().copied()) {
        _ if is_stage && OPTION_KEYS.contains(&text.as_str()) => format!("it belongs into `{path}.options`"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("valid keys are {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("{place}: unknown key `{text}` in {} is ignored; {advice}", quoted(path))
}

pub(super) fn quoted(path: &str) -> String {
    if path == "the document" { path.to_owned() } else { format!("`{path}`") }
}

pub(super) fn wrong(place: Place, path: &str, found: &Content, expected: &str) -> Error {
    let error = invalid(place, format!("{} is {}, not {expected}", quoted(path), found.kind()));
    match (found, expected) {
        (Content::Number(_) | Content::Boolean(_), "text") => error.hint("write it in quotes"),
        (Content::Text(text), "a list") => error.hint(format!("write `[{text}]`")),
        _ => error,
    }
}

/// The reader of the document says which sort of document it is.
pub(super) fn invalid(place: impl Display, message: impl Display) -> Error {
    Error::invalid("invalid-workflow", format!("{place}: {message}"))
}
