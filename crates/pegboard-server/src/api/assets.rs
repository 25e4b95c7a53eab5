//! Assets of a project: in pages, one with all that is known of it, put into batches, deleted.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use pegboard_model::{Asset, Error, HubId, Project, Task};
use pegboard_store::Placed;
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::projects::MOST;
use super::shape::{
    AssetAnswer, AssetDetail, AssetList, AssignBody, ErrorAnswer, IssueAnswer, PastStageAnswer, TaskAnswer, TaskDetail,
};
use crate::access::Here;
use crate::ango::base;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Which assets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetsQuery {
    /// How many come before the page.
    #[serde(default)]
    skip: u64,
    /// The `next` of the page before.
    #[serde(default)]
    after: Option<u64>,
    /// How many are on it.
    #[serde(default)]
    limit: Option<usize>,
    /// Only those with a task in this stage.
    #[serde(default)]
    stage: Option<String>,
    /// Only those in this batch.
    #[serde(default)]
    batch: Option<String>,
    /// Only those with this text in their external id.
    #[serde(default)]
    name: Option<String>,
    /// With their tasks and answers.
    #[serde(default)]
    tasks: bool,
}

fn asset_not_found(id: &str) -> Error {
    Error::not_found("asset-not-found", format!("the project has no asset `{id}`")).hint("`pegboard project assets` lists them")
}

async fn find_asset(app: &App, project: &Project, id: &str) -> Result<Asset, Error> {
    let id = id.parse().map_err(|_| asset_not_found(id))?;
    app.labelling.asset(project.id, id).await?.ok_or_else(|| asset_not_found(&id.to_string()))
}

/// A page of a project's assets. A page behind another (`after`) is as fast as the first one, however far it is.
#[utoipa::path(get, path = "/api/v1/projects/{id}/assets", tag = "projects",
    params(("id" = String, Path, description = "The project's id"),
        ("skip" = Option<u64>, Query, description = "How many come before the page"),
        ("after" = Option<u64>, Query, description = "`next` of the page before, instead of `skip`"),
        ("limit" = Option<usize>, Query, description = "At most so many, 100 unless said"),
        ("stage" = Option<String>, Query, description = "Only those with a task in this stage: its id or name"),
        ("batch" = Option<String>, Query, description = "Only those in this batch: its id or name"),
        ("name" = Option<String>, Query, description = "Only those with this text in their external id"),
        ("tasks" = Option<bool>, Query, description = "With their tasks and answers")),
    responses((status = 200, body = AssetList), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn list(
    app: Here,
    Path(id): Path<String>,
    Parameters(mut query): Parameters<AssetsQuery>,
    headers: HeaderMap,
) -> Result<Json<AssetList>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    for filter in [&mut query.stage, &mut query.batch, &mut query.name] {
        *filter = filter.take().filter(|text| !text.is_empty());
    }
    let filters = [&query.stage, &query.batch, &query.name].into_iter().flatten().count();
    if filters > 1 || (query.after.is_some() && (query.skip > 0 || query.batch.is_some() || query.name.is_some())) {
        return Err(Error::invalid("query", "these parameters do not go together")
            .hint("give one of `stage`, `batch` and `name`; `after` goes with `stage` or alone, and without `skip`")
            .into());
    }
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    let page = match &query.stage {
        Some(stage) => of_stage(&app, &project, stage, &query, limit).await?,
        None => of_project(&app, &project, &query, limit).await?,
    };
    let next = page.next.filter(|_| page.assets.len() == limit);
    let link = |base: &str, data: &str| app.labelling.shown(base, data);
    let assets = page.assets.iter().map(|(asset, tasks)| {
        let mut answer = AssetAnswer::new(&project, asset, &base, link);
        answer.tasks = tasks.iter().map(|task| TaskAnswer::new(task, asset, link)).collect();
        answer
    });
    Ok(Json(AssetList { assets: assets.collect(), total: page.total, next }))
}

struct Page {
    assets: Vec<(Asset, Vec<Task>)>,
    total: u64,
    next: Option<u64>,
}

async fn of_stage(app: &App, project: &Project, word: &str, query: &AssetsQuery, limit: usize) -> Result<Page, Error> {
    let stage = project.stage_called(word).map(|stage| stage.id.as_str()).ok_or_else(|| {
        Error::invalid("stage-not-found", format!("project `{}` has no stage `{word}`", project.id))
            .hint("`pegboard project show` lists the stages")
    })?;
    let (tasks, total) = match query.after {
        Some(after) => app.labelling.tasks_after(project.id, stage, after, limit).await?,
        None => app.labelling.tasks(project.id, Some(stage), query.skip, limit).await?,
    };
    let next = tasks.last().map(|task| task.ordinal);
    let mut assets = Vec::with_capacity(tasks.len());
    for task in tasks {
        if let Some(asset) = app.labelling.asset(project.id, task.record.asset).await? {
            assets.push((asset, if query.tasks { vec![task.record] } else { Vec::new() }));
        }
    }
    Ok(Page { assets, total, next })
}

async fn of_project(app: &App, project: &Project, query: &AssetsQuery, limit: usize) -> Result<Page, Error> {
    let labelling = &app.labelling;
    let (found, total): (Vec<Placed<Asset>>, u64) = match (&query.batch, &query.name, query.after) {
        (Some(word), _, _) => {
            let batch = project.batch_called(word).ok_or_else(|| {
                Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id))
                    .hint("`pegboard project batches` lists them")
            })?;
            labelling.assets_in_batch(project.id, batch.id, query.skip, limit).await?
        }
        (_, Some(part), _) => labelling.assets_named(project.id, part, query.skip, limit).await?,
        (_, _, Some(after)) => {
            (labelling.assets_after(project.id, after, limit).await?, labelling.count_assets(project.id).await?)
        }
        _ => labelling.assets(project.id, query.skip, limit).await?,
    };
    let all = query.batch.is_none() && query.name.is_none();
    let next = found.last().map(|asset| asset.ordinal).filter(|_| all);
    let mut tasks = if query.tasks { labelling.tasks_of(&found).await? } else { Default::default() };
    let assets = found.into_iter().map(|placed| {
        let tasks = tasks.remove(&placed.record.id).unwrap_or_default();
        (placed.record, tasks)
    });
    Ok(Page { assets: assets.collect(), total, next })
}

/// One asset: its tasks with what they went through, what was found wrong with them, and its neighbours.
#[utoipa::path(get, path = "/api/v1/projects/{id}/assets/{asset}", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("asset" = String, Path, description = "Its id")),
    responses((status = 200, body = AssetDetail), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(
    app: Here,
    Path((id, asset)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<AssetDetail>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    let asset = find_asset(&app, &project, &asset).await?;
    let link = |base: &str, data: &str| app.labelling.shown(base, data);
    let mut tasks = Vec::new();
    for task in app.labelling.tasks_of_asset(asset.id).await? {
        let history = app.labelling.history(task.id).await?;
        let issues = app.labelling.issues_of_task(task.id).await?;
        tasks.push(TaskDetail {
            task: TaskAnswer::new(&task, &asset, link),
            history: history.iter().map(PastStageAnswer::from).collect(),
            issues: issues.iter().map(IssueAnswer::from).collect(),
        });
    }
    let (previous, next) = app.labelling.neighbours(project.id, asset.id).await?;
    Ok(Json(AssetDetail {
        asset: AssetAnswer::new(&project, &asset, &base, link),
        context: asset.context,
        attachments: asset.attachments,
        created_by: asset.created_by,
        tasks,
        previous: previous.map(|id| id.to_string()),
        next: next.map(|id| id.to_string()),
    }))
}

/// Deletes an asset with its tasks and, when it is a file of this server, its file.
#[utoipa::path(delete, path = "/api/v1/projects/{id}/assets/{asset}", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("asset" = String, Path, description = "Its id")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(app: Here, Path((id, asset)): Path<(String, String)>) -> Result<Json<Json_>, ApiError> {
    let project = app.project(&id).await?;
    let asset = find_asset(&app, &project, &asset).await?;
    app.labelling.delete_assets(project.id, &[asset.id]).await?;
    Ok(Json(json!({ "deleted": asset.id.to_string() })))
}

/// Puts assets into a batch, on top of those that they are in.
#[utoipa::path(post, path = "/api/v1/projects/{id}/batches/{batch}/assets", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("batch" = String, Path, description = "The batch's id or name")),
    request_body = AssignBody,
    responses((status = 200, description = "`assigned`: how many", body = Object), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn assign(
    app: Here,
    Path((id, word)): Path<(String, String)>,
    JsonBody(body): JsonBody<AssignBody>,
) -> Result<Json<Json_>, ApiError> {
    let project = app.project(&id).await?;
    let batch = project.batch_called(&word).map(|batch| batch.id).ok_or_else(|| {
        Error::not_found("batch-not-found", format!("project `{id}` has no batch `{word}`"))
            .hint("`pegboard project batches` lists them")
    })?;
    if body.assets.len() > MOST {
        return Err(Error::invalid("body", format!("more than {MOST} assets at once")).hint("send them in parts").into());
    }
    let assets = body.assets.iter().map(|id| id.parse().map_err(|_| asset_not_found(id))).collect::<Result<Vec<HubId>, _>>()?;
    let assigned = app.labelling.assign_batches(&project, &assets, &[batch]).await?;
    Ok(Json(json!({ "assigned": assigned })))
}
