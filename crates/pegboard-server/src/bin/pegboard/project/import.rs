//! Data in: files, COCO, YOLO, our own records.

use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use pegboard_hub::labelling::formats::{Dataset, coco, picture_size, records, yolo};
use pegboard_model::{CategorySchema, Error};
use pegboard_server::shape::{ImportBody, ImportedAnswer, LabelsAnswer, ProjectAnswer};
use serde_json::{Value as Json, json};

use super::arguments::{DataFormat, ImportArguments};
use super::files::{below, head, read_text, upload as put};
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

/// Assets of one request.
const CHUNK: usize = 200;
/// Files on their way at once.
const AT_ONCE: usize = 8;
/// Endings of pictures that YOLO's folders are searched for.
const PICTURES: &[&str] = &["png", "jpg", "jpeg", "bmp", "webp", "gif", "tif", "tiff"];

/// One asset on its way in: its file, if it has one to upload, and the rest.
struct Item {
    file: Option<PathBuf>,
    /// A file of this server: fetched and put again, since a link does not last.
    fetch: Option<String>,
    item: Json,
}

pub(super) async fn upload(
    client: &Client,
    id: &str,
    files: &[PathBuf],
    batches: &[String],
    output: &Output,
) -> Result<(), CommandFailure> {
    let mut items = Vec::with_capacity(files.len());
    for file in files {
        if !file.is_file() {
            return Err(Error::invalid("file-unreadable", format!("`{}` is not a file", file.display())).into());
        }
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        items.push(Item { file: Some(file.clone()), fetch: None, item: json!({ "externalId": name }) });
    }
    let imported = send(client, id, items, batches, output).await?;
    report(imported, 0, output);
    Ok(())
}

pub(super) async fn import(client: &Client, arguments: &ImportArguments, output: &Output) -> Result<(), CommandFailure> {
    let file = yolo_file(&arguments.file);
    let text = read_text(&file)?;
    let format = match arguments.format {
        Some(format) => format,
        None => told(&file, &text)?,
    };
    let project: ProjectAnswer = client.get(&["projects", &arguments.id], &[]).await?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let beside = |name: &str| {
        let named = folder.join(name);
        if named.is_dir() { named } else { folder.clone() }
    };
    let images = arguments.images.clone().unwrap_or_else(|| beside("images"));
    let (items, left_out) = match format {
        DataFormat::Json | DataFormat::Ndjson => (own(client, &records::read(&text)?, arguments.images.as_deref())?, 0),
        DataFormat::Coco => {
            let dataset = coco::read(&text)?;
            (pictures(client, &project, &dataset, &images).await?, dataset.left_out)
        }
        DataFormat::Yolo => {
            let dataset = yolo_dataset(&folder, &images, yolo::read_classes(&text)?)?;
            (pictures(client, &project, &dataset, &images).await?, dataset.left_out)
        }
    };
    if arguments.labels_only {
        return labels(client, &arguments.id, items, output).await;
    }
    for item in &items {
        if let Some(file) = item.file.as_ref().filter(|file| !file.is_file()) {
            return Err(Error::invalid("file-unreadable", format!("the picture `{}` is not there", file.display()))
                .hint("say with `--images` where the pictures lie, or import `--labels-only`")
                .into());
        }
    }
    let imported = send(client, &arguments.id, items, &arguments.batch, output).await?;
    report(imported, left_out, output);
    Ok(())
}

/// A folder means the classes in it.
fn yolo_file(file: &Path) -> PathBuf {
    let within = ["data.yaml", "data.yml", "classes.txt"].map(|name| file.join(name));
    if file.is_dir() {
        within.into_iter().find(|path| path.is_file()).unwrap_or_else(|| file.to_owned())
    } else {
        file.to_owned()
    }
}

/// Told by name and content.
fn told(file: &Path, text: &str) -> Result<DataFormat, CommandFailure> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "yaml" | "yml" | "txt" => return Ok(DataFormat::Yolo),
        "ndjson" | "jsonl" => return Ok(DataFormat::Ndjson),
        _ => {}
    }
    if text.trim_start().starts_with('[') {
        return Ok(DataFormat::Json);
    }
    match serde_json::from_str::<Json>(text) {
        Ok(whole) if whole["images"].is_array() => Ok(DataFormat::Coco),
        // An object per line is no JSON text as a whole, unless there is one line.
        Ok(whole) if whole.get("externalId").is_some() => Ok(DataFormat::Ndjson),
        Err(_) if text.trim_start().starts_with('{') => Ok(DataFormat::Ndjson),
        _ => Err(CommandFailure::usage(
            Error::invalid("format-unknown", format!("cannot tell what `{}` is", file.display()))
                .hint("say it with `--format json`, `ndjson`, `coco` or `yolo`"),
        )),
    }
}

/// Our own records. Files of this server are taken from the folder, or fetched and put again.
fn own(client: &Client, found: &[Json], images: Option<&Path>) -> Result<Vec<Item>, CommandFailure> {
    let mut items = Vec::with_capacity(found.len());
    for record in found {
        let asset = record["asset"].as_str().unwrap_or_default();
        let name = record["externalId"].as_str().unwrap_or_default();
        let ours = asset.starts_with(&client.link("/files/"));
        let (file, fetch) = match images {
            Some(folder) => {
                let path = below(folder, name)?;
                (path.is_file().then_some(path), ours.then(|| asset.to_owned()))
            }
            None => (None, ours.then(|| asset.to_owned())),
        };
        let fetch = fetch.filter(|_| file.is_none());
        items.push(Item { file, fetch, item: records::to_import(record, None) });
    }
    Ok(items)
}

/// Pictures of a dataset with their objects; the project gets the classes that it lacks.
async fn pictures(
    client: &Client,
    project: &ProjectAnswer,
    dataset: &Dataset,
    images: &Path,
) -> Result<Vec<Item>, CommandFailure> {
    let known: CategorySchema = serde_json::from_value(project.schema.clone())
        .map_err(|error| Error::internal("unexpected-answer", format!("the project's classes cannot be read: {error}")))?;
    let schema = dataset.schema(&known);
    if schema != known {
        let _: ProjectAnswer = client.put(&["projects", &project.id, "schema"], &schema).await?;
    }
    let mut items = Vec::with_capacity(dataset.pictures.len());
    for picture in &dataset.pictures {
        let file = below(images, &picture.file)?;
        items.push(Item {
            file: Some(file),
            fetch: None,
            item: records::of_picture(picture, "", Dataset::objects(&schema, picture)),
        });
    }
    Ok(items)
}

/// YOLO's folders: `images/**` and, with the same names, `labels/**`.
fn yolo_dataset(folder: &Path, images: &Path, classes: Vec<String>) -> Result<Dataset, CommandFailure> {
    let labels = folder.join("labels");
    let labels = if labels.is_dir() { labels } else { images.to_owned() };
    let mut names = Vec::new();
    walk(images, Path::new(""), &mut names)?;
    names.sort();
    let mut dataset = Dataset { classes, ..Dataset::default() };
    for name in names {
        let (width, height) = picture_size(&head(&images.join(&name))?).unwrap_or((0, 0));
        let path = labels.join(&name).with_extension("txt");
        // A picture without a text is one without objects.
        let text = if path.is_file() { read_text(&path)? } else { String::new() };
        let file = name.to_string_lossy().into_owned();
        dataset.pictures.push(yolo::read_picture(&file, width, height, &text, &dataset.classes)?);
    }
    if dataset.pictures.is_empty() {
        return Err(Error::invalid("yolo", format!("there are no pictures in `{}`", images.display()))
            .hint("say with `--images` where they lie")
            .into());
    }
    Ok(dataset)
}

fn walk(root: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<(), CommandFailure> {
    let folder = root.join(below);
    let failed =
        |error: std::io::Error| Error::invalid("file-unreadable", format!("cannot read `{}`: {error}", folder.display()));
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (below.join(entry.file_name()), entry.file_type().map_err(failed)?);
        let ending = name.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        // A link is not followed: it may lead out, or in a circle.
        if kind.is_dir() {
            walk(root, &name, found)?;
        } else if kind.is_file() && PICTURES.contains(&ending.as_str()) {
            found.push(name);
        }
    }
    Ok(())
}

/// Uploads files, several at once, and makes the assets, a chunk at a time.
async fn send(
    client: &Client,
    id: &str,
    items: Vec<Item>,
    batches: &[String],
    output: &Output,
) -> Result<ImportedAnswer, CommandFailure> {
    let total = items.len();
    let mut whole = ImportedAnswer { assets: 0, answers: 0, stored: 0 };
    let mut items = items.into_iter();
    loop {
        let chunk: Vec<Item> = items.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(whole);
        }
        let each = chunk.into_iter().map(|item| whole_item(client, id, item));
        let ready: Vec<Json> = futures::stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        let body = ImportBody { items: ready, batches: batches.to_vec() };
        let imported: ImportedAnswer = client.post(&["projects", id, "assets"], &body).await?;
        whole.assets += imported.assets;
        whole.answers += imported.answers;
        whole.stored += imported.stored;
        if total > CHUNK {
            output.note(&format!("{} of {total}", whole.assets));
        }
    }
}

async fn whole_item(client: &Client, id: &str, mut item: Item) -> Result<Json, CommandFailure> {
    if let Some(file) = &item.file {
        item.item["data"] = put(client, id, file).await?.into();
    } else if let Some(url) = &item.fetch {
        item.item["data"] = again(client, id, url).await?.into();
    }
    Ok(item.item)
}

/// A file of this server, put again for another project.
async fn again(client: &Client, id: &str, url: &str) -> Result<String, CommandFailure> {
    let path = url.split('?').next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or("file").to_owned();
    let place: pegboard_server::shape::UploadAnswer =
        client.post(&["projects", id, "uploads"], &pegboard_server::shape::UploadBody { name }).await?;
    let response = client.fetch(url).await?;
    let length = response.content_length();
    client.put_file(&place.url, reqwest::Body::wrap_stream(response.bytes_stream()), length).await?;
    Ok(place.data)
}

async fn labels(client: &Client, id: &str, items: Vec<Item>, output: &Output) -> Result<(), CommandFailure> {
    let mut whole = LabelsAnswer { sent: 0, stored: 0, problems: Vec::new() };
    let items: Vec<Json> = items.into_iter().map(|item| item.item).collect();
    for chunk in items.chunks(CHUNK) {
        let body = ImportBody { items: chunk.to_vec(), batches: Vec::new() };
        let outcome: LabelsAnswer = client.post(&["projects", id, "labels"], &body).await?;
        whole.sent += outcome.sent;
        whole.stored += outcome.stored;
        whole.problems.extend(outcome.problems);
    }
    if output.json {
        output.data(&whole);
    } else {
        whole.problems.iter().for_each(|problem| output.note(problem));
        output.note(&format!("{} of {} answers were stored", whole.stored, whole.sent));
    }
    if whole.stored == 0 && whole.sent > 0 {
        return Err(Error::invalid("labels-refused", "no answer was stored").hint("see above why").into());
    }
    Ok(())
}

fn report(imported: ImportedAnswer, left_out: usize, output: &Output) {
    if output.json {
        output.data(
            &json!({ "assets": imported.assets, "answers": imported.answers, "stored": imported.stored, "left_out": left_out }),
        );
        return;
    }
    output.note(&format!("{} assets, {} of {} answers stored", imported.assets, imported.stored, imported.answers));
    if left_out > 0 {
        output.note(&format!("{left_out} objects have a form that is not known here and were left out"));
    }
}
