//! YAML (and JSON, its subset) as a tree whose every part knows where it stands.
//!
//! Serde's derived types forget positions and drop unknown keys; people who write workflows need both.

use std::fmt;

use pegboard_model::Error;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use serde_saphyr::{Location, Options, Spanned, UserMessageFormatter};

/// Nesting that no sensible workflow reaches; keeps recursion over the tree shallow.
const MAX_DEPTH: usize = 32;
/// Parts that anchors may repeat, all together: twenty for each of ten thousand stages, but no bomb.
const MAX_REPEATED: usize = 200_000;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) place: Place,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: u64,
    column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// All documents of a text; empty ones are left out.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, Error> {
    let mut options = Options::default();
    // `yes`, `on` and `no` are text, as YAML 1.2 has it: they make fine stage names.
    options.strict_booleans = true;
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        // Ten thousand stages with every key written out are some 300,000 nodes.
        budget.max_events = 8_000_000;
        budget.max_nodes = 4_000_000;
        budget.max_depth = MAX_DEPTH;
        budget.flow_nesting_limit = MAX_DEPTH;
        budget.max_recorded_anchor_events = MAX_REPEATED;
    }
    options.alias_limits.max_total_replayed_events = MAX_REPEATED;
    let documents: Vec<Node> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| invalid(&error))?;
    Ok(documents.into_iter().filter(|node| !matches!(node.content, Content::Null)).collect())
}

/// A YAML or JSON text of one document as it stands; null for an empty one.
///
/// # Errors
/// `invalid-yaml`, with line and column.
pub fn read_yaml(text: &str) -> Result<Json, Error> {
    let mut documents = read(text)?;
    match documents.len() {
        0 => Ok(Json::Null),
        1 => Ok(Json::from(documents.remove(0))),
        count => Err(Error::invalid("invalid-yaml", format!("there are {count} documents in it, not one"))),
    }
}

fn invalid(error: &serde_saphyr::Error) -> Error {
    let mut reason = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    let place = error.location().map(Place::from);
    if let Some(place) = place {
        // The parser says the place in words of its own; ours stands in front.
        for spoken in [format!(" at {place}"), format!(" at line {} column {}", place.line, place.column)] {
            reason = reason.replace(&spoken, "");
        }
    }
    let reason = too_large(&reason).unwrap_or_else(|| reason.trim_end_matches('.').to_owned());
    let message = match place {
        Some(place) => format!("{place}: {reason}"),
        None => reason,
    };
    Error::invalid("invalid-yaml", message)
        .hint("a workflow is one YAML or JSON document per `---` with `kind`, `metadata` and `spec`")
}

/// The parser tells a limit with the names of its own parts: what was exceeded is told in ours.
fn too_large(reason: &str) -> Option<String> {
    if reason.contains("recursion limit") {
        return Some(format!("this is nested deeper than {MAX_DEPTH} levels"));
    }
    let (_, details) = reason.split_once("document too large or too complex")?;
    Some(if details.contains("Depth") || details.contains("depth") {
        format!("this is nested deeper than {MAX_DEPTH} levels")
    } else if ["nchor", "lias", "replayed"].iter().any(|word| details.contains(word)) {
        format!("anchors and aliases repeat too much: at most {MAX_REPEATED} parts of a text may be repetitions")
    } else {
        "the text has more parts than any workflow needs: split it into several".to_owned()
    })
}

impl Content {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl From<Node> for Json {
    fn from(node: Node) -> Self {
        match node.content {
            Content::Null => Self::Null,
            Content::Boolean(value) => Self::Bool(value),
            Content::Number(value) => Self::Number(value),
            Content::Text(value) => Self::String(value),
            Content::List(nodes) => nodes.into_iter().map(Self::from).collect(),
            Content::Map(entries) => Self::Object(object(entries)),
        }
    }
}

/// The entries without their places.
pub(crate) fn object(entries: Vec<(Key, Node)>) -> Map<String, Json> {
    entries.into_iter().map(|(key, node)| (key.text, Json::from(node))).collect()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { content: value, place: referenced.into() })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value).map(Content::Number).ok_or_else(|| E::custom(format!("`{value}` has no JSON form")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<KeyText>>()? {
            let Spanned { value: KeyText(text), referenced, .. } = key;
            nodes.push((Key { text, place: referenced.into() }, entries.next_value()?));
        }
        Ok(Content::Map(nodes))
    }
}

/// Keys are text, whatever they look like.
struct KeyText(String);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_told_in_words() {
        let laughs = |start: String| {
            (1..9).fold(start, |text, level| {
                let before = format!("*a{}", level - 1);
                format!("{text}a{level}: &a{level} [{}]\n", vec![before; 9].join(", "))
            })
        };
        for (text, words) in [
            (laughs("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned()), "repeat too much"),
            (laughs("a0: &a0 {lol: lol}\n".to_owned()), "repeat too much"),
            ("[".repeat(100) + &"]".repeat(100), "nested deeper than 32 levels"),
            (
                (0..100).fold(String::new(), |text, level| format!("{text}{}a:\n", " ".repeat(level))),
                "nested deeper than 32 levels",
            ),
            (format!("- &a x\n{}", "- *a\n".repeat(300_000)), "repeat too much"),
            ("a: &a [*a]\n".to_owned(), ""),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(error.code, "invalid-yaml");
            assert!(error.message.contains(words), "{words}: {}", error.message);
            let is_plain =
                !["::", " { ", "_events", "max_", "breach", "Some("].iter().any(|inside| error.message.contains(inside));
            assert!(is_plain && error.message.len() < 200, "{}", error.message);
        }
    }
}
