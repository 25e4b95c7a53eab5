//! Category schemas: what must be there is there, and every entry has an identity.

use pegboard_model::{CategorySchema, Error};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

const TOOLS: &[&str] = &[
    "bounding-box",
    "rotated-bounding-box",
    "polygon",
    "polyline",
    "segmentation",
    "point",
    "ner",
    "pdf",
    "brush",
    "voxel-brush",
    "pct",
];
const CLASSIFICATIONS: &[&str] =
    &["radio", "checkbox", "single-dropdown", "multi-dropdown", "tree-dropdown", "text", "instance", "boolean", "rank"];
const RELATIONS: &[&str] = &["one-to-one", "one-to-many", "group"];
/// Deepest nesting of classifications.
const DEEPEST: usize = 16;
const COLOURS: &[&str] = &["#9c27b0", "#2196f3", "#4caf50", "#ff9800", "#f44336", "#009688", "#795548", "#607d8b"];

/// Reads a schema as clients send it. Identities, colours and empty lists are added where they are missing.
///
/// # Errors
/// `category-schema` says which entry is wrong.
pub fn read(sent: &Json) -> Result<CategorySchema, Error> {
    let sent = sent.as_object().ok_or_else(|| wrong("the schema", "it is not an object"))?;
    let list = |key: &str, kinds: &[&str]| -> Result<Vec<Json>, Error> {
        let entries = match sent.get(key) {
            None | Some(Json::Null) => return Ok(Vec::new()),
            Some(Json::Array(entries)) => entries,
            Some(_) => return Err(wrong(&format!("`{key}`"), "it is not a list")),
        };
        let each = |(position, each): (usize, &Json)| entry(each, kinds, &format!("{key}[{position}]"), position, 0);
        entries.iter().enumerate().map(each).collect()
    };
    let schema = CategorySchema {
        tools: list("tools", TOOLS)?,
        classifications: list("classifications", CLASSIFICATIONS)?,
        relations: list("relations", RELATIONS)?,
    };
    let mut seen = Vec::new();
    for entries in [&schema.tools, &schema.classifications, &schema.relations] {
        identities(entries, &mut seen);
    }
    seen.sort_unstable();
    match seen.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(wrong(&format!("`{}`", pair[0]), "two entries have this schemaId")),
        None => Ok(schema),
    }
}

/// As clients get it.
#[must_use]
pub fn write(schema: &CategorySchema) -> Json {
    json!({ "tools": schema.tools, "classifications": schema.classifications, "relations": schema.relations })
}

/// A tool for a class that an imported file names.
#[must_use]
pub fn new_tool(tool: &str, title: &str, position: usize) -> Json {
    json!({
        "tool": tool, "title": title, "schemaId": new_id(), "required": false, "columnField": false,
        "color": COLOURS[position % COLOURS.len()], "shortcutKey": "", "classifications": [], "options": [],
    })
}

fn entry(sent: &Json, kinds: &[&str], place: &str, position: usize, depth: usize) -> Result<Json, Error> {
    let sent = sent.as_object().ok_or_else(|| wrong(place, "it is not an object"))?;
    let text = |key: &str| sent.get(key).and_then(Json::as_str).filter(|text| !text.trim().is_empty());
    if text("title").is_none() {
        return Err(wrong(place, "it has no title"));
    }
    let tool = text("tool").ok_or_else(|| wrong(place, "it says no `tool`"))?;
    if !kinds.contains(&tool) {
        return Err(wrong(place, &format!("`{tool}` is not one of {}", kinds.join(", "))));
    }
    let mut whole: Map<String, Json> = sent.clone();
    if text("schemaId").is_none() {
        whole.insert("schemaId".to_owned(), new_id());
    }
    if text("color").is_none() {
        whole.insert("color".to_owned(), COLOURS[position % COLOURS.len()].into());
    }
    for key in ["required", "columnField"] {
        whole.entry(key).or_insert(false.into());
    }
    let options = match sent.get("options") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(options)) => {
            options.iter().map(option).collect::<Option<Vec<_>>>().ok_or_else(|| wrong(place, "an option has no value"))?
        }
        Some(_) => return Err(wrong(place, "`options` is not a list")),
    };
    whole.insert("options".to_owned(), options.into());
    let nested = match sent.get("classifications") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(_)) if depth == DEEPEST => return Err(wrong(place, "classifications are nested too deep")),
        Some(Json::Array(nested)) => {
            let each = |(index, each): (usize, &Json)| {
                entry(each, CLASSIFICATIONS, &format!("{place}.classifications[{index}]"), index, depth + 1)
            };
            nested.iter().enumerate().map(each).collect::<Result<Vec<_>, _>>()?
        }
        Some(_) => return Err(wrong(place, "`classifications` is not a list")),
    };
    whole.insert("classifications".to_owned(), nested.into());
    Ok(Json::Object(whole))
}

/// A bare text is an option's value.
fn option(sent: &Json) -> Option<Json> {
    match sent {
        Json::String(value) => Some(json!({ "value": value, "schemaId": new_id() })),
        Json::Object(sent) if sent.get("value").is_some_and(|value| !value.is_null()) => {
            let mut whole = sent.clone();
            if !whole.get("schemaId").is_some_and(Json::is_string) {
                whole.insert("schemaId".to_owned(), new_id());
            }
            Some(Json::Object(whole))
        }
        _ => None,
    }
}

fn identities(entries: &[Json], found: &mut Vec<String>) {
    for entry in entries {
        found.extend(entry["schemaId"].as_str().map(str::to_owned));
        if let Some(nested) = entry["classifications"].as_array() {
            identities(nested, found);
        }
    }
}

fn new_id() -> Json {
    Uuid::new_v4().simple().to_string().into()
}

fn wrong(place: &str, why: &str) -> Error {
    Error::invalid("category-schema", format!("the category schema is wrong at {place}: {why}"))
        .hint("it holds `tools`, `classifications` and `relations`; each entry has `tool` and `title`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        let schema = read(&json!({
            "tools": [{ "tool": "polygon", "title": "Road", "mine": 1 }],
            "classifications": [{ "tool": "radio", "title": "Weather", "schemaId": "c", "options": ["Sunny", { "value": "Rain" }],
                "classifications": [{ "tool": "text", "title": "Why", "parentOptionId": "x" }] }],
        }))
        .unwrap();
        assert_eq!(schema.tools[0]["mine"], 1);
        assert_eq!(schema.tools[0]["schemaId"].as_str().unwrap().len(), 32);
        assert_eq!(schema.by_id("c").unwrap()["options"][0]["value"], "Sunny");
        assert!(schema.classifications[0]["options"][1]["schemaId"].is_string());
        assert_eq!(schema.classification("Why").unwrap()["parentOptionId"], "x");
        assert!(schema.relations.is_empty());
        assert_eq!(read(&write(&schema)).unwrap(), schema, "a second reading changes nothing");
    }

    #[test]
    fn wrong_ones_say_where() {
        for (sent, words) in [
            (json!([]), "not an object"),
            (json!({ "tools": {} }), "`tools`"),
            (json!({ "tools": [1] }), "tools[0]"),
            (json!({ "tools": [{ "tool": "polygon" }] }), "no title"),
            (json!({ "tools": [{ "title": "x" }] }), "no `tool`"),
            (json!({ "tools": [{ "title": "x", "tool": "radio" }] }), "`radio` is not one of"),
            (json!({ "classifications": [{ "title": "x", "tool": "radio", "options": [{}] }] }), "option"),
            (
                json!({ "tools": [{ "title": "x", "tool": "point", "classifications": [{ "tool": "text" }] }] }),
                "tools[0].classifications[0]",
            ),
            (
                json!({ "tools": [{ "title": "x", "tool": "point", "schemaId": "a" }, { "title": "y", "tool": "point", "schemaId": "a" }] }),
                "two entries",
            ),
        ] {
            let error = read(&sent).unwrap_err();
            assert!(error.message.contains(words), "{sent}: {}", error.message);
        }
        let mut deep = json!({ "tool": "text", "title": "x" });
        for _ in 0..40 {
            deep = json!({ "tool": "text", "title": "x", "classifications": [deep] });
        }
        assert!(read(&json!({ "classifications": [deep] })).unwrap_err().message.contains("too deep"));
    }
}
