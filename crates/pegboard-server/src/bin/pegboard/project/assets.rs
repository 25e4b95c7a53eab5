//! Assets: listed, looked at, put into batches, deleted.

use pegboard_server::shape::{AssetAnswer, AssetDetail, AssetList, AssignBody};
use serde_json::Value as Json;

use super::look::more;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(super) async fn list(
    client: &Client,
    id: &str,
    which: &[(&str, &Option<String>)],
    skip: u64,
    limit: usize,
    output: &Output,
) -> Result<(), CommandFailure> {
    let (skipped, most) = (skip.to_string(), limit.to_string());
    let mut page = vec![("skip", skipped.as_str()), ("limit", most.as_str())];
    page.extend(which.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))));
    let list: AssetList = client.get(&["projects", id, "assets"], &page).await?;
    if output.json {
        output.data(&list);
        return Ok(());
    }
    let row = |asset: &AssetAnswer| {
        let batches = asset.batches.join(", ");
        vec![asset.id.clone(), asset.external_id.clone(), asset.media.clone(), batches, instant(&asset.created_at)]
    };
    output.table(&["ID", "NAME", "KIND", "BATCHES", "CREATED"], list.assets.iter().map(row).collect());
    more(list.assets.len() as u64 + skip, list.total, output);
    Ok(())
}

pub(super) async fn show(client: &Client, id: &str, asset: &str, output: &Output) -> Result<(), CommandFailure> {
    let found: AssetDetail = client.get(&["projects", id, "assets", asset], &[]).await?;
    if output.json {
        output.data(&found);
        return Ok(());
    }
    output.line(&format!("{}  {}  ({})", found.asset.id, found.asset.external_id, found.asset.media));
    output.line(&found.asset.data);
    for task in &found.tasks {
        output.line("");
        output.line(&format!("task {} in {} ({})", task.task.id, task.task.stage, task.task.status));
        let past = task.history.iter().map(|past| {
            let by = past.completed_by.clone().unwrap_or_default();
            vec![past.stage_name.clone(), instant(&past.completed_at), by, past.review_status.clone().unwrap_or_default()]
        });
        output.table(&["STAGE", "LEFT", "BY", "REVIEW"], past.collect());
        for issue in &task.issues {
            output.line(&format!("issue ({}): {}", issue.status, issue.content));
        }
        output.line(&serde_json::to_string_pretty(&task.task.answer).unwrap_or_default());
    }
    Ok(())
}

pub(super) async fn remove(client: &Client, id: &str, asset: &str, output: &Output) -> Result<(), CommandFailure> {
    let removed: Json = client.delete(&["projects", id, "assets", asset]).await?;
    if output.json {
        output.data(&removed);
    } else {
        output.note(&format!("deleted asset {asset}"));
    }
    Ok(())
}

pub(super) async fn assign(
    client: &Client,
    id: &str,
    batch: &str,
    assets: &[String],
    output: &Output,
) -> Result<(), CommandFailure> {
    let body = AssignBody { assets: assets.to_vec() };
    let assigned: Json = client.post(&["projects", id, "batches", batch, "assets"], &body).await?;
    if output.json {
        output.data(&assigned);
    } else {
        output.note(&format!("{} assets are in `{batch}` now", assigned["assigned"]));
    }
    Ok(())
}
