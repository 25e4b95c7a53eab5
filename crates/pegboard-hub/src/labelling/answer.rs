//! Answers: read from any of the shapes that clients send, kept in one.
//!
//! Invariant: in a kept answer every object, classification and relation has `objectId`, `schemaId` and `title`, and every
//! object has exactly one shape or none because it is painted.

use std::collections::HashMap;

use pegboard_model::{Answer, CategorySchema, Error, Timestamp};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

/// Keys that hold an object's shape.
pub const SHAPES: &[&str] = &[
    "bounding-box",
    "rotated-bounding-box",
    "polygon",
    "polyline",
    "point",
    "segmentation",
    "ner",
    "pdf",
    "brush",
    "voxel-brush",
    "pct",
];
const DEEPEST: usize = 16;

/// Who answers, when, and in which stage: for the metadata of what is new.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// Email, or `import`.
    pub by: &'a str,
    /// Name of the stage.
    pub stage: Option<&'a str>,
    /// Now.
    pub at: Timestamp,
}

/// Reads an answer: `objects` or `tools`, `classifications`, `relations`, or all that below `answer`.
///
/// # Errors
/// `answer` says which part is wrong.
pub fn read(sent: &Json, schema: &CategorySchema, origin: &Origin<'_>) -> Result<Answer, Error> {
    let sent = sent.get("answer").filter(|inner| inner.is_object()).unwrap_or(sent);
    let sent = sent.as_object().ok_or_else(|| wrong("the answer", "it is not an object"))?;
    let objects = list(sent, "objects")?;
    let tools = list(sent, "tools")?;
    let mut answer = Answer::default();
    for (key, entries) in [("objects", objects), ("tools", tools)] {
        for (position, entry) in entries.iter().enumerate() {
            answer.tools.push(tool(entry, schema, origin, &format!("{key}[{position}]"))?);
        }
    }
    for (position, entry) in list(sent, "classifications")?.iter().enumerate() {
        let place = format!("classifications[{position}]");
        answer.classifications.push(classification(entry, schema, origin, &place, 0)?);
    }
    for (position, entry) in list(sent, "relations")?.iter().enumerate() {
        answer.relations.push(relation(entry, schema, &format!("relations[{position}]"))?);
    }
    Ok(answer)
}

/// As task routes and exports say it.
#[must_use]
pub fn write(answer: &Answer) -> Json {
    json!({ "tools": answer.tools, "classifications": answer.classifications, "relations": answer.relations })
}

fn list<'a>(sent: &'a Map<String, Json>, key: &str) -> Result<&'a [Json], Error> {
    match sent.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(entries)) => Ok(entries),
        Some(_) => Err(wrong(&format!("`{key}`"), "it is not a list")),
    }
}

fn tool(sent: &Json, schema: &CategorySchema, origin: &Origin<'_>, place: &str) -> Result<Json, Error> {
    let mut whole = object(sent, place)?;
    let shapes: Vec<&str> =
        SHAPES.iter().copied().filter(|shape| whole.get(*shape).is_some_and(|value| !value.is_null())).collect();
    if shapes.len() > 1 {
        return Err(wrong(place, &format!("it has {} shapes: {}", shapes.len(), shapes.join(", "))));
    }
    let class = class(&whole, schema, place, |title| schema.tool(title))?;
    name(&mut whole, class);
    if let Some(shape) = shapes.first() {
        check_shape(shape, &whole[*shape], place)?;
    }
    let nested = nested(&whole, schema, origin, place, 0)?;
    whole.insert("classifications".to_owned(), nested.into());
    if !whole.get("objectId").is_some_and(Json::is_string) {
        whole.insert("objectId".to_owned(), new_id());
    }
    let metadata = whole.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.entry("createdAt").or_insert_with(|| milliseconds(origin.at).into());
        metadata.entry("createdBy").or_insert_with(|| origin.by.into());
        if let Some(stage) = origin.stage {
            metadata.entry("createdIn").or_insert_with(|| stage.into());
        }
    }
    Ok(Json::Object(whole))
}

fn classification(sent: &Json, schema: &CategorySchema, origin: &Origin<'_>, place: &str, depth: usize) -> Result<Json, Error> {
    let mut whole = object(sent, place)?;
    let class = class(&whole, schema, place, |title| schema.classification(title))?;
    name(&mut whole, class);
    if let Some(class) = class {
        whole.entry("tool").or_insert_with(|| class["tool"].clone());
        whole.entry("columnField").or_insert_with(|| class.get("columnField").cloned().unwrap_or(false.into()));
        let texts = option_texts(class);
        if let Some(answer) = whole.get_mut("answer") {
            say_texts(answer, &texts);
        }
    }
    if !whole.contains_key("answer") {
        return Err(wrong(place, "it has no `answer`"));
    }
    let nested = nested(&whole, schema, origin, place, depth)?;
    whole.insert("classifications".to_owned(), nested.into());
    if !whole.get("objectId").is_some_and(Json::is_string) {
        whole.insert("objectId".to_owned(), new_id());
    }
    Ok(Json::Object(whole))
}

fn nested(
    whole: &Map<String, Json>,
    schema: &CategorySchema,
    origin: &Origin<'_>,
    place: &str,
    depth: usize,
) -> Result<Vec<Json>, Error> {
    if depth >= DEEPEST {
        return Err(wrong(place, "classifications are nested too deep"));
    }
    let each = |(position, entry): (usize, &Json)| {
        classification(entry, schema, origin, &format!("{place}.classifications[{position}]"), depth + 1)
    };
    list(whole, "classifications")?.iter().enumerate().map(each).collect()
}

fn relation(sent: &Json, schema: &CategorySchema, place: &str) -> Result<Json, Error> {
    let mut whole = object(sent, place)?;
    let class = class(&whole, schema, place, |title| schema.relation(title))?;
    name(&mut whole, class);
    let pair = whole.contains_key("from") && whole.contains_key("to");
    if !pair && !whole.get("group").is_some_and(Json::is_array) {
        return Err(wrong(place, "it has neither `from` and `to` nor `group`"));
    }
    if !whole.get("objectId").is_some_and(Json::is_string) {
        whole.insert("objectId".to_owned(), new_id());
    }
    Ok(Json::Object(whole))
}

/// The entry of the schema that is meant: by identity, else by title. None when the project has no classes at all.
fn class<'a>(
    whole: &Map<String, Json>,
    schema: &'a CategorySchema,
    place: &str,
    by_title: impl Fn(&str) -> Option<&'a Json>,
) -> Result<Option<&'a Json>, Error> {
    let text = |key: &str| whole.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let (id, title) = (text("schemaId"), text("title"));
    let found = id.and_then(|id| schema.by_id(id)).or_else(|| title.and_then(&by_title));
    if found.is_some() {
        return Ok(found);
    }
    match (id, title) {
        (None, None) => Err(wrong(place, "it has neither `schemaId` nor `title`")),
        (Some(id), _) => Err(wrong(place, &format!("the project has no class with schemaId `{id}`"))),
        (None, Some(title)) => Err(wrong(place, &format!("the project has no class with title `{title}`"))),
    }
}

fn name(whole: &mut Map<String, Json>, class: Option<&Json>) {
    let Some(class) = class else { return };
    whole.insert("schemaId".to_owned(), class["schemaId"].clone());
    whole.insert("title".to_owned(), class["title"].clone());
}

/// Texts of a class's options by their identities: some clients answer with the identity.
fn option_texts(class: &Json) -> HashMap<&str, &Json> {
    let options = class["options"].as_array().into_iter().flatten();
    options.filter_map(|option| Some((option["schemaId"].as_str()?, &option["value"]))).collect()
}

fn say_texts(answer: &mut Json, texts: &HashMap<&str, &Json>) {
    match answer {
        Json::Array(all) => all.iter_mut().for_each(|one| say_texts(one, texts)),
        Json::String(text) => {
            if let Some(said) = texts.get(text.as_str()) {
                *answer = (*said).clone();
            }
        }
        _ => {}
    }
}

fn check_shape(shape: &str, value: &Json, place: &str) -> Result<(), Error> {
    let number = |value: &Json| value.is_number();
    let point = |value: &Json| value.as_array().is_some_and(|pair| pair.len() >= 2 && pair.iter().all(number));
    let points = |value: &Json| value.as_array().is_some_and(|all| all.iter().all(point));
    let good = match shape {
        "bounding-box" => ["x", "y", "width", "height"].iter().all(|key| number(&value[*key])),
        "rotated-bounding-box" => ["x", "y", "width", "height", "rotation"].iter().all(|key| number(&value[*key])),
        "polygon" | "polyline" => points(value),
        "point" => point(value),
        "segmentation" => value["zones"].as_array().is_some_and(|zones| zones.iter().all(|zone| points(&zone["region"]))),
        "ner" => number(&value["start"]) && number(&value["end"]),
        _ => true,
    };
    if good { Ok(()) } else { Err(wrong(place, &format!("its `{shape}` does not have the form of one"))) }
}

fn object(sent: &Json, place: &str) -> Result<Map<String, Json>, Error> {
    sent.as_object().cloned().ok_or_else(|| wrong(place, "it is not an object"))
}

/// ISO 8601 with milliseconds, as the dialect writes times.
#[must_use]
pub fn milliseconds(time: Timestamp) -> String {
    let text = time.to_string();
    match text.strip_suffix('Z').filter(|text| text.len() > 3) {
        Some(digits) => format!("{}Z", &digits[..digits.len() - 3]),
        None => text,
    }
}

fn new_id() -> Json {
    Uuid::new_v4().simple().to_string().into()
}

fn wrong(place: &str, why: &str) -> Error {
    Error::invalid("answer", format!("the answer is wrong at {place}: {why}"))
        .hint("objects, classifications and relations name a class of the project by `schemaId` or `title`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> CategorySchema {
        super::super::schema::read(&json!({
            "tools": [{ "tool": "bounding-box", "title": "Car", "schemaId": "s-car",
                "classifications": [{ "tool": "radio", "title": "Type", "schemaId": "c-type", "options": [{ "value": "Truck", "schemaId": "o-truck" }] }] },
                { "tool": "polygon", "title": "Road", "schemaId": "s-road" }],
            "classifications": [{ "tool": "radio", "title": "Weather", "schemaId": "c-weather", "options": ["Sunny"] }],
            "relations": [{ "tool": "one-to-one", "title": "part of", "schemaId": "r" }],
        }))
        .unwrap()
    }

    fn origin() -> Origin<'static> {
        Origin { by: "ann@example.org", stage: Some("Label"), at: Timestamp(1_700_000_000_123_456) }
    }

    #[test]
    fn all_three_shapes_read_alike() {
        let tool = json!({ "schemaId": "s-car", "bounding-box": { "x": 1, "y": 2, "width": 3, "height": 4 } });
        for sent in [
            json!({ "objects": [tool] }),
            json!({ "tools": [tool], "classifications": null }),
            json!({ "data": "u", "answer": { "objects": [tool], "relations": [] } }),
        ] {
            let answer = read(&sent, &schema(), &origin()).unwrap();
            assert_eq!(answer.tools[0]["title"], "Car");
            assert_eq!(
                answer.tools[0]["metadata"],
                json!({ "createdAt": "2023-11-14T22:13:20.123Z", "createdBy": "ann@example.org", "createdIn": "Label" })
            );
            assert!(answer.tools[0]["objectId"].is_string());
            assert_eq!(answer.tools[0]["classifications"], json!([]));
            assert_eq!(read(&write(&answer), &schema(), &origin()).unwrap(), answer, "what is kept reads as itself");
        }
    }

    #[test]
    fn titles_and_option_identities_are_understood() {
        let sent = json!({
            "objects": [{ "title": "Car", "objectId": "o1", "bounding-box": { "x": 1, "y": 2, "width": -3, "height": 4 },
                "classifications": [{ "title": "Type", "answer": "o-truck" }] }],
            "classifications": [{ "title": "Weather", "answer": ["Sunny"] }],
            "relations": [{ "title": "part of", "from": "o1", "to": "o1" }],
        });
        let answer = read(&sent, &schema(), &origin()).unwrap();
        assert_eq!(answer.tools[0]["schemaId"], "s-car");
        assert_eq!(answer.tools[0]["classifications"][0]["answer"], "Truck");
        assert_eq!(answer.tools[0]["classifications"][0]["tool"], "radio");
        assert_eq!(answer.classifications[0]["schemaId"], "c-weather");
        assert_eq!(answer.relations[0]["schemaId"], "r");
    }

    #[test]
    fn wrong_ones_say_where() {
        for (sent, words) in [
            (json!(1), "not an object"),
            (json!({ "objects": 1 }), "`objects`"),
            (json!({ "objects": [1] }), "objects[0]"),
            (json!({ "objects": [{ "point": [1, 2] }] }), "neither `schemaId` nor `title`"),
            (json!({ "objects": [{ "schemaId": "nope", "point": [1, 2] }] }), "`nope`"),
            (json!({ "tools": [{ "title": "Nope" }] }), "title `Nope`"),
            (json!({ "objects": [{ "title": "Car", "bounding-box": [1] }] }), "form"),
            (json!({ "objects": [{ "title": "Car", "polygon": [[1]] }] }), "form"),
            (json!({ "objects": [{ "title": "Car", "point": [1, 2], "polygon": [] }] }), "2 shapes"),
            (json!({ "classifications": [{ "title": "Weather" }] }), "no `answer`"),
            (json!({ "relations": [{ "title": "part of" }] }), "`group`"),
        ] {
            let error = read(&sent, &schema(), &origin()).unwrap_err();
            assert!(error.message.contains(words), "{sent}: {}", error.message);
        }
    }
}
