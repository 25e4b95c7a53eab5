//! Data out: our own records, COCO, YOLO, and the assets' files.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use pegboard_hub::labelling::formats::{Dataset, coco, records, yolo};
use pegboard_model::Error;
use pegboard_server::shape::{ExportAnswer, ExportBody, ProjectAnswer};
use serde_json::{Value as Json, json};

use super::arguments::{DataFormat, ExportArguments};
use super::files::{below, read_text, write};
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(super) async fn export(client: &Client, arguments: &ExportArguments, output: &Output) -> Result<(), CommandFailure> {
    let others = matches!(arguments.format, DataFormat::Coco | DataFormat::Yolo);
    if others && arguments.output.is_none() {
        return Err(CommandFailure::usage(
            Error::invalid("output-missing", "COCO and YOLO are written to a folder").hint("name it with `--output DIR`"),
        ));
    }
    let project: ProjectAnswer = client.get(&["projects", &arguments.id], &[]).await?;
    let body = ExportBody {
        format: Some(if arguments.format == DataFormat::Json { "json" } else { "ndjson" }.to_owned()),
        stages: arguments.stage.clone(),
        batches: arguments.batch.clone(),
        history: arguments.history,
        issues: false,
    };
    let written: ExportAnswer = client.post(&["projects", &arguments.id, "exports"], &body).await?;
    let zip = Downloaded::fetch(client, &written.url).await?;
    let text = read_text(&zip.path)?;
    let mut left_out = 0;
    match arguments.format {
        DataFormat::Json | DataFormat::Ndjson => {
            match &arguments.output {
                None => {
                    output.raw(&text);
                    output.raw("\n");
                }
                Some(path) => write(path, format!("{text}\n").as_bytes())?,
            }
            if let Some(folder) = &arguments.images {
                let found = records::read(&text)?;
                files(client, &found, &names(&found), folder, output).await?;
            }
        }
        DataFormat::Coco | DataFormat::Yolo => {
            let folder = arguments.output.clone().unwrap_or_default();
            let found = records::read(&text)?;
            let names = names(&found);
            let mut dataset = records::to_dataset(&found, classes(&project));
            for (picture, name) in dataset.pictures.iter_mut().zip(&names) {
                picture.file.clone_from(name);
            }
            left_out = dataset.left_out;
            if arguments.format == DataFormat::Coco {
                write(&folder.join("annotations.json"), coco::write(&dataset).as_bytes())?;
            } else {
                left_out += write_yolo(&dataset, &folder)?;
            }
            if let Some(folder) = &arguments.images {
                files(client, &found, &names, folder, output).await?;
            }
        }
    }
    let said = json!({ "records": written.records, "left_out": left_out });
    if output.json && arguments.output.is_some() {
        output.data(&said);
    } else if arguments.output.is_some() {
        output.note(&format!("{} records written", written.records));
    }
    if left_out > 0 && !output.json {
        output.note(&format!("{left_out} parts of answers have a form that this format cannot say and were left out"));
    }
    Ok(())
}

/// Titles of the project's tools, each once.
fn classes(project: &ProjectAnswer) -> Vec<String> {
    let mut classes: Vec<String> = Vec::new();
    for tool in project.schema["tools"].as_array().into_iter().flatten() {
        if let Some(title) = tool["title"].as_str().filter(|title| !classes.iter().any(|known| known == title)) {
            classes.push(title.to_owned());
        }
    }
    classes
}

/// A file name for each record: its external id where that is one, else its asset's id; each once.
fn names(found: &[Json]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::with_capacity(found.len());
    let mut name = |record: &Json| {
        let (external, id) = (record["externalId"].as_str().unwrap_or_default(), record["assetId"].as_str().unwrap_or("asset"));
        let mut name = external.to_owned();
        if below(Path::new(""), external).is_err() || !taken.insert(name.clone()) {
            let ending = Path::new(external).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let plain = ending.chars().all(|c| c.is_ascii_alphanumeric()) && !ending.is_empty();
            name = if plain { format!("{id}.{ending}") } else { id.to_owned() };
            taken.insert(name.clone());
        }
        name
    };
    found.iter().map(&mut name).collect()
}

fn write_yolo(dataset: &Dataset, folder: &Path) -> Result<usize, CommandFailure> {
    write(&folder.join("data.yaml"), yolo::write_classes(dataset).as_bytes())?;
    let mut left_out = 0;
    for picture in &dataset.pictures {
        let Some((text, without)) = yolo::write_picture(dataset, picture) else {
            return Err(Error::invalid(
                "yolo",
                format!("the size of `{}` is not known, and YOLO's numbers are parts of it", picture.file),
            )
            .hint("import the asset with `metadata` that has `width` and `height`, or export as COCO")
            .into());
        };
        left_out += without;
        let path = below(&folder.join("labels"), &picture.file)?.with_extension("txt");
        write(&path, text.as_bytes())?;
    }
    Ok(left_out)
}

/// Fetches the assets' files. Texts and what is not on the web become files with the text.
async fn files(client: &Client, found: &[Json], names: &[String], folder: &Path, output: &Output) -> Result<(), CommandFailure> {
    for (record, name) in found.iter().zip(names) {
        let (data, path) = (record["asset"].as_str().unwrap_or_default(), below(folder, name)?);
        if !data.starts_with("http://") && !data.starts_with("https://") {
            write(&path, data.as_bytes())?;
            continue;
        }
        match client.fetch(data).await {
            Ok(response) => {
                write(&path, b"")?;
                save(client, response, &path).await?;
            }
            Err(_) if !data.starts_with(&client.link("/files/")) => {
                output.note(&format!("`{name}` cannot be fetched from {}", data.split('?').next().unwrap_or(data)));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn save(client: &Client, response: reqwest::Response, path: &Path) -> Result<(), CommandFailure> {
    let failed = |error: std::io::Error| Error::invalid("file-unwritable", format!("cannot write `{}`: {error}", path.display()));
    let mut file = std::fs::File::create(path).map_err(failed)?;
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece.map_err(|error| client.broken(&error))?).map_err(failed)?;
    }
    Ok(())
}

/// A fetched file that goes with the value.
struct Downloaded {
    path: PathBuf,
}

impl Downloaded {
    async fn fetch(client: &Client, url: &str) -> Result<Self, CommandFailure> {
        let name = format!("pegboard-export-{}.zip", uuid::Uuid::new_v4().simple());
        let downloaded = Self { path: std::env::temp_dir().join(name) };
        save(client, client.fetch(url).await?, &downloaded.path).await?;
        Ok(downloaded)
    }
}

impl Drop for Downloaded {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_differ() {
        let record = |external: &str, id: &str| json!({ "externalId": external, "assetId": id });
        let found =
            [record("a.png", "1"), record("a.png", "2"), record("../b.png", "3"), record("c/d.png", "4"), record("/x", "5")];
        assert_eq!(names(&found), ["a.png", "2.png", "3.png", "c/d.png", "5"]);
    }
}
