//! Signing in and out, one's own sessions, and links that are good once.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use pegboard_model::Error;
use serde_json::{Value, json};

use super::shape::{
    ErrorAnswer, LinkAnswer, PasswordBody, RedeemBody, SessionAnswer, SignInAnswer, SignInBody, SignInList, UserAnswer,
};
use crate::access::{Client, How, Identity, Issued, Refusal, clear_cookie, session_cookie};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Who asks, and whether anybody has to say so.
#[utoipa::path(get, path = "/api/v1/session", tag = "people", responses((status = 200, body = SessionAnswer)))]
pub(crate) async fn show(State(app): State<App>, identity: Option<axum::Extension<Identity>>) -> Result<Response, ApiError> {
    let identity = identity.map(|axum::Extension(identity)| identity);
    let mut response = Json(answer(&app, identity.as_ref()).await?).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Signs in with email and password. The answer sets the cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "people", request_body = SignInBody,
    responses((status = 200, body = SessionAnswer), (status = 401, body = ErrorAnswer), (status = 429, description = "Too many tries; the header Retry-After says when", body = ErrorAnswer)))]
pub(crate) async fn sign_in(
    State(app): State<App>,
    client: Client,
    JsonBody(body): JsonBody<SignInBody>,
) -> Result<Response, ApiError> {
    match app.accounts.sign_in(&body.email, &body.password, &client).await {
        Ok((user, issued)) => begun(&app, &client, user, &issued, "sign-in").await,
        Err(refusal) => {
            let organization = app.labelling.organization().id;
            app.audit.tried(organization, &body.email, &client, "sign-in-failed", refusal.error.code.clone());
            Ok(refused(refusal))
        }
    }
}

/// Signs out: ends this session.
#[utoipa::path(delete, path = "/api/v1/session", tag = "people",
    responses((status = 200, description = "`ended`: how many sessions", body = Object), (status = 409, description = "There is no session: a key, or nobody has to sign in", body = ErrorAnswer)))]
pub(crate) async fn sign_out(State(app): State<App>, identity: Identity, client: Client) -> Result<Response, ApiError> {
    let Some(id) = identity.by.filter(|_| identity.how == How::Session) else {
        return Err(Error::conflict("no-session", "there is no session to end")
            .hint("a key ends with `pegboard key revoke`; where nobody has to sign in, nobody signs out")
            .into());
    };
    app.accounts.end(identity.user.id, id).await?;
    app.credentials.forget();
    Ok(with_cookie(Json(json!({ "ended": 1 })).into_response(), &clear_cookie(client.is_https)))
}

/// Chooses another password of one's own. All sessions end, and this one goes on as a new one.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "people", request_body = PasswordBody,
    responses((status = 200, body = SessionAnswer), (status = 400, body = ErrorAnswer), (status = 401, body = ErrorAnswer)))]
pub(crate) async fn change_password(
    State(app): State<App>,
    identity: Identity,
    client: Client,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Result<Response, ApiError> {
    match app.accounts.change_password(&identity.user, &body.old, &body.new, &client).await {
        Ok(issued) => {
            app.credentials.forget();
            begun(&app, &client, identity.user, &issued, "password-changed").await
        }
        Err(refusal) => Ok(refused(refusal)),
    }
}

/// One's own sessions.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "people", responses((status = 200, body = SignInList)))]
pub(crate) async fn list(State(app): State<App>, identity: Identity) -> Result<Json<SignInList>, ApiError> {
    let all = app.accounts.sessions(identity.user.id).await?;
    let is_current = |id| identity.how == How::Session && identity.by == Some(id);
    let sessions = all.into_iter().map(|one| {
        let current = is_current(one.id);
        SignInAnswer::new(one, current)
    });
    Ok(Json(SignInList { sessions: sessions.collect() }))
}

/// Ends all of one's own sessions, this one too.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "people",
    responses((status = 200, description = "`ended`: how many", body = Object)))]
pub(crate) async fn end_all(State(app): State<App>, identity: Identity) -> Result<Json<Value>, ApiError> {
    let ended = app.accounts.end_all(identity.user.id).await?;
    app.credentials.forget();
    Ok(Json(json!({ "ended": ended })))
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "people", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "`ended`: how many", body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn end(State(app): State<App>, identity: Identity, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    app.accounts.end(identity.user.id, id.parse()?).await?;
    app.credentials.forget();
    Ok(Json(json!({ "ended": 1 })))
}

/// What a link is good for.
#[utoipa::path(get, path = "/api/v1/links/{token}", tag = "people", params(("token" = String, Path, description = "The link's last part")),
    responses((status = 200, body = LinkAnswer), (status = 404, body = ErrorAnswer), (status = 429, description = "Too many tries", body = ErrorAnswer)))]
pub(crate) async fn link(State(app): State<App>, client: Client, Path(token): Path<String>) -> Result<Response, ApiError> {
    if let Err(refusal) = app.accounts.admit(client.address) {
        return Ok(refused(refusal));
    }
    let (user, link) = app.accounts.link(&token).await?;
    let purpose = LinkAnswer::purpose(link.purpose);
    Ok(Json(LinkAnswer { email: user.email, purpose, expires_at: link.expires_at.to_string() }).into_response())
}

/// Chooses the password of the link's user and signs in. The link is used up; all of the user's other sessions end.
#[utoipa::path(post, path = "/api/v1/links/{token}", tag = "people", params(("token" = String, Path, description = "The link's last part")), request_body = RedeemBody,
    responses((status = 200, body = SessionAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer), (status = 429, description = "Too many tries", body = ErrorAnswer)))]
pub(crate) async fn redeem(
    State(app): State<App>,
    client: Client,
    Path(token): Path<String>,
    JsonBody(body): JsonBody<RedeemBody>,
) -> Result<Response, ApiError> {
    match app.accounts.redeem(&token, &body.password, &client).await {
        Ok((user, issued)) => {
            app.credentials.forget();
            begun(&app, &client, user, &issued, "link-used").await
        }
        Err(refusal) => {
            if refusal.error.code == "link-not-found" {
                app.audit.tried(app.labelling.organization().id, "", &client, "link-refused", refusal.error.code.clone());
            }
            Ok(refused(refusal))
        }
    }
}

async fn begun(
    app: &App,
    client: &Client,
    user: pegboard_model::User,
    issued: &Issued<pegboard_model::SignIn>,
    action: &str,
) -> Result<Response, ApiError> {
    let identity = Identity::begun(user, issued);
    app.audit.did(&identity, client, action.to_owned(), String::new());
    let response = Json(answer(app, Some(&identity)).await?).into_response();
    Ok(with_cookie(response, &session_cookie(&issued.token, app.accounts.lifetime(), client.is_https)))
}

async fn answer(app: &App, identity: Option<&Identity>) -> Result<SessionAnswer, Error> {
    let mut answer = SessionAnswer {
        sign_in_needed: app.needs_sign_in,
        openid: app.settings.server.openid.is_some(),
        user: None,
        role: None,
        how: None,
        organization: None,
        csrf_token: None,
    };
    if let Some(identity) = identity {
        let all = app.labelling.organizations().await?;
        let organization = all.into_iter().find(|organization| organization.id == identity.organization());
        let has_password = app.accounts.password_owners().await?.contains(&identity.user.id);
        answer.user = Some(UserAnswer::new(&identity.user, has_password));
        answer.role = Some(identity.role.as_str().to_owned());
        answer.how = Some(identity.how.as_str().to_owned());
        answer.organization = organization.map(|organization| organization.name);
        answer.csrf_token.clone_from(&identity.csrf_token);
    }
    Ok(answer)
}

pub(crate) fn refused(refusal: Refusal) -> Response {
    let mut response = ApiError(refusal.error).into_response();
    if let Some(wait) = refusal.after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

pub(crate) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
