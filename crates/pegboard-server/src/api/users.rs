//! The organization's people: made with a link for a first password, given roles, removed.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use pegboard_model::{Error, LinkPurpose, OrganizationRole, User};
use serde_json::{Value, json};

use super::shape::{ErrorAnswer, UserAnswer, UserBody, UserChange, UserLink, UserList};
use crate::access::Here;
use crate::ango::base;
use crate::app::link_to;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Everybody.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", responses((status = 200, body = UserList)))]
pub(crate) async fn list(app: Here) -> Result<Json<UserList>, ApiError> {
    let owners = app.accounts.password_owners().await?;
    let users = app.labelling.users(app.organization()).await?;
    Ok(Json(UserList { users: users.iter().map(|user| UserAnswer::new(user, owners.contains(&user.id))).collect() }))
}

/// One user.
#[utoipa::path(get, path = "/api/v1/users/{email}", tag = "people", params(("email" = String, Path, description = "Their email")),
    responses((status = 200, body = UserAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn show(app: Here, Path(email): Path<String>) -> Result<Json<UserAnswer>, ApiError> {
    let user = find(&app, &email).await?;
    Ok(Json(answer(&app, &user).await?))
}

/// Makes a user. The answer has a link with which they choose a password, which is told this once.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = UserBody,
    responses((status = 200, body = UserLink), (status = 400, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn create(app: Here, headers: HeaderMap, JsonBody(body): JsonBody<UserBody>) -> Result<Json<UserLink>, ApiError> {
    let role = body.role.as_deref().map_or(Ok(OrganizationRole::Member), str::parse)?;
    let user = app.labelling.create_user(app.organization(), &body.email, role).await?;
    Ok(Json(linked(&app, &headers, &user, LinkPurpose::Invitation).await?))
}

/// Changes what a user may do.
#[utoipa::path(patch, path = "/api/v1/users/{email}", tag = "people", params(("email" = String, Path, description = "Their email")), request_body = UserChange,
    responses((status = 200, body = UserAnswer), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn change(
    app: Here,
    Path(email): Path<String>,
    JsonBody(body): JsonBody<UserChange>,
) -> Result<Json<UserAnswer>, ApiError> {
    let email = find(&app, &email).await?.email;
    let user = app.labelling.set_role(app.organization(), &email, body.role.parse()?).await?;
    Ok(Json(answer(&app, &user).await?))
}

/// Makes a link with which a user chooses another password, told this once. The one so far is good until then.
#[utoipa::path(post, path = "/api/v1/users/{email}/link", tag = "people", params(("email" = String, Path, description = "Their email")),
    responses((status = 200, body = UserLink), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn link(app: Here, headers: HeaderMap, Path(email): Path<String>) -> Result<Json<UserLink>, ApiError> {
    let user = find(&app, &email).await?;
    Ok(Json(linked(&app, &headers, &user, LinkPurpose::Reset).await?))
}

/// Removes a user with keys, password and sessions. What they made stays. The last admin stays, too.
#[utoipa::path(delete, path = "/api/v1/users/{email}", tag = "people", params(("email" = String, Path, description = "Their email")),
    responses((status = 200, description = "`removed`: their email", body = Object), (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn remove(app: Here, Path(email): Path<String>) -> Result<Json<Value>, ApiError> {
    if !app.labelling.remove_user(app.organization(), &email).await? {
        return Err(not_found(&email).into());
    }
    Ok(Json(json!({ "removed": email.trim() })))
}

async fn find(app: &Here, email: &str) -> Result<User, Error> {
    let found = app.labelling.user_called(email).await?;
    found.filter(|user| user.organization == app.organization()).ok_or_else(|| not_found(email))
}

fn not_found(email: &str) -> Error {
    Error::not_found("user-not-found", format!("there is no user `{email}`")).hint("`pegboard user ls` lists them")
}

async fn answer(app: &Here, user: &User) -> Result<UserAnswer, Error> {
    Ok(UserAnswer::new(user, app.accounts.password_owners().await?.contains(&user.id)))
}

/// The user, and a link for them.
pub(super) async fn linked(app: &Here, headers: &HeaderMap, user: &User, purpose: LinkPurpose) -> Result<UserLink, Error> {
    let issued = app.accounts.make_link(user, purpose).await?;
    let link = link_to(&base(app, headers), &issued.token);
    Ok(UserLink { user: answer(app, user).await?, link, expires_at: issued.record.expires_at.to_string() })
}
