//! Other people's formats, and our own: pure, text in and text out.
//!
//! [`Dataset`] is what they have in common: classes, pictures, shapes in pixels. What a format cannot say is left out and counted.

pub mod coco;
pub mod records;
pub mod yolo;

use pegboard_model::CategorySchema;
use serde_json::{Value as Json, json};

use super::schema::new_tool;

/// A shape in pixels, origin top left.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// Left, top, width, height; none negative.
    Box([f64; 4]),
    /// One ring of corners.
    Polygon(Vec<[f64; 2]>),
    /// Several rings of one object.
    Rings(Vec<Vec<[f64; 2]>>),
}

impl Shape {
    /// The project's tool for it.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Box(_) => "bounding-box",
            Self::Polygon(_) => "polygon",
            Self::Rings(_) => "segmentation",
        }
    }

    /// Left, top, width and height of all of it.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        let around = |points: &mut dyn Iterator<Item = &[f64; 2]>| {
            let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
            let [left, top, right, bottom] =
                points.fold(start, |[l, t, r, b], [x, y]| [l.min(*x), t.min(*y), r.max(*x), b.max(*y)]);
            if left > right { [0.0; 4] } else { [left, top, right - left, bottom - top] }
        };
        match self {
            Self::Box(bounds) => *bounds,
            Self::Polygon(ring) => around(&mut ring.iter()),
            Self::Rings(rings) => around(&mut rings.iter().flatten()),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Box([x, y, width, height]) => json!({ "x": x, "y": y, "width": width, "height": height }),
            Self::Polygon(ring) => json!(ring),
            Self::Rings(rings) => {
                json!({ "zones": rings.iter().map(|ring| json!({ "region": ring, "holes": [] })).collect::<Vec<_>>() })
            }
        }
    }

    /// The shape of an object of an answer, as far as other formats know it.
    #[must_use]
    pub fn read(object: &Json) -> Option<Self> {
        let number = |value: &Json| value.as_f64();
        let point = |value: &Json| Some([value[0].as_f64()?, value[1].as_f64()?]);
        let ring = |value: &Json| value.as_array()?.iter().map(point).collect::<Option<Vec<_>>>();
        if let Some(value) = object.get("bounding-box").filter(|value| value.is_object()) {
            let (x, y) = (number(&value["x"])?, number(&value["y"])?);
            let (width, height) = (number(&value["width"])?, number(&value["height"])?);
            // Drawn from right to left, or from below: the same box.
            return Some(Self::Box([x.min(x + width), y.min(y + height), width.abs(), height.abs()]));
        }
        if let Some(value) = object.get("rotated-bounding-box").filter(|value| value.is_object()) {
            let (x, y) = (number(&value["x"])?, number(&value["y"])?);
            let (width, height) = (number(&value["width"])?, number(&value["height"])?);
            let (sine, cosine) = number(&value["rotation"])?.to_radians().sin_cos();
            let turned = |(dx, dy): (f64, f64)| [x + dx * cosine - dy * sine, y + dx * sine + dy * cosine];
            return Some(Self::Polygon([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)].map(turned).to_vec()));
        }
        if let Some(value) = object.get("polygon").filter(|value| value.is_array()) {
            return Some(Self::Polygon(ring(value)?));
        }
        let zones = object.get("segmentation")?["zones"].as_array()?;
        Some(Self::Rings(zones.iter().map(|zone| ring(&zone["region"])).collect::<Option<_>>()?))
    }
}

/// One object of a picture.
#[derive(Clone, PartialEq, Debug)]
pub struct Labelled {
    /// Name of its class.
    pub class: String,
    /// Where it is.
    pub shape: Shape,
}

/// One picture.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    /// Name of its file, with folders when the format has them.
    pub file: String,
    /// Pixels; 0 when unknown.
    pub width: u64,
    /// Pixels; 0 when unknown.
    pub height: u64,
    /// What is in it.
    pub objects: Vec<Labelled>,
}

/// What all formats have in common.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Dataset {
    /// Names, in the order of their numbers.
    pub classes: Vec<String>,
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Parts that the format says and we cannot, or the other way round.
    pub left_out: usize,
}

impl Dataset {
    /// The schema with a tool for each class and kind of shape of the dataset; those that it has already stay.
    #[must_use]
    pub fn schema(&self, known: &CategorySchema) -> CategorySchema {
        let mut schema = known.clone();
        let mut need = |class: &str, tool: &str| {
            if !schema.tools.iter().any(|entry| entry["title"] == class && entry["tool"] == tool) {
                let position = schema.tools.len();
                schema.tools.push(new_tool(tool, class, position));
            }
        };
        for object in self.pictures.iter().flat_map(|picture| &picture.objects) {
            need(&object.class, object.shape.tool());
        }
        for class in &self.classes {
            if !schema.tools.iter().any(|entry| entry["title"] == class.as_str()) {
                let position = schema.tools.len();
                schema.tools.push(new_tool("bounding-box", class, position));
            }
        }
        schema
    }

    /// A picture's objects as an answer to import. Tools of two kinds may share a title, so each is named by its identity.
    #[must_use]
    pub fn objects(schema: &CategorySchema, picture: &Picture) -> Vec<Json> {
        let written = picture.objects.iter().filter_map(|object| {
            let tool = object.shape.tool();
            let entry = schema.tools.iter().find(|entry| entry["title"] == object.class.as_str() && entry["tool"] == tool)?;
            Some(json!({ "schemaId": entry["schemaId"], "title": object.class, tool: object.shape.write() }))
        });
        written.collect()
    }
}

/// Width and height of a picture in pixels, from the beginning of its file.
#[must_use]
pub fn picture_size(head: &[u8]) -> Option<(u64, u64)> {
    let size = imagesize::blob_size(head).ok()?;
    Some((size.width as u64, size.height as u64))
}
