//! `pegboard catalog`: artifacts published, listed, looked at, asked, removed.

mod add;
pub(crate) mod arguments;
mod mlflow;

use pegboard_server::shape::{ArtifactAnswer, ArtifactDetail, ArtifactList, TablePage, TableQueryBody};
use serde_json::Value as Json;

use arguments::CatalogCommand;

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

/// In the order in which people think of them.
const KINDS: [&str; 7] = ["data_source", "feature_set", "model", "endpoint", "graph", "frame", "parameter"];
/// Artifacts that are asked for at once.
const PAGE: &str = "1000";

pub(crate) async fn catalog(client: &Client, command: &CatalogCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        CatalogCommand::Add { command } => add::add(client, command, output).await,
        CatalogCommand::ImportMlflow { directory, name, model_type, words, .. } => {
            mlflow::import(client, directory, name.as_deref(), model_type.as_deref(), words, output).await
        }
        CatalogCommand::Ls { kind, .. } => list(client, kind.as_deref(), output).await,
        CatalogCommand::Show { artifact, version, .. } => {
            let version = version.map(|version| version.to_string());
            let query: Vec<(&str, &str)> = version.iter().map(|version| ("version", version.as_str())).collect();
            let detail: ArtifactDetail = client.get(&["catalog", &artifact.kind, &artifact.name], &query).await?;
            show(&detail, output);
            Ok(())
        }
        CatalogCommand::Edit { artifact, words, .. } => {
            let body = add::said(words);
            let changed: ArtifactAnswer = client.patch(&["catalog", &artifact.kind, &artifact.name], &body).await?;
            if output.json {
                output.data(&changed);
            } else {
                output.note(&format!("{}:{} changed", changed.kind, changed.name));
            }
            Ok(())
        }
        CatalogCommand::Rm { artifact, .. } => {
            let answer: Json = client.delete(&["catalog", &artifact.kind, &artifact.name]).await?;
            if output.json {
                output.data(&answer);
            } else {
                output.note(&format!("{} removed", answer["deleted"].as_str().unwrap_or_default()));
            }
            Ok(())
        }
        CatalogCommand::Sample { artifact, rows, file, from, .. } => {
            let (limit, offset) = (rows.to_string(), from.unwrap_or(0).to_string());
            let sample = if from.is_none() { "true" } else { "false" };
            let query = [("file", file.as_str()), ("limit", &limit), ("offset", &offset), ("sample", sample)];
            print(&client.get(&["catalog", &artifact.kind, &artifact.name, "rows"], &query).await?, output);
            Ok(())
        }
        CatalogCommand::Query { sql, limit, .. } => {
            let body = TableQueryBody { sql: sql.clone(), limit: Some(*limit), offset: 0, format: None };
            print(&client.post(&["catalog", "query"], &body).await?, output);
            Ok(())
        }
    }
}

async fn list(client: &Client, kind: Option<&str>, output: &Output) -> Result<(), CommandFailure> {
    let mut artifacts: Vec<ArtifactAnswer> = Vec::new();
    for kind in KINDS.into_iter().filter(|known| kind.is_none_or(|kind| kind.replace('-', "_") == *known)) {
        artifacts.extend(all(client, kind).await?);
    }
    if let Some(kind) = kind.filter(|_| artifacts.is_empty()) {
        // A kind that does not exist is refused by the server.
        let _: ArtifactList = client.get(&["catalog", kind], &[("limit", "1")]).await?;
    }
    if output.json {
        output.data(&ArtifactList { artifacts, next: None });
    } else if artifacts.is_empty() {
        output.note("the catalog has none; `pegboard catalog add data-source NAME FILE` adds one");
    } else {
        let row = |artifact: &ArtifactAnswer| {
            vec![
                artifact.kind.clone(),
                artifact.name.clone(),
                artifact.version.to_string(),
                artifact.owner.clone(),
                artifact.health.join(", "),
                artifact.tags.join(", "),
                size(artifact.bytes),
                instant(&artifact.modified_at),
            ]
        };
        let header = ["KIND", "NAME", "VERSION", "OWNER", "HEALTH", "TAGS", "SIZE", "MODIFIED"];
        output.table(&header, artifacts.iter().map(row).collect());
    }
    Ok(())
}

async fn all(client: &Client, kind: &str) -> Result<Vec<ArtifactAnswer>, CommandFailure> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page: ArtifactList = client.get(&["catalog", kind], &[("after", &after), ("limit", PAGE)]).await?;
        found.extend(page.artifacts);
        let Some(next) = page.next else { return Ok(found) };
        after = next;
    }
}

fn show(detail: &ArtifactDetail, output: &Output) {
    if output.json {
        output.data(detail);
        return;
    }
    let artifact = &detail.artifact;
    let fact = |name: &str, value: &str| {
        if !value.is_empty() {
            output.line(&format!("{name:<14} {value}"));
        }
    };
    fact(&artifact.kind, &artifact.name);
    fact("version", &artifact.version.to_string());
    fact("owner", &artifact.owner);
    fact("description", &artifact.description);
    fact("status", &artifact.status);
    fact("tags", &artifact.tags.join(", "));
    fact("health", &artifact.health.join(", "));
    fact("made from", &artifact.inputs.join(", "));
    fact("used by", &detail.used_by.join(", "));
    fact("workflow", artifact.origin.workflow.as_deref().unwrap_or_default());
    fact("run", artifact.origin.run.as_deref().unwrap_or_default());
    fact("session", artifact.origin.session.as_deref().unwrap_or_default());
    fact("source", artifact.origin.source.as_deref().unwrap_or_default());
    fact("created", &format!("{} UTC", instant(&artifact.created_at)));
    fact("modified", &format!("{} UTC", instant(&artifact.modified_at)));
    for (key, value) in &artifact.facts {
        fact(key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if !artifact.files.is_empty() {
        output.line("");
        let row = |file: &pegboard_server::shape::ArtifactFileAnswer| {
            let columns = if file.columns.is_empty() { String::new() } else { file.columns.len().to_string() };
            let rows = file.rows.map(|rows| rows.to_string()).unwrap_or_default();
            vec![file.role.clone(), file.format.clone(), rows, columns, size(file.bytes)]
        };
        output.table(&["FILE", "FORMAT", "ROWS", "COLUMNS", "SIZE"], artifact.files.iter().map(row).collect());
    }
    if detail.versions.len() > 1 {
        output.line("");
        let row = |one: &pegboard_server::shape::ArtifactVersion| {
            vec![one.version.to_string(), instant(&one.modified_at), size(one.bytes)]
        };
        output.table(&["VERSION", "MODIFIED", "SIZE"], detail.versions.iter().map(row).collect());
    }
}

fn print(page: &TablePage, output: &Output) {
    if output.json {
        output.data(page);
        return;
    }
    let cell = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    };
    let header: Vec<&str> = page.columns.iter().map(|column| column.name.as_str()).collect();
    output.table(&header, page.rows.iter().map(|row| row.iter().map(cell).collect()).collect());
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
