//! What only administrators do: backups, secrets, environments, a look at how the server is.

use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use pegboard_hub::SecretEdit;
use pegboard_model::{Error, HubId, Secret, StorageProvider, Timestamp};
use pegboard_store::{Bucket, probe};
use serde_json::{Value as Json_, json};

use super::shape::{
    DetailsAnswer, EngineStatus, EnvironmentAnswer, EnvironmentList, EnvironmentsPruned, ErrorAnswer, SecretAnswer, SecretBody,
    SecretList, SecretSet, StorageTest, StorageTestBody, StoreStatus,
};
use crate::access::Here;
use crate::app::App;
use crate::backup;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::hub::restart;

/// How old counts of the store may be: counting looks at every object.
const COUNTED: Duration = Duration::from_secs(60);
/// Files of a local storage that are counted.
const MOST_FILES: u64 = 1000;

/// Sends everything that cannot be made again as one zip file, as it is now, while the server goes on. It holds keys and secrets.
#[utoipa::path(post, path = "/api/v1/backups", tag = "administration", responses(
    (status = 200, description = "The backup; one that breaks off is none", body = String, content_type = "application/zip"),
    (status = 503, body = ErrorAnswer)))]
pub(crate) async fn back_up(State(app): State<App>) -> Result<Response, ApiError> {
    let archive = backup::stream(app.store.clone(), app.settings.server.data.clone()).await?;
    let time: String =
        Timestamp::from(SystemTime::now()).to_string().chars().take(19).map(|c| if c == ':' { '-' } else { c }).collect();
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"pegboard-{time}.zip\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(archive)).into_response())
}

/// All secrets, without their values.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "administration", responses((status = 200, body = SecretList)))]
pub(crate) async fn secrets(State(app): State<App>) -> Result<Json<SecretList>, ApiError> {
    let secrets = app.labelling.secrets().list().await?;
    Ok(Json(SecretList { secrets: secrets.iter().map(SecretAnswer::from).collect() }))
}

/// Sets a secret's value, or who gets it. Its plugins' processes are started anew with it. The value is never sent back.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", tag = "administration", params(("name" = String, Path, description = "Name of the variable")),
    request_body = SecretBody, responses((status = 200, body = SecretSet), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn set_secret(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<SecretBody>,
) -> Result<Json<SecretSet>, ApiError> {
    if body.name.as_ref().is_some_and(|other| *other != name) {
        return Err(Error::invalid("secret-name", "the body has another name than the path").hint("leave `name` out").into());
    }
    for plugin in body.plugins.iter().flatten() {
        find_plugin(&app, plugin)?;
    }
    let (before, secret) = app.labelling.secrets().set(&name, SecretEdit { value: body.value, plugins: body.plugins }).await?;
    let (reloaded, failed) = hand_out(&app, before.iter().chain([&secret])).await?;
    Ok(Json(SecretSet { secret: SecretAnswer::from(&secret), reloaded, failed }))
}

/// Forgets a secret. Its plugins' processes are started anew without it.
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", tag = "administration", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "`deleted`: its name; `reloaded`: its plugins", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete_secret(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Json_>, ApiError> {
    let secret = app.labelling.secrets().delete(&name).await?;
    let (reloaded, failed) = hand_out(&app, [&secret]).await?;
    Ok(Json(json!({ "deleted": name, "reloaded": reloaded, "failed": failed })))
}

fn find_plugin(app: &App, plugin: &str) -> Result<(), Error> {
    let is_package = app.engine.plugins().iter().any(|record| record.name.as_str() == plugin);
    let is_hub = plugin.parse::<HubId>().is_ok_and(|id| app.hub.plugin(id).is_ok());
    if is_package || is_hub {
        return Ok(());
    }
    Err(Error::not_found("plugin-not-found", format!("there is no plugin `{}`", plugin.escape_default()))
        .hint("name a package (`pegboard plugins`) or the id of a hub plugin (`pegboard hub ls`)"))
}

/// Says to the engine who gets what, and starts anew whoever had one of these secrets or has it now.
async fn hand_out(app: &App, changed: impl IntoIterator<Item = &Secret>) -> Result<(Vec<String>, Vec<String>), Error> {
    app.engine.grant(app.labelling.secrets().granted().await?);
    let mut concerned: Vec<&String> = changed.into_iter().flat_map(|secret| &secret.plugins).collect();
    concerned.sort();
    concerned.dedup();
    let (mut reloaded, mut failed) = (Vec::new(), Vec::new());
    for plugin in concerned {
        let outcome = if let Some(record) = app.engine.plugins().into_iter().find(|record| record.name.as_str() == plugin) {
            app.engine.reload(&record.name).await.map(drop)
        } else if let Ok(id) = plugin.parse::<HubId>() {
            restart(app, id).await
        } else {
            continue;
        };
        if let Err(error) = &outcome {
            tracing::warn!(plugin.name = plugin, %error, "a plugin goes on without a change of its secrets");
        }
        if outcome.is_ok() { reloaded.push(plugin.clone()) } else { failed.push(plugin.clone()) }
    }
    Ok((reloaded, failed))
}

/// Python environments on the server's disk, the largest first.
#[utoipa::path(get, path = "/api/v1/environments", tag = "administration", responses((status = 200, body = EnvironmentList)))]
pub(crate) async fn environments(State(app): State<App>) -> Result<Json<EnvironmentList>, ApiError> {
    let environments: Vec<EnvironmentAnswer> =
        app.engine.environments().await?.into_iter().map(EnvironmentAnswer::from).collect();
    let bytes = environments.iter().map(|one| one.bytes).sum();
    let unused_bytes = environments.iter().filter(|one| !one.is_used).map(|one| one.bytes).sum();
    Ok(Json(EnvironmentList { environments, bytes, unused_bytes }))
}

/// Removes environments that nobody uses. One that is needed again is made again.
#[utoipa::path(post, path = "/api/v1/environments/prune", tag = "administration",
    responses((status = 200, body = EnvironmentsPruned), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn prune_environments(State(app): State<App>) -> Result<Json<EnvironmentsPruned>, ApiError> {
    let removed = app.engine.prune_environments().await?;
    let bytes = removed.iter().map(|one| one.bytes).sum();
    Ok(Json(EnvironmentsPruned { removed: removed.into_iter().map(|one| one.key).collect(), bytes }))
}

/// How engine, store and disk are.
#[utoipa::path(get, path = "/api/v1/status/details", tag = "administration", responses((status = 200, body = DetailsAnswer)))]
pub(crate) async fn details(State(app): State<App>) -> Result<Json<DetailsAnswer>, ApiError> {
    let store = count(&app).await?;
    let data = app.settings.server.data.clone();
    // The disk may be far away, and page tables take a while to read.
    let look = move || {
        let (total, free) = (fs4::total_space(&data).unwrap_or(0), fs4::available_space(&data).unwrap_or(0));
        (total, free, pegboard_engine::own_memory(std::process::id()).unwrap_or(0))
    };
    let (disk_bytes, disk_free_bytes, memory_bytes) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    Ok(Json(DetailsAnswer {
        engine: EngineStatus::new(&app.engine.statistics(), app.settings.engine.options.memory_budget),
        store,
        memory_bytes,
        disk_bytes,
        disk_free_bytes,
    }))
}

async fn count(app: &App) -> Result<StoreStatus, Error> {
    // Whoever else asks meanwhile waits, and finds it done.
    let mut counted = app.counted.lock().await;
    if let Some((_, status)) = counted.as_ref().filter(|(at, _)| at.elapsed() < COUNTED) {
        return Ok(status.clone());
    }
    let holdings = app.store.holdings().await?;
    let (records, objects) = app.store.back_ends();
    let status = StoreStatus {
        records: records.to_owned(),
        record_bytes: holdings.record_bytes,
        counts: app.store.counts().await?.into_iter().map(|(noun, count)| (noun.to_owned(), count)).collect(),
        objects: objects.to_owned(),
        object_count: holdings.objects,
        object_bytes: holdings.object_bytes,
        counted_at: Timestamp::from(SystemTime::now()).to_string(),
    };
    *counted = Some((Instant::now(), status.clone()));
    Ok(status)
}

/// Looks whether a storage can be reached with what is recorded of it. A local one needs no bucket.
#[utoipa::path(post, path = "/api/v1/storages/{id}/test", tag = "keys", params(("id" = String, Path, description = "Its id")),
    request_body = StorageTestBody,
    responses((status = 200, body = StorageTest), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn test_storage(
    app: Here,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<StorageTestBody>,
) -> Result<Json<StorageTest>, ApiError> {
    let missing = || Error::not_found("storage-not-found", format!("there is no storage `{}`", id.escape_default()));
    let storage = app.labelling.storage(app.organization(), id.parse().map_err(|_| missing())?).await?;
    let secret = app.labelling.credentials(&storage)?;
    let bucket = match storage.provider {
        StorageProvider::Local => return Ok(Json(look(storage.folder.unwrap_or_default()).await)),
        _ if body.bucket.trim().is_empty() => {
            return Err(Error::invalid("storage-bucket", "a storage is tested with a bucket")
                .hint("give `bucket`: its name")
                .into());
        }
        StorageProvider::Aws => {
            Bucket::S3 { region: storage.region, endpoint: storage.endpoint, key: secret.public_key, secret: secret.private_key }
        }
        StorageProvider::Gcp => Bucket::Gcs(secret.credentials),
        StorageProvider::Azure => Bucket::Azure { account: secret.public_key, key: secret.private_key },
    };
    Ok(Json(match probe(bucket, body.bucket.trim()).await {
        Ok(files) => StorageTest { reached: true, files: Some(files as u64), reason: None },
        Err(error) => StorageTest { reached: false, files: None, reason: Some(error.to_string()) },
    }))
}

async fn look(folder: String) -> StorageTest {
    let count = move || -> std::io::Result<u64> {
        let mut files = 0;
        for entry in std::fs::read_dir(&folder)? {
            entry?;
            files += 1;
            if files >= MOST_FILES {
                break;
            }
        }
        Ok(files)
    };
    match tokio::task::spawn_blocking(count).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        Ok(files) => StorageTest { reached: true, files: Some(files), reason: None },
        Err(error) => StorageTest { reached: false, files: None, reason: Some(format!("the folder cannot be read: {error}")) },
    }
}
