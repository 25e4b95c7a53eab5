//! Where a request came from, also through proxies that the settings trust.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use crate::app::App;
use crate::config::ServerSettings;

/// Longest name of a browser that is kept.
const AGENT: usize = 200;

/// Who is at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// The client speaks HTTPS, to us or to the proxy before us.
    pub(crate) is_https: bool,
    /// What the browser calls itself.
    pub(crate) agent: String,
}

impl Client {
    /// Our own address when the app is driven without a socket.
    pub(super) fn of(settings: &ServerSettings, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip().to_canonical());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_trusted = |address: &IpAddr| settings.trusted_proxies.contains(address);
        let (mut address, mut is_https) = (peer, settings.public_url.as_ref().is_some_and(|url| url.starts_with("https://")));
        if is_trusted(&peer) {
            // Each proxy adds who spoke to it at the end: the last one that is no proxy of ours is the client.
            let named = text("x-forwarded-for").unwrap_or_default().rsplit(',').map_while(|part| part.trim().parse().ok());
            address = named.into_iter().find(|address| !is_trusted(address)).unwrap_or(peer);
            is_https |= text("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        }
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self { address, is_https, agent: agent.chars().take(AGENT).collect() }
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&app.settings.server, &parts.extensions, &parts.headers))
    }
}
