//! `pegboard catalog add`: files are uploaded, then published together.

use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{ArtifactAnswer, ArtifactBody, ArtifactFileBody, ArtifactOriginAnswer, CatalogUpload};
use serde_json::{Value as Json, json};
use tokio_util::io::ReaderStream;

use super::arguments::{AddCommand, TableArguments, WordArguments, value};
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

/// Endings of files that hold tables.
const TABLES: [(&str, &str); 5] =
    [("csv", "csv"), ("parquet", "parquet"), ("pq", "parquet"), ("json", "json"), ("ndjson", "json")];
/// Names of a run's files, without ending, and what they are.
const OF_A_RUN: [(&str, &str); 7] = [
    ("predictions", "predictions"),
    ("inference_predictions", "predictions"),
    ("metrics", "metrics"),
    ("inference_metrics", "metrics"),
    ("confusion_matrix", "confusion_matrix"),
    ("inference_cm", "confusion_matrix"),
    ("cm", "confusion_matrix"),
];

pub(super) async fn add(client: &Client, command: &AddCommand, output: &Output) -> Result<(), CommandFailure> {
    let (kind, name, body) = match command {
        AddCommand::DataSource(table) => ("data_source", &table.name, of_table(client, table).await?),
        AddCommand::FeatureSet(table) => ("feature_set", &table.name, of_table(client, table).await?),
        AddCommand::Frame(table) => ("frame", &table.name, of_table(client, table).await?),
        AddCommand::Model { name, model_type, framework, target, feature, class_label, run, shap, words, .. } => {
            let mut body = said(words);
            for (key, value) in [("model_type", model_type), ("framework", framework)] {
                value.iter().for_each(|value| drop(body.facts.insert(key.to_owned(), json!(value))));
            }
            match target.as_slice() {
                [] => {}
                [only] => drop(body.facts.insert("target".to_owned(), json!(only))),
                several => drop(body.facts.insert("target".to_owned(), json!(several))),
            }
            for (key, values) in [("features", feature), ("class_labels", class_label)] {
                if !values.is_empty() {
                    body.facts.insert(key.to_owned(), json!(values));
                }
            }
            for (run, folder) in run {
                add_run(client, &mut body, run, Path::new(folder)).await?;
            }
            if let Some(folder) = shap {
                add_shap(client, &mut body, folder).await?;
            }
            ("model", name, body)
        }
        AddCommand::Endpoint { name, metrics, words, .. } => {
            let mut body = said(words);
            if let Some(path) = metrics {
                body.files.push(table(client, "metrics", path).await?);
            }
            ("endpoint", name, body)
        }
        AddCommand::Graph { name, file, words, .. } => {
            let mut body = said(words);
            body.files.push(ArtifactFileBody { role: "graph".to_owned(), ..upload(client, file).await? });
            ("graph", name, body)
        }
        AddCommand::Parameter { name, value: text, .. } => {
            let mut body = ArtifactBody::default();
            body.facts.insert("value".to_owned(), value(text));
            ("parameter", name, body)
        }
    };
    publish(client, kind, name, &body, output).await
}

/// Publishes and says which version it became.
pub(super) async fn publish(
    client: &Client,
    kind: &str,
    name: &str,
    body: &ArtifactBody,
    output: &Output,
) -> Result<(), CommandFailure> {
    let artifact: ArtifactAnswer = client.post(&["catalog", kind, name], body).await?;
    if output.json {
        output.data(&artifact);
        return Ok(());
    }
    let rows = artifact.files.iter().find(|file| file.role == "data").and_then(|file| file.rows);
    let rows = rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
    output.line(&format!("{}:{} version {}{rows}", artifact.kind, artifact.name, artifact.version));
    Ok(())
}

/// What the options say.
pub(super) fn said(words: &WordArguments) -> ArtifactBody {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    ArtifactBody {
        owner: words.owner.clone(),
        description: words.description.clone(),
        tags: some(&words.tag),
        health: some(&words.health),
        inputs: some(&words.input),
        facts: words.fact.iter().map(|(key, text)| (key.clone(), value(text))).collect(),
        ..ArtifactBody::default()
    }
}

async fn of_table(client: &Client, arguments: &TableArguments) -> Result<ArtifactBody, CommandFailure> {
    let mut body = said(&arguments.words);
    let source = arguments.file.file_name().map(|name| name.to_string_lossy().into_owned());
    body.origin = Some(ArtifactOriginAnswer { source, ..ArtifactOriginAnswer::default() });
    body.files.push(table(client, "data", &arguments.file).await?);
    Ok(body)
}

/// The files of one run.
pub(super) async fn add_run(client: &Client, body: &mut ArtifactBody, run: &str, folder: &Path) -> Result<(), CommandFailure> {
    let mut found = false;
    for (path, stem) in files(folder).await? {
        if stem == "inference_meta" {
            let meta: Json = serde_json::from_slice(&read(&path).await?).unwrap_or_default();
            let runs = body.facts.entry("runs").or_insert_with(|| json!({}));
            runs[run] = meta;
        } else if let Some((_, what)) = OF_A_RUN.iter().find(|(name, _)| *name == stem) {
            body.files.push(table(client, &format!("runs/{run}/{what}"), &path).await?);
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    Err(CommandFailure::usage(
        Error::invalid("run-files", format!("`{}` holds no results of a run", folder.display()))
            .hint("it needs predictions, metrics or confusion_matrix as .csv, .parquet or .json"),
    ))
}

/// The SHAP files of a model.
pub(super) async fn add_shap(client: &Client, body: &mut ArtifactBody, folder: &Path) -> Result<(), CommandFailure> {
    let before = body.files.len();
    for (path, stem) in files(folder).await? {
        if stem == "shap_importance" {
            body.files.push(ArtifactFileBody { role: stem, ..upload(client, &path).await? });
        } else if stem == "shap_values" || stem == "shap_feature_values" {
            body.files.push(table(client, &stem, &path).await?);
        } else if let Some(label) = stem.strip_prefix("shap_values_") {
            body.files.push(table(client, &format!("shap_values/{label}"), &path).await?);
        }
    }
    if body.files.len() > before {
        return Ok(());
    }
    Err(CommandFailure::usage(
        Error::invalid("run-files", format!("`{}` holds no SHAP files", folder.display()))
            .hint("it needs shap_importance.json, shap_values.csv or shap_feature_values.csv"),
    ))
}

/// Uploads a table.
pub(super) async fn table(client: &Client, role: &str, path: &Path) -> Result<ArtifactFileBody, CommandFailure> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let Some((_, format)) = TABLES.iter().find(|(known, _)| *known == ending) else {
        return Err(CommandFailure::usage(
            Error::invalid("table-format", format!("`{}` does not say by its ending how the table is written", path.display()))
                .hint("use .csv, .parquet, .json or .ndjson"),
        ));
    };
    Ok(ArtifactFileBody { role: role.to_owned(), format: Some((*format).to_owned()), ..upload(client, path).await? })
}

/// Uploads a file.
pub(super) async fn upload(client: &Client, path: &Path) -> Result<ArtifactFileBody, CommandFailure> {
    let file = tokio::fs::File::open(path).await.map_err(|error| unreadable(path, &error))?;
    let answer: CatalogUpload =
        client.post_file(&["catalog", "uploads"], reqwest::Body::wrap_stream(ReaderStream::new(file))).await?;
    Ok(ArtifactFileBody { upload: Some(answer.upload), ..ArtifactFileBody::default() })
}

/// Files right in a folder, by name, with their names without ending.
pub(super) async fn files(folder: &Path) -> Result<Vec<(std::path::PathBuf, String)>, CommandFailure> {
    let mut entries = tokio::fs::read_dir(folder).await.map_err(|error| unreadable(folder, &error))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(|error| unreadable(folder, &error))? {
        let path = entry.path();
        if path.is_file()
            && let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
        {
            found.push((path, stem));
        }
    }
    found.sort();
    Ok(found)
}

pub(super) async fn read(path: &Path) -> Result<Vec<u8>, CommandFailure> {
    tokio::fs::read(path).await.map_err(|error| unreadable(path, &error))
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> CommandFailure {
    CommandFailure::usage(
        Error::not_found("path", format!("cannot read `{}`: {error}", path.display())).hint("name a file or folder that exists"),
    )
}
