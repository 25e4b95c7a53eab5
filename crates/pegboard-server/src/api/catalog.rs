//! The catalog: artifacts are published, looked at, asked, removed. Tables are sent in pages and samples, never whole.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pegboard_model::{Artifact, ArtifactKind, ArtifactName, Error, FileFormat};
use serde::Deserialize;
use serde_json::{Value as Json_, json};
use tokio_util::io::ReaderStream;

use super::shape::{
    ArtifactAnswer, ArtifactBody, ArtifactDetail, ArtifactList, ArtifactVersion, CatalogUpload, ErrorAnswer, TablePage,
    TableQueryBody,
};
use crate::app::App;
use crate::catalog::{place, publish, tables};
use crate::error::ApiError;
use crate::extract::{JsonBody, Parameters};

/// Rows when none are asked for, the most as JSON, and the most as Arrow.
const ROWS: u64 = 100;
const MOST_AS_JSON: u64 = 10_000;
const MOST_AS_ARROW: u64 = 100_000;
/// Artifacts on a page when none are asked for, and the most.
const PAGE: usize = 200;
const LARGEST_PAGE: usize = 1000;
/// Artifacts that are told as made from one.
const USERS: usize = 1000;

/// Which artifacts to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Only those after this name.
    after: Option<String>,
    /// At most so many; 200 when left out.
    limit: Option<usize>,
}

/// Which version.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionParameters {
    /// The last one when left out.
    version: Option<u64>,
}

/// Which rows of which file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsParameters {
    /// Role of the file; `data` when left out.
    file: Option<String>,
    /// The last version when left out.
    version: Option<u64>,
    /// After so many rows.
    offset: Option<u64>,
    /// At most so many; 100 when left out, 10,000 at most, 100,000 as Arrow.
    limit: Option<u64>,
    /// Spread over the whole table instead of one after the other; the same ones every time.
    sample: Option<bool>,
    /// `json` when left out, or `arrow`: an Arrow stream.
    format: Option<String>,
}

/// Which outliers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OutlierParameters {
    /// The last version when left out.
    version: Option<u64>,
    /// How many times the distance of the quartiles a value lies outside of them; 1.5 when left out.
    scale: Option<f64>,
    /// Adds so many rows that are spread over the whole table.
    sample: Option<u64>,
    /// `json` when left out, or `arrow`: an Arrow stream.
    format: Option<String>,
}

type Place = Path<(String, String)>;

/// Artifacts of one kind, by name.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}", tag = "catalog", params(("kind" = String, Path, description = "Kind"), ListParameters),
    responses((status = 200, body = ArtifactList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(
    State(app): State<App>,
    Path(kind): Path<String>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<ArtifactList>, ApiError> {
    let kind = kind.parse()?;
    let limit = parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let found = app.store.artifacts(kind, parameters.after.as_deref().unwrap_or_default(), limit).await?;
    let next = (found.len() == limit).then(|| found.last().map(|artifact| artifact.name.to_string())).flatten();
    Ok(Json(ArtifactList { artifacts: found.into_iter().map(ArtifactAnswer::from).collect(), next }))
}

/// One artifact with its versions, and what was made from it.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name; `/` in it is written as `%2F`"), VersionParameters),
    responses((status = 200, body = ArtifactDetail), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(
    State(app): State<App>,
    Path(place): Place,
    Parameters(parameters): Parameters<VersionParameters>,
) -> Result<Json<ArtifactDetail>, ApiError> {
    let (kind, name) = named(&place)?;
    let artifact = publish::find(&app, kind, &name, parameters.version).await?;
    let versions = app.store.artifact_versions(kind, &name).await?;
    let users = app.store.artifact_users(kind, &name, USERS).await?;
    Ok(Json(ArtifactDetail {
        artifact: artifact.into(),
        versions: versions
            .iter()
            .map(|one| ArtifactVersion { version: one.version, modified_at: one.modified_at.to_string(), bytes: one.bytes() })
            .collect(),
        used_by: users.iter().map(|user| user.reference().to_string()).collect(),
    }))
}

/// Publishes an artifact, or its next version.
#[utoipa::path(post, path = "/api/v1/catalog/{kind}/{name}", tag = "catalog", request_body = ArtifactBody, params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name")),
    responses((status = 200, body = ArtifactAnswer), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Path(place): Place,
    JsonBody(body): JsonBody<ArtifactBody>,
) -> Result<Json<ArtifactAnswer>, ApiError> {
    let (kind, name) = named(&place)?;
    Ok(Json(publish::publish(&app, kind, &name, body).await?.into()))
}

/// Adds files to the last version, or changes what is said about it.
#[utoipa::path(patch, path = "/api/v1/catalog/{kind}/{name}", tag = "catalog", request_body = ArtifactBody, params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name")),
    responses((status = 200, body = ArtifactAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn amend(
    State(app): State<App>,
    Path(place): Place,
    JsonBody(body): JsonBody<ArtifactBody>,
) -> Result<Json<ArtifactAnswer>, ApiError> {
    let (kind, name) = named(&place)?;
    Ok(Json(publish::amend(&app, kind, &name, body).await?.into()))
}

/// Removes an artifact with all of its versions and files.
#[utoipa::path(delete, path = "/api/v1/catalog/{kind}/{name}", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name")),
    responses((status = 200, description = "`deleted`: kind and name", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete(State(app): State<App>, Path(place): Place) -> Result<Json<Json_>, ApiError> {
    let (kind, name) = named(&place)?;
    publish::remove(&app, kind, &name).await?;
    Ok(Json(json!({ "deleted": format!("{kind}:{name}") })))
}

/// Rows of a table: a page, or a sample.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}/rows", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name"), RowsParameters),
    responses((status = 200, body = TablePage), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn rows(
    State(app): State<App>,
    Path(place): Place,
    Parameters(parameters): Parameters<RowsParameters>,
) -> Result<Response, ApiError> {
    let form = Form::asked(parameters.format.as_deref())?;
    let artifact = artifact(&app, &place, parameters.version).await?;
    let file = tables::table(&artifact, parameters.file.as_deref().unwrap_or("data"))?;
    let path = place::local(&app, file).await?;
    let limit = form.limit(parameters.limit)?;
    let job = publish::page(&path, parameters.offset.unwrap_or(0), limit, parameters.sample.unwrap_or(false));
    form.answer(&app, job).await
}

/// What a table is like: types, distinct values, nulls, quartiles, counts of values, correlations.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}/statistics", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name"), VersionParameters),
    responses((status = 200, description = "`column_stats`, `descriptive_stats`, `value_counts`, `correlations`, each by column", body = Object),
        (status = 404, body = ErrorAnswer)))]
pub(crate) async fn statistics(
    State(app): State<App>,
    Path(place): Place,
    Parameters(parameters): Parameters<VersionParameters>,
) -> Result<Response, ApiError> {
    let artifact = artifact(&app, &place, parameters.version).await?;
    Ok(json_text(tables::statistics(&app, tables::table(&artifact, "data")?).await?))
}

/// Rows of a table that lie far outside, by column and side, and some others when asked.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}/outliers", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name"), OutlierParameters),
    responses((status = 200, body = TablePage), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn outliers(
    State(app): State<App>,
    Path(place): Place,
    Parameters(parameters): Parameters<OutlierParameters>,
) -> Result<Response, ApiError> {
    let form = Form::asked(parameters.format.as_deref())?;
    let artifact = artifact(&app, &place, parameters.version).await?;
    let path = place::local(&app, tables::table(&artifact, "data")?).await?;
    let sample = parameters.sample.map(|rows| Form::Json.limit(Some(rows))).transpose()?;
    let scale = parameters.scale.filter(|scale| scale.is_finite() && *scale >= 0.0).unwrap_or(1.5);
    form.answer(
        &app,
        json!({ "action": "outliers", "path": path, "scale": scale, "sample": sample.is_some(), "limit": sample.unwrap_or(0) }),
    )
    .await
}

/// A file as it is kept: a table as Parquet.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}/files/{role}", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name"),
        ("role" = String, Path, description = "Role; `/` in it is written as `%2F`"), VersionParameters),
    responses((status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn file(
    State(app): State<App>,
    Path((kind, name, role)): Path<(String, String, String)>,
    Parameters(parameters): Parameters<VersionParameters>,
) -> Result<Response, ApiError> {
    let artifact = artifact(&app, &(kind, name), parameters.version).await?;
    let Some(file) = artifact.file(&role) else {
        return Err(Error::not_found("artifact-file-not-found", format!("{} has no file `{role}`", artifact.reference())).into());
    };
    let Some((length, pieces)) = app.store.read_object(&file.object).await? else { return Err(place::gone(&role).into()) };
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    let kind = match file.format {
        FileFormat::Json => "application/json",
        FileFormat::Parquet => "application/vnd.apache.parquet",
        FileFormat::Raw => "application/octet-stream",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

/// Asks tables of the catalog with SQL.
#[utoipa::path(post, path = "/api/v1/catalog/query", tag = "catalog", request_body = TableQueryBody,
    responses((status = 200, body = TablePage), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn query(State(app): State<App>, JsonBody(body): JsonBody<TableQueryBody>) -> Result<Response, ApiError> {
    let form = Form::asked(body.format.as_deref())?;
    let limit = form.limit(body.limit)?;
    let mut named = Vec::new();
    let words = body.sql.to_lowercase();
    for kind in ArtifactKind::ALL.into_iter().filter(|kind| kind.is_table()) {
        let mut after = String::new();
        loop {
            let page = app.store.artifacts(kind, &after, LARGEST_PAGE).await?;
            let Some(last) = page.last() else { break };
            last.name.as_str().clone_into(&mut after);
            for artifact in page {
                let name = artifact.name.as_str().to_lowercase();
                if (words.contains(&name) || words.contains(&name.replace('-', "_")))
                    && let Some(file) = artifact.file("data")
                {
                    let path = place::local(&app, file).await?;
                    named.push(json!({ "schema": kind, "name": artifact.name, "path": path }));
                }
            }
        }
    }
    form.answer(&app, json!({ "action": "query", "sql": body.sql, "tables": named, "limit": limit, "offset": body.offset })).await
}

/// Takes a file that is published afterwards. The body is the file.
#[utoipa::path(post, path = "/api/v1/catalog/uploads", tag = "catalog",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = CatalogUpload), (status = 413, body = ErrorAnswer)))]
pub(crate) async fn upload(State(app): State<App>, request: Request) -> Result<Json<CatalogUpload>, ApiError> {
    let (upload, bytes) = place::upload(&app, request.into_body()).await?;
    Ok(Json(CatalogUpload { upload, bytes }))
}

/// How rows are sent.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Arrow,
}

impl Form {
    fn asked(word: Option<&str>) -> Result<Self, Error> {
        match word {
            None | Some("json") => Ok(Self::Json),
            Some("arrow") => Ok(Self::Arrow),
            Some(other) => Err(Error::invalid("query", format!("`{other}` is not a form of rows")).hint("`json` or `arrow`")),
        }
    }

    fn limit(self, asked: Option<u64>) -> Result<u64, Error> {
        let most = match self {
            Self::Json => MOST_AS_JSON,
            Self::Arrow => MOST_AS_ARROW,
        };
        let limit = asked.unwrap_or(ROWS);
        if limit <= most {
            return Ok(limit);
        }
        Err(Error::invalid("query", format!("{limit} rows are asked for, at most {most} are sent at once"))
            .hint("ask for one page after the other with `offset`, or get the file itself"))
    }

    async fn answer(self, app: &App, job: Json_) -> Result<Response, ApiError> {
        match self {
            Self::Json => Ok(json_text(tables::answer(app, job).await?)),
            Self::Arrow => {
                let file = tables::arrow(app, job).await?;
                let kind = (CONTENT_TYPE, "application/vnd.apache.arrow.stream");
                Ok(([kind], Body::from_stream(ReaderStream::with_capacity(file, 1 << 18))).into_response())
            }
        }
    }
}

fn json_text(text: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

fn named((kind, name): &(String, String)) -> Result<(ArtifactKind, ArtifactName), Error> {
    Ok((kind.parse()?, name.parse()?))
}

async fn artifact(app: &App, place: &(String, String), version: Option<u64>) -> Result<Artifact, Error> {
    let (kind, name) = named(place)?;
    publish::find(app, kind, &name, version).await
}
