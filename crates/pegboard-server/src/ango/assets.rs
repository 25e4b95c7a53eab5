//! Assets: listed, imported by URL or as they are, put into batches, deleted.

use std::collections::HashMap;

use axum::extract::Path;
use pegboard_hub::labelling::filter::Filter;
use pegboard_model::{Asset, Error, HubId, PastStage, Project, Task};
use pegboard_store::{AssetQuery, Placed};
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refused, success};
use super::asked::{Asked, Sent};
use super::labels::new_asset;
use super::wire;

/// Assets that are read at once while a filter looks through a project.
const PAGE: usize = 500;

/// A page of assets, and how many there are over all pages.
pub(super) async fn list(Path(id): Path<String>, asked: Asked) -> Answer {
    let project = asked.project(&id).await?;
    let (skipped, most) = asked.query.page()?;
    let mut filters = asked.query.json("filters")?.unwrap_or_else(|| json!({}));
    let Some(sent) = filters.as_object_mut() else {
        return Err(Error::invalid("filter", "the parameter `filters` is not an object").into());
    };
    for key in ["_id", "externalId"] {
        if let Some(text) = asked.query.text(key) {
            sent.insert(key.to_owned(), text.into());
        }
    }
    let labelling = &asked.app.labelling;
    let (page, total) = if sent.is_empty() {
        labelling.assets(project.id, skipped, most).await?
    } else {
        let found = fitting(&asked, &project, &filters).await?;
        let total = found.len() as u64;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        (found.into_iter().skip(skipped).take(most).collect(), total)
    };
    let assets = records(&asked, &project, &page).await?;
    success(json!({ "assets": assets, "total": total }))
}

async fn records(asked: &Asked, project: &Project, page: &[Placed<Asset>]) -> Result<Vec<Json>, Refused> {
    let labelling = &asked.app.labelling;
    let tasks = labelling.tasks_of(page).await?;
    let mut records = Vec::with_capacity(page.len());
    for asset in page {
        let tasks: &[Task] = tasks.get(&asset.record.id).map_or(&[], Vec::as_slice);
        let mut history: Vec<PastStage> = Vec::new();
        for task in tasks {
            history.extend(labelling.history(task.id).await?);
        }
        records.push(wire::asset(labelling, &asked.base, project, &asset.record, tasks, &history));
    }
    Ok(records)
}

/// All assets that a filter fits. One by id or by external id is looked up; other filters walk through the project.
async fn fitting(asked: &Asked, project: &Project, filters: &Json) -> Result<Vec<Placed<Asset>>, Refused> {
    let labelling = &asked.app.labelling;
    // An asset must be in all batches that are named; a filter's list means any of them.
    let mut filters = filters.clone();
    let mut batches: Vec<HubId> = Vec::new();
    if let Some(named) = filters.as_object_mut().and_then(|filters| filters.shift_remove("batches")) {
        for word in super::asked::texts(&named, "batches")? {
            let batch = project
                .batch_called(&word)
                .ok_or_else(|| Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id)))?;
            batches.push(batch.id);
        }
    }
    let mut filter = Filter::read(&filters)?;
    let by_id = filter.take_text("_id");
    let by_external_id = filter.take_text("externalId");
    let candidates = match (&by_id, &by_external_id) {
        (Some(id), _) => {
            let found = match id.parse() {
                Ok(id) => labelling.asset(project.id, id).await?,
                Err(_) => None,
            };
            let same = |asset: &Asset| by_external_id.as_ref().is_none_or(|external| asset.external_id == *external);
            found.filter(same).map(|record| Placed { ordinal: 0, record }).into_iter().collect()
        }
        (None, Some(external_id)) => labelling.find_assets(project.id, &AssetQuery::ExternalId(external_id.clone())).await?,
        (None, None) => return walk(asked, project, &filter, &batches).await,
    };
    keep(asked, candidates, &filter, &batches).await
}

async fn walk(asked: &Asked, project: &Project, filter: &Filter, batches: &[HubId]) -> Result<Vec<Placed<Asset>>, Refused> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = asked.app.labelling.assets_after(project.id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.ordinal;
        found.extend(keep(asked, page, filter, batches).await?);
    }
}

async fn keep(
    asked: &Asked,
    mut page: Vec<Placed<Asset>>,
    filter: &Filter,
    batches: &[HubId],
) -> Result<Vec<Placed<Asset>>, Refused> {
    page.retain(|asset| batches.iter().all(|batch| asset.record.batches.contains(batch)));
    if filter.is_empty() {
        return Ok(page);
    }
    let tasks: HashMap<HubId, Vec<Task>> = asked.app.labelling.tasks_of(&page).await?;
    page.retain(|asset| {
        let prelabelled = tasks.get(&asset.record.id).is_some_and(|tasks| tasks.iter().any(|task| task.is_prelabeled));
        filter.holds(&json!({
            "_id": asset.record.id.to_string(), "externalId": asset.record.external_id, "isPreLabeled": prelabelled,
            "metadata": asset.record.metadata, "contextData": asset.record.context,
            "createdAt": pegboard_hub::labelling::answer::milliseconds(asset.record.created_at),
        }))
    });
    Ok(page)
}

/// Makes an asset and a task of each entry.
pub(super) async fn import(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let old =
        asked.query.has("tags") || sent.0["assets"].as_array().into_iter().flatten().any(|entry| entry.get("tags").is_some());
    let named = if asked.query.has("batches") { asked.query.list("batches")? } else { asked.query.list("tags")? };
    let mut batches = Vec::with_capacity(named.len());
    for word in named {
        let batch = project.batch_called(&word).ok_or_else(|| {
            Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id))
                .hint("create the batch first")
        })?;
        batches.push(batch.id);
    }
    let entries = sent.0["assets"].as_array().ok_or_else(|| Error::invalid("body", "the request's body has no list `assets`"))?;
    let each = |(position, entry)| new_asset(&asked.app, &asked.base, &project, entry, position, &batches);
    let assets: Vec<_> = entries.iter().enumerate().map(each).collect::<Result<_, _>>()?;
    let priority = sent.0["priority"].as_i64().unwrap_or(0);
    let imported = asked.app.labelling.import_assets(&project, assets, priority, asked.email()).await?;
    if old {
        return success(json!({ "assets": "Successfully created." }));
    }
    success(json!({ "assets": {
        "assetsCreated": imported.assets, "tasksCreated": imported.tasks,
        "preLabelsCount": imported.prelabels, "validPreLabelsCount": imported.valid_prelabels,
    } }))
}

/// Deletes assets with their tasks.
pub(super) async fn remove(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let deleted = asked.app.labelling.delete_assets(project.id, &sent.ids("assets")?).await?;
    success(json!({ "assets": deleted }))
}

/// Puts assets into batches. Old clients name no project: then it is the first asset's.
pub(super) async fn assign_batches(asked: Asked, sent: Sent) -> Answer {
    let assets = sent.ids("assets")?;
    let words = if sent.0["batches"].is_array() { sent.texts("batches")? } else { sent.texts("tags")? };
    let project = match (sent.text("projectId"), assets.first()) {
        (Some(id), _) => asked.project(id).await?,
        (None, Some(first)) => {
            let asset = asked.app.store.asset(*first).await?;
            let asset = asset.ok_or_else(|| Error::not_found("asset-not-found", format!("there is no asset `{first}`")))?;
            asked.project(&asset.project.to_string()).await?
        }
        (None, None) => return success(json!({ "assets": 0 })),
    };
    let batches = words.iter().map(|word| {
        project.batch_called(word).map(|batch| batch.id).ok_or_else(|| {
            Refused::from(Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id)))
        })
    });
    let batches: Vec<HubId> = batches.collect::<Result<_, _>>()?;
    let assigned = asked.app.labelling.assign_batches(&project, &assets, &batches).await?;
    success(json!({ "assets": assigned }))
}

/// Adds attachments to the assets that are meant.
pub(super) async fn attach(asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(sent.text("project").unwrap_or_default()).await?;
    let wrong =
        |position: usize, why: &str| Refused::from(Error::invalid("attachment", format!("entry {position} is wrong: {why}")));
    let entries =
        sent.0["attachments"].as_array().ok_or_else(|| Error::invalid("body", "the request's body has no list `attachments`"))?;
    let mut wanted = Vec::with_capacity(entries.len());
    for (position, entry) in entries.iter().enumerate() {
        let attachments = entry["attachments"].as_array().ok_or_else(|| wrong(position, "it has no list `attachments`"))?;
        let known = |one: &Json| matches!(one["type"].as_str(), Some("IMAGE" | "VIDEO" | "TEXT")) && one["value"].is_string();
        if !attachments.iter().all(known) {
            return Err(wrong(position, "an attachment needs a `type`, IMAGE, VIDEO or TEXT, and a `value`"));
        }
        let query = match (entry["externalId"].as_str(), entry["data"].as_str()) {
            (Some(id), _) => AssetQuery::ExternalId(id.to_owned()),
            (None, Some(data)) => AssetQuery::Data(asked.app.labelling.recognise(&asked.base, &project, data)),
            (None, None) => return Err(wrong(position, "it has neither `externalId` nor `data`")),
        };
        wanted.push((query, attachments));
    }
    let mut attached = 0;
    for (query, attachments) in wanted {
        attached += asked.app.labelling.attach(&project, &query, attachments).await?;
    }
    success(json!({ "project": format!("attachments were added to {attached} assets") }))
}
