//! Our own form: the records of an export, which an import takes back.

use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};

use super::{Dataset, Labelled, Picture, Shape};

/// Reads records: a JSON list, or an object per line.
///
/// # Errors
/// `records` names the line.
pub fn read(text: &str) -> Result<Vec<Json>, Error> {
    let wrong = |why: String| {
        Error::invalid("records", format!("the records cannot be read: {why}"))
            .hint("give what `pegboard project export` wrote: JSON or NDJSON")
    };
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| wrong(error.to_string()));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| wrong(format!("line {}: {error}", at + 1)))).collect()
}

/// One record as an asset to import, with its answer. `data` is what the asset's data becomes: a file that was uploaded, or none for
/// what the record says.
#[must_use]
pub fn to_import(record: &Json, data: Option<&str>) -> Json {
    let mut item = Map::new();
    item.insert("data".to_owned(), data.map_or_else(|| record["asset"].clone(), Json::from));
    for (from, to) in
        [("externalId", "externalId"), ("metadata", "metadata"), ("contextData", "contextData"), ("batches", "batches")]
    {
        if !record[from].is_null() {
            item.insert(to.to_owned(), record[from].clone());
        }
    }
    let task = &record["task"];
    for key in ["tools", "classifications", "relations"] {
        if task[key].as_array().is_some_and(|list| !list.is_empty()) {
            item.insert(key.to_owned(), task[key].clone());
        }
    }
    Json::Object(item)
}

/// The dataset that records make. What other formats cannot say is counted.
#[must_use]
pub fn to_dataset(records: &[Json], classes: Vec<String>) -> Dataset {
    let mut dataset = Dataset { classes, ..Dataset::default() };
    for record in records {
        let metadata = &record["metadata"];
        let mut picture = Picture {
            file: record["externalId"].as_str().unwrap_or_default().to_owned(),
            width: metadata["width"].as_u64().unwrap_or(0),
            height: metadata["height"].as_u64().unwrap_or(0),
            objects: Vec::new(),
        };
        for object in record["task"]["tools"].as_array().into_iter().flatten() {
            let class = object["title"].as_str().unwrap_or_default();
            match Shape::read(object) {
                Some(shape) if !class.is_empty() => {
                    if !dataset.classes.iter().any(|known| known == class) {
                        dataset.classes.push(class.to_owned());
                    }
                    picture.objects.push(Labelled { class: class.to_owned(), shape });
                }
                _ => dataset.left_out += 1,
            }
        }
        let others = |key: &str| record["task"][key].as_array().map_or(0, Vec::len);
        dataset.left_out += others("classifications") + others("relations");
        dataset.pictures.push(picture);
    }
    dataset
}

/// One picture of a dataset as an asset to import.
#[must_use]
pub fn of_picture(picture: &Picture, data: &str, objects: Vec<Json>) -> Json {
    json!({
        "data": data, "externalId": picture.file, "metadata": { "width": picture.width, "height": picture.height }, "objects": objects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_imports_and_datasets() {
        let record = json!({
            "asset": "https://x/a.png", "assetId": "1", "externalId": "a.png", "metadata": { "width": 4, "height": 5 }, "batches": ["b"],
            "task": { "tools": [
                { "title": "Car", "schemaId": "s", "bounding-box": { "x": 3, "y": 4, "width": -2, "height": 1 } },
                { "title": "Spot", "schemaId": "p", "point": [1, 2] },
            ], "classifications": [{ "title": "W", "answer": "x" }], "relations": [] },
        });
        for text in [record.to_string(), format!("[{record}]")] {
            assert_eq!(read(&text).unwrap(), std::slice::from_ref(&record));
        }
        assert!(read("{}\n{").unwrap_err().message.contains("line 2"));
        let item = to_import(&record, Some("pegboard:1"));
        assert_eq!((&item["data"], &item["batches"]), (&json!("pegboard:1"), &json!(["b"])));
        assert_eq!(item["tools"].as_array().unwrap().len(), 2);
        assert!(item.get("relations").is_none());
        let dataset = to_dataset(&[record], vec!["Road".to_owned()]);
        assert_eq!((dataset.classes.clone(), dataset.left_out), (vec!["Road".to_owned(), "Car".to_owned()], 2));
        assert_eq!(dataset.pictures[0].objects[0].shape, Shape::Box([1.0, 4.0, 2.0, 1.0]));
        let schema = dataset.schema(&pegboard_model::CategorySchema::default());
        assert_eq!(Dataset::objects(&schema, &dataset.pictures[0])[0]["bounding-box"]["width"], 2.0);
        assert_eq!(dataset.schema(&schema), schema, "what is there already is not added");
    }

    #[test]
    fn a_turned_box_is_its_corners() {
        let shape =
            Shape::read(&json!({ "rotated-bounding-box": { "x": 10, "y": 10, "width": 4, "height": 2, "rotation": 90 } }))
                .unwrap();
        let bounds = shape.bounds().map(|number| (number * 1e6).round() / 1e6);
        assert_eq!(bounds, [8.0, 10.0, 2.0, 4.0]);
    }
}
