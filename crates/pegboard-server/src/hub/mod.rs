//! The doors through which remote plugins come: Socket.IO over WebSocket, over long polling for the oldest clients, and the two
//! routes with which scripts of the REST connector answer (Ango specification, sections 2 and 3).

mod connector;
pub(crate) mod hosting;
mod polling;
mod socket;

pub use hosting::start_hosted;
pub(crate) use polling::Polls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Extensions;
use axum::response::Response;
use pegboard_model::Error;
use serde::Deserialize;

use crate::access::{Access, Routes, get, post};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Parameters;

/// How often a client is pinged; clients leave when nothing comes for this and the timeout (specification, 2.3).
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(25);
/// What clients are told.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long we wait for anything from a client: more than it is told, because a callback in native code may hold its interpreter.
pub(crate) const PATIENCE: Duration = Duration::from_secs(85);

/// All routes that plugins themselves use.
pub(crate) fn routes(message_limit: usize) -> Routes {
    let door = || get(open).post(polling::post).body_limit(message_limit).needs(Access::OwnCheck);
    Routes::new()
        .route("/socket.io/", door())
        .route("/socket.io", door())
        .route("/v2/pluginLog", post(connector::log).needs(Access::OwnCheck))
        .route("/v2/pluginResponse", post(connector::response).needs(Access::OwnCheck))
}

/// What stands behind the question mark.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SocketParameters {
    #[serde(default)]
    transport: String,
    #[serde(default, rename = "EIO")]
    version: String,
    sid: Option<String>,
}

async fn open(
    State(app): State<App>,
    Parameters(parameters): Parameters<SocketParameters>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    check(&parameters)?;
    let address = peer(request.extensions());
    match (parameters.transport.as_str(), upgrade.ok(), parameters.sid) {
        ("websocket", Some(upgrade), None) => {
            admit(&app, address)?;
            Ok(socket::accept(app, upgrade, address))
        }
        ("websocket", Some(upgrade), Some(sid)) => polling::upgrade(app, upgrade, &sid),
        ("websocket", None, _) => Err(wrong("a WebSocket begins with an upgrade")),
        (_, _, None) => {
            admit(&app, address)?;
            Ok(polling::begin(app, address))
        }
        (_, _, Some(sid)) => polling::get(app, &sid).await,
    }
}

fn check(parameters: &SocketParameters) -> Result<(), ApiError> {
    if !matches!(parameters.version.as_str(), "4" | "") {
        return Err(wrong(&format!("version `{}` of the protocol is not spoken here, 4 is", parameters.version)));
    }
    if !matches!(parameters.transport.as_str(), "websocket" | "polling") {
        return Err(wrong("the transport is neither `websocket` nor `polling`"));
    }
    Ok(())
}

/// Many connections of one address that said wrong secrets are enough.
fn admit(app: &App, address: IpAddr) -> Result<(), ApiError> {
    if app.hub.admits(address) {
        return Ok(());
    }
    Err(Error::unavailable("too-many-refused", format!("too many connections from {address} said wrong secrets"))
        .hint("close them; then give the script the id and secret that `pegboard hub create` or `pegboard hub rotate` printed")
        .into())
}

pub(crate) fn wrong(why: &str) -> ApiError {
    Error::invalid("socket-request", format!("this is no request of a Socket.IO client: {why}")).into()
}

/// Who is at the other end; ourselves when the app is driven without a socket.
fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}
