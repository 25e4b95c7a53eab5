//! How scripts of the REST connector log and answer. They show the key of their run.
//!
//! A script's logger raises inside its callback when its call fails: so this answers well whenever the key is right, also for a
//! session that nobody knows (Ango specification, section 3).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pegboard_hub::wire::lenient;
use pegboard_model::{Error, HubId};
use serde_json::{Value, json};

use crate::ango::refused;
use crate::app::App;

/// `POST /v2/pluginLog`.
pub(super) async fn log(State(app): State<App>, headers: HeaderMap, body: String) -> Result<Json<Value>, Response> {
    let project = caller(&app, &headers).await?;
    let known = match lenient::parse(&body) {
        Ok(payload) => app.hub.plugin_log(payload, project).await,
        Err(_) => false,
    };
    Ok(Json(json!({ "status": "success", "data": { "response": { "logged": known } } })))
}

/// `POST /v2/pluginResponse`.
pub(super) async fn response(State(app): State<App>, headers: HeaderMap, body: String) -> Result<Json<Value>, Response> {
    let project = caller(&app, &headers).await?;
    let received = match lenient::parse(&body) {
        Ok(payload) => app.hub.plugin_response(payload, project).await,
        Err(why) => Err(Error::invalid("plugin-response", format!("the body is no JSON: {why}"))),
    };
    // A late answer changes nothing, and the script could do nothing about it.
    Ok(Json(json!({ "status": "success", "data": { "response": { "received": received.is_ok() } } })))
}

/// The only project that the key is good for; none: all.
async fn caller(app: &App, headers: &HeaderMap) -> Result<Option<HubId>, Response> {
    let key = headers.get("apikey").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let caller = app.labelling.authenticate(key).await.map_err(refused)?;
    let caller = caller.ok_or_else(|| refused(Error::invalid("invalid-api-key", "Invalid API KEY")))?;
    Ok(caller.project)
}
