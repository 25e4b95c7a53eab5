//! Keys of the HTTP API, and storages.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use pegboard_hub::labelling::storages::{Credentials, NewStorage};
use pegboard_model::{Error, HubId, StorageProvider};
use serde_json::{Value as Json_, json};

use super::projects::find;
use super::shape::{ErrorAnswer, KeyAnswer, KeyBody, KeyList, StorageAnswer, StorageBody, StorageList};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// All keys, without their texts and without those of runs.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = KeyList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<KeyList>, ApiError> {
    let emails: HashMap<HubId, String> = app.labelling.users().await?.into_iter().map(|user| (user.id, user.email)).collect();
    let keys = app.labelling.keys().await?;
    let keys = keys.iter().map(|key| KeyAnswer::new(key, emails.get(&key.user).cloned().unwrap_or_default(), None)).collect();
    Ok(Json(KeyList { keys }))
}

/// Makes a key. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = KeyBody,
    responses((status = 200, body = KeyAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn create(State(app): State<App>, JsonBody(body): JsonBody<KeyBody>) -> Result<Json<KeyAnswer>, ApiError> {
    let user = match &body.user {
        None => app.labelling.admin().await?,
        Some(email) => app.labelling.user_of(email).await?,
    };
    let project = match &body.project {
        None => None,
        Some(id) => Some(find(&app, id).await?.id),
    };
    let lifetime = body.lifetime_seconds.map(Duration::from_secs);
    let name = if body.name.trim().is_empty() { "key" } else { body.name.trim() };
    let (key, text) = app.labelling.create_key(name, user.id, project, lifetime).await?;
    Ok(Json(KeyAnswer::new(&key, user.email, Some(text))))
}

/// Makes a key useless.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`revoked`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn revoke(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Json_>, ApiError> {
    let missing = || Error::not_found("key-not-found", format!("there is no key `{id}`")).hint("`pegboard key ls` lists them");
    app.labelling.revoke_key(id.parse().map_err(|_| missing())?).await?;
    Ok(Json(json!({ "revoked": id })))
}

/// All storages, without what is secret about them.
#[utoipa::path(get, path = "/api/v1/storages", tag = "keys", responses((status = 200, body = StorageList)))]
pub(crate) async fn storages(State(app): State<App>) -> Result<Json<StorageList>, ApiError> {
    let storages = app.labelling.storages().await?;
    Ok(Json(StorageList { storages: storages.iter().map(StorageAnswer::from).collect() }))
}

/// Makes a storage. Its secrets are kept encrypted.
#[utoipa::path(post, path = "/api/v1/storages", tag = "keys", request_body = StorageBody,
    responses((status = 200, body = StorageAnswer), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn create_storage(
    State(app): State<App>,
    JsonBody(body): JsonBody<StorageBody>,
) -> Result<Json<StorageAnswer>, ApiError> {
    let provider = match body.provider.to_ascii_uppercase().as_str() {
        "AWS" => StorageProvider::Aws,
        "GCP" => StorageProvider::Gcp,
        "AZURE" => StorageProvider::Azure,
        "LOCAL" => StorageProvider::Local,
        _ => {
            return Err(Error::invalid("storage-provider", format!("`{}` is not a provider of storages", body.provider))
                .hint("one of AWS, GCP, AZURE and LOCAL")
                .into());
        }
    };
    let credentials = Credentials { public_key: body.public_key, private_key: body.private_key, credentials: body.credentials };
    let new =
        NewStorage { name: body.name, provider, region: body.region, endpoint: body.endpoint, folder: body.folder, credentials };
    Ok(Json(StorageAnswer::from(&app.labelling.create_storage(new).await?)))
}

/// Deletes a storage. Assets that name it stay.
#[utoipa::path(delete, path = "/api/v1/storages/{id}", tag = "keys", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete_storage(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Json_>, ApiError> {
    let missing = || Error::not_found("storage-not-found", format!("there is no storage `{id}`"));
    if !app.labelling.delete_storage(id.parse().map_err(|_| missing())?).await? {
        return Err(missing().into());
    }
    Ok(Json(json!({ "deleted": id })))
}
