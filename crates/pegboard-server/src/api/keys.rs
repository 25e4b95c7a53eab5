//! Keys of the HTTP API, and storages.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use pegboard_hub::labelling::NewKey;
use pegboard_hub::labelling::storages::{Credentials, NewStorage};
use pegboard_model::{Error, OrganizationRole, StorageProvider};
use serde_json::{Value as Json_, json};

use super::shape::{ErrorAnswer, KeyAnswer, KeyBody, KeyList, StorageAnswer, StorageBody, StorageList};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Longest name of a key.
const LONGEST_NAME: usize = 200;

/// One's own keys, without their texts and without those of runs; an admin's list has everybody's.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = KeyList)))]
pub(crate) async fn list(app: Here) -> Result<Json<KeyList>, ApiError> {
    let mut keys = app.labelling.keys(app.organization()).await?;
    if app.identity().role < OrganizationRole::Admin {
        keys.retain(|(key, _)| key.user == app.user().id);
    }
    Ok(Json(KeyList { keys: keys.iter().map(|(key, email)| KeyAnswer::new(key, email.clone(), None)).collect() }))
}

/// Makes a key, of one's own or, for admins, of anybody's. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = KeyBody,
    responses((status = 200, body = KeyAnswer), (status = 400, body = ErrorAnswer), (status = 403, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn create(app: Here, JsonBody(body): JsonBody<KeyBody>) -> Result<Json<KeyAnswer>, ApiError> {
    let identity = app.identity();
    let user = match body.user.as_deref().map(str::trim).filter(|email| *email != identity.user.email) {
        None => identity.user.clone(),
        Some(_) if identity.role < OrganizationRole::Admin => {
            return Err(Error::invalid("role-too-low", "only an admin makes keys of others").hint("leave `user` out").into());
        }
        Some(email) => app.labelling.user_of(app.organization(), email).await?,
    };
    // Of one's own no more than one may right now, so that a key of little power makes none of more.
    let most = if user.id == identity.user.id { identity.role.min(user.role) } else { user.role };
    let role = body.role.as_deref().map(str::parse::<OrganizationRole>).transpose()?;
    if let Some(role) = role.filter(|role| *role > most) {
        let message = format!("a key of `{}` cannot be {}: they are {}", user.email, role.as_str(), most.as_str());
        return Err(Error::invalid("role-too-low", message).hint("ask for no more than that").into());
    }
    let project = match &body.project {
        None => None,
        Some(id) => Some(app.project(id).await?.id),
    };
    let name = if body.name.trim().is_empty() { "key" } else { body.name.trim() };
    let new = NewKey {
        name: name.chars().take(LONGEST_NAME).collect(),
        user: user.id,
        role: role.or((most < user.role).then_some(most)),
        project,
        lifetime: body.lifetime_seconds.map(Duration::from_secs),
    };
    let (key, text) = app.labelling.create_key(new).await?;
    Ok(Json(KeyAnswer::new(&key, user.email, Some(text))))
}

/// Makes a key useless: one's own or, for admins, anybody's.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`revoked`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn revoke(app: Here, Path(id): Path<String>) -> Result<Json<Json_>, ApiError> {
    let missing = || Error::not_found("key-not-found", format!("there is no key `{id}`")).hint("`pegboard key ls` lists them");
    let only = (app.identity().role < OrganizationRole::Admin).then_some(app.user().id);
    app.labelling.revoke_key(app.organization(), id.parse().map_err(|_| missing())?, only).await?;
    Ok(Json(json!({ "revoked": id })))
}

/// All storages, without what is secret about them.
#[utoipa::path(get, path = "/api/v1/storages", tag = "keys", responses((status = 200, body = StorageList)))]
pub(crate) async fn storages(app: Here) -> Result<Json<StorageList>, ApiError> {
    let storages = app.labelling.storages(app.organization()).await?;
    Ok(Json(StorageList { storages: storages.iter().map(StorageAnswer::from).collect() }))
}

/// Makes a storage. Its secrets are kept encrypted.
#[utoipa::path(post, path = "/api/v1/storages", tag = "keys", request_body = StorageBody,
    responses((status = 200, body = StorageAnswer), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn create_storage(
    app: Here,
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
    Ok(Json(StorageAnswer::from(&app.labelling.create_storage(app.organization(), new).await?)))
}

/// Deletes a storage. Assets that name it stay.
#[utoipa::path(delete, path = "/api/v1/storages/{id}", tag = "keys", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`deleted`: its id", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn delete_storage(app: Here, Path(id): Path<String>) -> Result<Json<Json_>, ApiError> {
    let missing = || Error::not_found("storage-not-found", format!("there is no storage `{id}`"));
    if !app.labelling.delete_storage(app.organization(), id.parse().map_err(|_| missing())?).await? {
        return Err(missing().into());
    }
    Ok(Json(json!({ "deleted": id })))
}
