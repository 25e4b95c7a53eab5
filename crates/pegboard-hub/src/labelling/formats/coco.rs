//! COCO's object detection: one JSON text with `images`, `categories` and `annotations`.

use std::collections::{HashMap, HashSet};

use pegboard_model::Error;
use serde_json::{Value as Json, json};

use super::{Dataset, Labelled, Picture, Shape};

/// Reads a text.
///
/// # Errors
/// `coco` says what is wrong.
pub fn read(text: &str) -> Result<Dataset, Error> {
    let whole: Json = serde_json::from_str(text).map_err(|error| wrong(&format!("it is not JSON: {error}")))?;
    let list = |key: &str| whole[key].as_array().ok_or_else(|| wrong(&format!("it has no list `{key}`")));
    let mut classes: Vec<(u64, String)> = Vec::new();
    for category in list("categories")? {
        let id = category["id"].as_u64().ok_or_else(|| wrong("a category has no `id`"))?;
        let name = category["name"].as_str().ok_or_else(|| wrong(&format!("category {id} has no `name`")))?;
        classes.push((id, name.to_owned()));
    }
    classes.sort();
    let mut dataset = Dataset { classes: classes.iter().map(|(_, name)| name.clone()).collect(), ..Dataset::default() };
    let names: HashMap<u64, String> = classes.into_iter().collect();
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut files: HashSet<&str> = HashSet::new();
    for image in list("images")? {
        let id = image["id"].as_u64().ok_or_else(|| wrong("an image has no `id`"))?;
        let file = image["file_name"].as_str().ok_or_else(|| wrong(&format!("image {id} has no `file_name`")))?;
        if !files.insert(file) {
            return Err(wrong(&format!("two images have the file name `{file}`")));
        }
        places.insert(id, dataset.pictures.len());
        dataset.pictures.push(Picture {
            file: file.to_owned(),
            width: image["width"].as_u64().unwrap_or(0),
            height: image["height"].as_u64().unwrap_or(0),
            objects: Vec::new(),
        });
    }
    let none = Vec::new();
    for annotation in whole["annotations"].as_array().unwrap_or(&none) {
        let place = annotation["image_id"].as_u64().and_then(|id| places.get(&id));
        let place = *place.ok_or_else(|| wrong(&format!("annotation {} names an image that is not there", annotation["id"])))?;
        let class = annotation["category_id"].as_u64().and_then(|id| names.get(&id));
        let class = class.ok_or_else(|| wrong(&format!("annotation {} names a category that is not there", annotation["id"])))?;
        match shape(annotation) {
            Some(shape) => dataset.pictures[place].objects.push(Labelled { class: class.clone(), shape }),
            None => dataset.left_out += 1,
        }
    }
    Ok(dataset)
}

fn shape(annotation: &Json) -> Option<Shape> {
    let ring = |flat: &Json| {
        let numbers: Vec<f64> = flat.as_array()?.iter().map(Json::as_f64).collect::<Option<_>>()?;
        (numbers.len() >= 6 && numbers.len().is_multiple_of(2))
            .then(|| numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>())
    };
    // Masks in run lengths are objects, not lists: their box stays.
    if let Some(rings) = annotation["segmentation"].as_array().filter(|rings| !rings.is_empty()) {
        let mut rings = rings.iter().map(ring).collect::<Option<Vec<_>>>()?;
        return Some(if rings.len() == 1 { Shape::Polygon(rings.remove(0)) } else { Shape::Rings(rings) });
    }
    let bounds: Vec<f64> = annotation["bbox"].as_array()?.iter().map(Json::as_f64).collect::<Option<_>>()?;
    bounds.try_into().ok().map(Shape::Box)
}

/// Writes a text.
#[must_use]
pub fn write(dataset: &Dataset) -> String {
    let numbers: HashMap<&str, usize> = dataset.classes.iter().enumerate().map(|(at, name)| (name.as_str(), at + 1)).collect();
    let categories: Vec<Json> =
        dataset.classes.iter().enumerate().map(|(at, name)| json!({ "id": at + 1, "name": name, "supercategory": "" })).collect();
    let (mut images, mut annotations) = (Vec::with_capacity(dataset.pictures.len()), Vec::new());
    for (at, picture) in dataset.pictures.iter().enumerate() {
        images.push(json!({ "id": at + 1, "file_name": picture.file, "width": picture.width, "height": picture.height }));
        for object in &picture.objects {
            let Some(category) = numbers.get(object.class.as_str()) else { continue };
            let flat = |ring: &Vec<[f64; 2]>| ring.iter().flatten().copied().collect::<Vec<f64>>();
            let (segmentation, area) = match &object.shape {
                Shape::Box([_, _, width, height]) => (Vec::new(), width * height),
                Shape::Polygon(ring) => (vec![flat(ring)], surface(ring)),
                Shape::Rings(rings) => (rings.iter().map(flat).collect(), rings.iter().map(|ring| surface(ring)).sum()),
            };
            annotations.push(json!({
                "id": annotations.len() + 1, "image_id": at + 1, "category_id": category, "bbox": object.shape.bounds(),
                "segmentation": segmentation, "area": area, "iscrowd": 0,
            }));
        }
    }
    let whole = json!({ "images": images, "categories": categories, "annotations": annotations });
    format!("{whole:#}\n")
}

/// Area within a ring.
fn surface(ring: &[[f64; 2]]) -> f64 {
    let next = ring.iter().cycle().skip(1);
    (ring.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum::<f64>() / 2.0).abs()
}

fn wrong(why: &str) -> Error {
    Error::invalid("coco", format!("the COCO file cannot be read: {why}"))
        .hint("it is an object with the lists `images`, `categories` and `annotations`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let text = json!({
            "images": [{ "id": 7, "file_name": "a.png", "width": 640, "height": 480 }, { "id": 9, "file_name": "b/c.png", "width": 5, "height": 6 }],
            "categories": [{ "id": 30, "name": "dog" }, { "id": 20, "name": "cat" }],
            "annotations": [
                { "id": 1, "image_id": 7, "category_id": 20, "bbox": [1, 2, 3, 4], "segmentation": [] },
                { "id": 2, "image_id": 7, "category_id": 30, "bbox": [0, 0, 4, 3], "segmentation": [[0, 0, 4, 0, 4, 3]] },
                { "id": 3, "image_id": 9, "category_id": 30, "segmentation": [[0, 0, 1, 0, 1, 1], [2, 2, 3, 2, 3, 3]] },
                { "id": 4, "image_id": 9, "category_id": 20, "segmentation": { "counts": [1], "size": [5, 6] } },
                { "id": 5, "image_id": 9, "category_id": 20, "bbox": [1, 1, 2, 2], "segmentation": { "counts": [1], "size": [5, 6] } },
            ],
        })
        .to_string();
        let dataset = read(&text).unwrap();
        assert_eq!(dataset.classes, ["cat", "dog"]);
        assert_eq!((dataset.left_out, dataset.pictures[0].objects.len(), dataset.pictures[1].objects.len()), (1, 2, 2));
        assert_eq!(dataset.pictures[1].objects[0].shape.bounds(), [0.0, 0.0, 3.0, 3.0]);
        let written = write(&dataset);
        let again = read(&written).unwrap();
        assert_eq!(again, Dataset { left_out: 0, ..dataset });
        let whole: Json = serde_json::from_str(&written).unwrap();
        assert_eq!(whole["annotations"][1]["area"], 6.0);
    }

    #[test]
    fn wrong_ones_say_what() {
        for (text, words) in [
            ("{", "not JSON"),
            ("{}", "`categories`"),
            (r#"{"categories": [], "images": [{}]}"#, "an image has no `id`"),
            (r#"{"categories": [], "images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}"#, "two images"),
            (r#"{"categories": [], "images": [], "annotations": [{"id": 3, "image_id": 1}]}"#, "annotation 3 names an image"),
            (
                r#"{"categories": [], "images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 3, "image_id": 1, "category_id": 1}]}"#,
                "names a category",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(words), "{}", error.message);
        }
    }
}
