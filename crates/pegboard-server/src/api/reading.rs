//! Files of other forms, read into items that can be imported. Nothing is stored.

use axum::Json;
use axum::extract::Path;
use pegboard_hub::labelling::formats::{Dataset, coco, records, yolo};
use pegboard_hub::labelling::schema;
use pegboard_model::{Error, Project};
use pegboard_store::AssetQuery;
use serde_json::Value as Json_;

use super::shape::{ErrorAnswer, ReadAnswer, ReadBody, ReadPicture};
use crate::access::Here;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Endings of pictures that a text of YOLO may be about.
const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

/// Reads a file of another form: what to import, and the classes that the project lacks for it. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/projects/{id}/read", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = ReadBody, responses((status = 200, body = ReadAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn read(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ReadBody>,
) -> Result<Json<ReadAnswer>, ApiError> {
    let project = app.project(&id).await?;
    let format = match &body.format {
        Some(format) => format.as_str(),
        None => told(&body)?,
    };
    let answer = match format {
        "json" | "ndjson" => {
            let items = records::read(&body.text)?.iter().map(item).collect();
            ReadAnswer {
                format: format.to_owned(),
                items,
                schema: schema::write(&project.schema),
                added: Vec::new(),
                left_out: 0,
            }
        }
        "coco" => dataset(&project, format, &coco::read(&body.text)?),
        "yolo" => {
            let classes = yolo::read_classes(&body.text)?;
            let mut whole = Dataset { classes, ..Dataset::default() };
            for picture in &body.pictures {
                let (file, width, height) = measured(&app, &project, picture).await?;
                whole.pictures.push(yolo::read_picture(&file, width, height, &picture.text, &whole.classes)?);
            }
            dataset(&project, format, &whole)
        }
        other => {
            return Err(Error::invalid("format-unknown", format!("`{other}` is not a form that is read here"))
                .hint("one of `json`, `ndjson`, `coco` and `yolo`")
                .into());
        }
    };
    Ok(Json(answer))
}

fn told(body: &ReadBody) -> Result<&'static str, Error> {
    let text = body.text.trim_start();
    if !body.pictures.is_empty() {
        return Ok("yolo");
    }
    if text.starts_with('[') {
        return Ok("json");
    }
    match serde_json::from_str::<Json_>(text) {
        Ok(whole) if whole["images"].is_array() => Ok("coco"),
        // An object per line is no JSON text as a whole, unless there is one line.
        Ok(whole) if whole.is_object() => Ok("ndjson"),
        Err(_) if text.starts_with('{') => Ok("ndjson"),
        _ => Err(Error::invalid("format-unknown", "cannot tell what the file is")
            .hint("say `format`: one of json, ndjson, coco and yolo")),
    }
}

/// A record of an export, or an item as the import takes it.
fn item(record: &Json_) -> Json_ {
    if record["asset"].is_null() && record["task"].is_null() { record.clone() } else { records::to_import(record, None) }
}

fn dataset(project: &Project, format: &str, dataset: &Dataset) -> ReadAnswer {
    let schema = dataset.schema(&project.schema);
    let added = schema.tools[project.schema.tools.len()..].iter().filter_map(|tool| tool["title"].as_str().map(str::to_owned));
    let items = dataset.pictures.iter().map(|picture| {
        let mut item = records::of_picture(picture, "", Dataset::objects(&schema, picture));
        if let Some(item) = item.as_object_mut() {
            item.shift_remove("data");
        }
        item
    });
    ReadAnswer {
        format: format.to_owned(),
        items: items.collect(),
        added: added.collect(),
        schema: schema::write(&schema),
        left_out: dataset.left_out,
    }
}

/// The picture's name and size; those of the project's asset when the text alone was sent.
async fn measured(app: &App, project: &Project, picture: &ReadPicture) -> Result<(String, u64, u64), Error> {
    if picture.width > 0 && picture.height > 0 {
        return Ok((picture.file.clone(), picture.width, picture.height));
    }
    let stem = picture.file.rsplit_once('.').map_or(picture.file.as_str(), |(stem, _)| stem);
    for ending in PICTURES {
        let name = format!("{stem}.{ending}");
        let found = app.labelling.find_assets(project.id, &AssetQuery::ExternalId(name.clone())).await?;
        let side = |key: &str| found.first().and_then(|asset| asset.record.metadata[key].as_u64());
        if let (Some(width), Some(height)) = (side("width"), side("height")) {
            return Ok((name, width, height));
        }
    }
    Err(Error::invalid("picture-size", format!("the size of the picture of `{}` is not known", picture.file))
        .hint("import the picture first, or send its size"))
}
