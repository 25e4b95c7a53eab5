//! What is in a project: assets, tasks, answers in and out.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use pegboard_hub::labelling::FileKind;
use pegboard_hub::labelling::export::{ExportFormat, ExportRequest};
use pegboard_model::{Error, OWN_FILE};

use super::projects::PageQuery;
use super::shape::{
    AssetAnswer, AssetList, ErrorAnswer, ExportAnswer, ExportBody, ImportBody, ImportedAnswer, LabelsAnswer, TaskAnswer,
    TaskList, UploadAnswer, UploadBody,
};
use crate::ango::{base, new_asset, place_and_link, prelabel};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// A page of a project's assets.
#[utoipa::path(get, path = "/api/v1/projects/{id}/assets", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("skip" = Option<u64>, Query, description = "How many come before the page"), ("limit" = Option<usize>, Query, description = "At most so many, 100 unless said")),
    responses((status = 200, body = AssetList), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn assets(
    app: Here,
    Path(id): Path<String>,
    Parameters(page): Parameters<PageQuery>,
    headers: HeaderMap,
) -> Result<Json<AssetList>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    let found = app.labelling.assets(project.id, page.skip, page.limit()).await?;
    let total = app.labelling.count_assets(project.id).await?;
    let assets = found.iter().map(|placed| {
        let data = app.labelling.data_url(&base, &placed.record);
        AssetAnswer::new(&project, &placed.record, data)
    });
    Ok(Json(AssetList { assets: assets.collect(), total }))
}

/// Makes an asset and a task of each item. Nothing is stored when one of them is wrong.
#[utoipa::path(post, path = "/api/v1/projects/{id}/assets", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = ImportBody, responses((status = 200, body = ImportedAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn import_assets(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Json<ImportedAnswer>, ApiError> {
    let (mut project, base) = (app.project(&id).await?, base(&app, &headers));
    let mut batches = Vec::with_capacity(body.batches.len());
    let in_items = body.items.iter().filter_map(|item| item["batches"].as_array()).flatten().filter_map(|name| name.as_str());
    let unknown: std::collections::BTreeSet<String> = in_items
        .chain(body.batches.iter().map(String::as_str))
        .filter(|name| project.batch_called(name).is_none())
        .map(str::to_owned)
        .collect();
    for name in unknown {
        (project, _) = app.labelling.create_batch(project.id, &name).await?;
    }
    for name in &body.batches {
        batches.extend(project.batch_called(name).map(|batch| batch.id));
    }
    let each = |(position, item)| new_asset(&app, &base, &project, item, position, &batches);
    let items: Vec<_> = body.items.iter().enumerate().map(each).collect::<Result<_, Error>>()?;
    let imported = app.labelling.import_assets(&project, items, 0, &app.user().email).await?;
    Ok(Json(ImportedAnswer { assets: imported.assets, answers: imported.prelabels, stored: imported.valid_prelabels }))
}

/// Stores answers in tasks that nobody has worked on.
#[utoipa::path(post, path = "/api/v1/projects/{id}/labels", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = ImportBody, responses((status = 200, body = LabelsAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn import_labels(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Json<LabelsAnswer>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    let prelabels: Vec<_> = body.items.iter().map(|item| prelabel(&app, &base, &project, item)).collect();
    let outcome = app.labelling.import_labels(&project, &prelabels).await?;
    Ok(Json(LabelsAnswer { sent: outcome.sent, stored: outcome.stored, problems: outcome.problems }))
}

/// A page of a project's tasks, of one stage or of all.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks", tag = "projects",
    params(("id" = String, Path, description = "The project's id"), ("stage" = Option<String>, Query, description = "Id or name of a stage"), ("skip" = Option<u64>, Query, description = "How many come before the page"), ("limit" = Option<usize>, Query, description = "At most so many, 100 unless said")),
    responses((status = 200, body = TaskList), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn tasks(
    app: Here,
    Path(id): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Json<TaskList>, ApiError> {
    let project = app.project(&id).await?;
    let stage = match &page.stage {
        None => None,
        Some(word) => Some(project.stage_called(word).map(|stage| stage.id.as_str()).ok_or_else(|| {
            Error::invalid("stage-not-found", format!("project `{id}` has no stage `{word}`"))
                .hint("`pegboard project show` lists the stages")
        })?),
    };
    let (found, total) = app.labelling.tasks(project.id, stage, page.skip, page.limit()).await?;
    let mut tasks = Vec::with_capacity(found.len());
    for placed in &found {
        if let Some(asset) = app.labelling.asset(project.id, placed.record.asset).await? {
            tasks.push(TaskAnswer::new(&placed.record, &asset));
        }
    }
    Ok(Json(TaskList { tasks, total }))
}

/// A place for a file, and a link that takes it.
#[utoipa::path(post, path = "/api/v1/projects/{id}/uploads", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = UploadBody, responses((status = 200, body = UploadAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn upload(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<UploadBody>,
) -> Result<Json<UploadAnswer>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    let (place, url) = place_and_link(&app, &base, project.id, FileKind::Asset, &body.name)?;
    Ok(Json(UploadAnswer { url, data: format!("{OWN_FILE}{}", place.as_str()) }))
}

/// Writes an export and says where it lies.
#[utoipa::path(post, path = "/api/v1/projects/{id}/exports", tag = "projects", params(("id" = String, Path, description = "The project's id")),
    request_body = ExportBody, responses((status = 200, body = ExportAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn export(
    app: Here,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ExportBody>,
) -> Result<Json<ExportAnswer>, ApiError> {
    let (project, base) = (app.project(&id).await?, base(&app, &headers));
    let format = match body.format.as_deref() {
        None | Some("json") => ExportFormat::Json,
        Some("ndjson") => ExportFormat::Ndjson,
        Some(other) => {
            return Err(Error::invalid("export-format", format!("`{other}` is not a format of exports"))
                .hint("one of `json` and `ndjson`; `pegboard project export` makes others of them")
                .into());
        }
    };
    let exported = if body.issues {
        app.labelling.export_issues(&base, &project, format).await?
    } else {
        let request = ExportRequest {
            format,
            stages: body.stages,
            batches: body.batches,
            history: body.history,
            ..ExportRequest::everything()
        };
        app.labelling.export(&base, &project, &request).await?
    };
    Ok(Json(ExportAnswer { url: exported.url, records: exported.records, bytes: exported.bytes }))
}
