//! Projects: made, listed, shown, changed, deleted.

use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{BatchAnswer, BatchBody, ProjectAnswer, ProjectBody, ProjectList, TaskList};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::files::read_text;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(super) async fn create(
    client: &Client,
    name: &str,
    description: &str,
    kind: Option<&str>,
    output: &Output,
) -> Result<(), CommandFailure> {
    let body = ProjectBody { name: name.to_owned(), description: description.to_owned(), kind: kind.map(str::to_owned) };
    let made: ProjectAnswer = client.post(&["projects"], &body).await?;
    if output.json {
        output.data(&made);
    } else {
        output.line(&made.id);
    }
    Ok(())
}

/// One page of a list, perhaps only of what a word asks for.
async fn page<T: DeserializeOwned>(
    client: &Client,
    path: &[&str],
    only: Option<(&str, &str)>,
    skip: u64,
    limit: usize,
) -> Result<T, CommandFailure> {
    let (skip, limit) = (skip.to_string(), limit.to_string());
    let query: Vec<_> = [("skip", skip.as_str()), ("limit", limit.as_str())].into_iter().chain(only).collect();
    client.get(path, &query).await
}

pub(super) async fn list(
    client: &Client,
    name: Option<&str>,
    skip: u64,
    limit: usize,
    output: &Output,
) -> Result<(), CommandFailure> {
    let list: ProjectList = page(client, &["projects"], name.map(|name| ("name", name)), skip, limit).await?;
    if output.json {
        output.data(&list);
        return Ok(());
    }
    let row = |project: &ProjectAnswer| {
        let assets = project.assets.unwrap_or_default().to_string();
        vec![project.id.clone(), project.name.clone(), project.kind.clone(), assets, instant(&project.created_at)]
    };
    output.table(&["ID", "NAME", "TYPE", "ASSETS", "CREATED"], list.projects.iter().map(row).collect());
    more(list.projects.len() as u64 + skip, list.total, output);
    Ok(())
}

pub(super) async fn show(client: &Client, id: &str, output: &Output) -> Result<(), CommandFailure> {
    let project: ProjectAnswer = client.get(&["projects", id], &[]).await?;
    if output.json {
        output.data(&project);
        return Ok(());
    }
    output.line(&format!("{}  {}  ({} assets)", project.id, project.name, project.assets.unwrap_or(0)));
    if !project.description.is_empty() {
        output.line(&project.description);
    }
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let next = |stage: &Json| {
        let all = stage["next"].as_array().into_iter().flatten().filter_map(Json::as_str);
        all.collect::<Vec<_>>().join(", ")
    };
    let stages = project.stages.iter().map(|stage| {
        let tasks = project.tasks.get(stage["id"].as_str().unwrap_or_default()).copied().unwrap_or(0);
        vec![text(&stage["id"]), text(&stage["type"]), text(&stage["name"]), next(stage), tasks.to_string()]
    });
    output.line("");
    output.table(&["STAGE", "TYPE", "NAME", "NEXT", "TASKS"], stages.collect());
    let mut classes = Vec::new();
    for key in ["tools", "classifications", "relations"] {
        for entry in project.schema[key].as_array().into_iter().flatten() {
            classes.push(vec![text(&entry["title"]), text(&entry["tool"]), text(&entry["schemaId"])]);
        }
    }
    if !classes.is_empty() {
        output.line("");
        output.table(&["CLASS", "TOOL", "SCHEMA ID"], classes);
    }
    Ok(())
}

pub(super) async fn remove(client: &Client, id: &str, output: &Output) -> Result<(), CommandFailure> {
    let removed: Json = client.delete(&["projects", id]).await?;
    if output.json {
        output.data(&removed);
    } else {
        output.note(&format!("deleted project {id}"));
    }
    Ok(())
}

pub(super) async fn schema(client: &Client, id: &str, file: Option<&Path>, output: &Output) -> Result<(), CommandFailure> {
    let project: ProjectAnswer = match file {
        None => client.get(&["projects", id], &[]).await?,
        Some(file) => client.put(&["projects", id, "schema"], &read_json(file)?).await?,
    };
    if file.is_none() || output.json {
        output.data(&project.schema);
    } else {
        let count = |key: &str| project.schema[key].as_array().map_or(0, Vec::len);
        output.note(&format!(
            "project {id} has {} tools, {} classifications and {} relations",
            count("tools"),
            count("classifications"),
            count("relations")
        ));
    }
    Ok(())
}

pub(super) async fn stages(
    client: &Client,
    id: &str,
    file: Option<&Path>,
    rerun: Option<&str>,
    output: &Output,
) -> Result<(), CommandFailure> {
    if let Some(stage) = rerun {
        let sent: Json = client.post(&["projects", id, "stages", stage, "rerun"], &json!({})).await?;
        if output.json {
            output.data(&sent);
        } else {
            output.note(&format!("{} tasks wait for the plugin", sent["sent"]));
        }
        return Ok(());
    }
    let project: ProjectAnswer = match file {
        None => client.get(&["projects", id], &[]).await?,
        Some(file) => client.put(&["projects", id, "stages"], &read_json(file)?).await?,
    };
    if file.is_none() || output.json {
        output.data(&project.stages);
    } else {
        output.note(&format!("project {id} has {} stages", project.stages.len()));
    }
    Ok(())
}

pub(super) async fn batches(client: &Client, id: &str, create: &[String], output: &Output) -> Result<(), CommandFailure> {
    let mut made: Vec<BatchAnswer> = Vec::with_capacity(create.len());
    for name in create {
        made.push(client.post(&["projects", id, "batches"], &BatchBody { name: name.clone() }).await?);
    }
    let shown = if create.is_empty() {
        let project: ProjectAnswer = client.get(&["projects", id], &[]).await?;
        project.batches
    } else {
        made
    };
    if output.json {
        output.data(&json!({ "batches": shown }));
    } else {
        let rows = shown.into_iter().map(|batch| vec![batch.id, batch.name]).collect();
        output.table(&["ID", "NAME"], rows);
    }
    Ok(())
}

pub(super) async fn tasks(
    client: &Client,
    id: &str,
    stage: Option<&str>,
    skip: u64,
    limit: usize,
    output: &Output,
) -> Result<(), CommandFailure> {
    let list: TaskList = page(client, &["projects", id, "tasks"], stage.map(|stage| ("stage", stage)), skip, limit).await?;
    if output.json {
        output.data(&list);
        return Ok(());
    }
    let row = |task: &pegboard_server::shape::TaskAnswer| {
        let plugin = match (&task.plugin, &task.plugin_note) {
            (Some(state), Some(note)) => format!("{state}: {note}"),
            (Some(state), None) => state.clone(),
            _ => String::new(),
        };
        let objects = task.answer["tools"].as_array().map_or(0, Vec::len).to_string();
        vec![
            task.id.clone(),
            task.external_id.clone(),
            task.stage.clone(),
            objects,
            task.assignee.clone().unwrap_or_default(),
            plugin,
        ]
    };
    output.table(&["ID", "ASSET", "STAGE", "OBJECTS", "ASSIGNEE", "PLUGIN"], list.tasks.iter().map(row).collect());
    more(list.tasks.len() as u64 + skip, list.total, output);
    Ok(())
}

pub(super) fn more(shown: u64, total: u64, output: &Output) {
    if shown < total {
        output.note(&format!("{} more; `--skip {shown}` goes on", total - shown));
    }
}

fn read_json(file: &Path) -> Result<Json, CommandFailure> {
    let text = read_text(file)?;
    serde_json::from_str(&text)
        .map_err(|error| CommandFailure::usage(Error::invalid("not-json", format!("`{}` is not JSON: {error}", file.display()))))
}
