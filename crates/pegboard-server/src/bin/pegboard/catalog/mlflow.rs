//! `pegboard catalog import-mlflow`: a run directory of MLflow's file store as a model.
//!
//! Parameters, tags and metrics are one file each; `meta.yaml` is flat. What lies below `artifacts/` is kept, and what has the name of a
//! run's file is taken as one.

use std::path::{Path, PathBuf};

use pegboard_model::Error;
use pegboard_server::shape::{ArtifactBody, ArtifactFileBody, ArtifactOriginAnswer};
use serde_json::{Map, Value as Json, json};

use super::add::{add_run, add_shap, publish, read, said, unreadable, upload};
use super::arguments::{WordArguments, value};
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

/// Name of the run under which its results are shown.
const RUN: &str = "mlflow";
/// Of all files below `artifacts/`.
const MOST_FILES: usize = 1000;

pub(super) async fn import(
    client: &Client,
    directory: &Path,
    name: Option<&str>,
    model_type: Option<&str>,
    words: &WordArguments,
    output: &Output,
) -> Result<(), CommandFailure> {
    let meta = directory.join("meta.yaml");
    let Ok(text) = tokio::fs::read_to_string(&meta).await else {
        return Err(CommandFailure::usage(
            Error::not_found("mlflow-run", format!("`{}` is not the directory of an MLflow run", directory.display()))
                .hint("name the directory with `meta.yaml`, such as `mlruns/0/RUN`"),
        ));
    };
    let meta = flat(&text);
    let Some(id) = meta.get("run_id").or(meta.get("run_uuid")) else {
        return Err(CommandFailure::usage(
            Error::invalid("mlflow-run", format!("`{}` describes no run", directory.display()))
                .hint("an experiment's directory holds the directories of its runs; name one of them"),
        ));
    };
    let parameters = small_files(&directory.join("params")).await?;
    let tags = small_files(&directory.join("tags")).await?;
    let metrics = metrics(&directory.join("metrics")).await?;
    let text = |value: Option<&Json>| value.and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let called = text(tags.get("mlflow.runName")).or(text(meta.get("run_name")));
    let name = name.map(str::to_owned).or(called).unwrap_or_else(|| id.as_str().unwrap_or("mlflow-run").to_owned());

    let mut body = said(words);
    body.owner = body.owner.or_else(|| text(tags.get("mlflow.user")).or(text(meta.get("user_id"))));
    body.description = body.description.or_else(|| text(tags.get("mlflow.note.content")));
    body.origin = Some(ArtifactOriginAnswer {
        run: text(Some(id)),
        source: text(tags.get("mlflow.source.name")).or(Some("mlflow".to_owned())),
        ..ArtifactOriginAnswer::default()
    });
    let typed: Map<String, Json> =
        parameters.iter().map(|(key, text)| (key.clone(), value(text.as_str().unwrap_or_default()))).collect();
    body.facts.insert("hyperparameters".to_owned(), Json::Object(typed));
    if let Some(model_type) = model_type {
        body.facts.insert("model_type".to_owned(), json!(model_type));
    }
    let mlflow: Map<String, Json> = tags.into_iter().filter(|(key, _)| !key.starts_with("mlflow.log-model")).collect();
    body.facts.insert("mlflow".to_owned(), json!({ "run": meta, "tags": mlflow }));
    artifacts(client, &mut body, &directory.join("artifacts")).await?;
    if !metrics.is_empty() && !body.files.iter().any(|file| file.role == format!("runs/{RUN}/metrics")) {
        body.files.push(ArtifactFileBody {
            role: format!("runs/{RUN}/metrics"),
            content: Some(json!([metrics])),
            ..ArtifactFileBody::default()
        });
    }
    publish(client, "model", &name, &body, output).await
}

async fn artifacts(client: &Client, body: &mut ArtifactBody, root: &Path) -> Result<(), CommandFailure> {
    let mut folders = vec![root.to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        let Ok(mut entries) = tokio::fs::read_dir(&folder).await else { continue };
        let before = body.files.len();
        // A folder without such files is no mistake here.
        add_run(client, body, RUN, &folder).await.or_else(only_without_files)?;
        add_shap(client, body, &folder).await.or_else(only_without_files)?;
        // The first folder with a file of that role counts.
        let mut seen: Vec<String> = body.files[..before].iter().map(|file| file.role.clone()).collect();
        let mut position = before;
        body.files.retain(|file| {
            if position > 0 {
                position -= 1;
                return true;
            }
            let is_new = !seen.contains(&file.role);
            seen.push(file.role.clone());
            is_new
        });
        while let Some(entry) = entries.next_entry().await.map_err(|error| unreadable(&folder, &error))? {
            let path = entry.path();
            // A link could lead anywhere.
            let Ok(kind) = entry.file_type().await else { continue };
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                count += 1;
                if count > MOST_FILES {
                    return Err(CommandFailure::usage(
                        Error::invalid("mlflow-run", format!("`{}` holds more than {MOST_FILES} files", root.display()))
                            .hint("remove what does not belong to the model"),
                    ));
                }
                let role = format!("model/{}", relative(&path, root));
                body.files.push(ArtifactFileBody { role, ..upload(client, &path).await? });
            }
        }
    }
    Ok(())
}

fn only_without_files(failure: CommandFailure) -> Result<(), CommandFailure> {
    if failure.error.as_ref().is_some_and(|error| error.code == "run-files") { Ok(()) } else { Err(failure) }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// Each file of a folder and what is below it: name with `/`, and text.
async fn small_files(root: &Path) -> Result<Map<String, Json>, CommandFailure> {
    let mut found = Map::new();
    for path in below(root).await? {
        let text = String::from_utf8_lossy(&read(&path).await?).trim_end_matches('\n').to_owned();
        found.insert(relative(&path, root), json!(text));
    }
    Ok(found)
}

/// The last value of each metric; a line is time, value, step.
async fn metrics(root: &Path) -> Result<Map<String, Json>, CommandFailure> {
    let mut found = Map::new();
    for (name, text) in small_files(root).await? {
        let last = text.as_str().unwrap_or_default().lines().last().and_then(|line| line.split(' ').nth(1));
        if let Some(number) = last.and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite()) {
            found.insert(name, json!(number));
        }
    }
    Ok(found)
}

async fn below(root: &Path) -> Result<Vec<PathBuf>, CommandFailure> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let Ok(mut entries) = tokio::fs::read_dir(&folder).await else { continue };
        while let Some(entry) = entries.next_entry().await.map_err(|error| unreadable(&folder, &error))? {
            match entry.file_type().await {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Keys and values of flat YAML, without quotes.
fn flat(text: &str) -> Map<String, Json> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim().trim_matches(|c| c == '\'' || c == '"');
        (!key.starts_with([' ', '#', '-'])).then(|| (key.to_owned(), json!(value)))
    };
    text.lines().filter_map(pair).collect()
}
