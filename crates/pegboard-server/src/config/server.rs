//! Where the server listens and what it lets in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pegboard_model::Error;

use super::openid::OpenidSettings;
use super::values::Values;

/// Settings of the section `server`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Sign-in is needed on loopback, too.
    pub always_sign_in: bool,
    /// Addresses of reverse proxies that say truly who speaks to them.
    pub trusted_proxies: Vec<IpAddr>,
    /// A browser that is not used for so long has to sign in again.
    pub session_idle: Duration,
    /// A browser has to sign in again after so long, however much it is used.
    pub session_lifetime: Duration,
    /// How long the record of who did what is kept; none: for ever.
    pub audit_retention: Option<Duration>,
    /// Signing in by another server, when there is one.
    pub openid: Option<OpenidSettings>,
    /// Absolute path of the data directory.
    pub data: PathBuf,
    /// The server that client commands talk to, without a slash at the end.
    pub url: String,
    /// Host names beyond localhost that requests may name.
    pub allowed_hosts: Vec<String>,
    /// Where others reach the server, without a slash at the end.
    pub public_url: Option<String>,
    /// Largest uploaded file in bytes.
    pub upload_limit: usize,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Threads that serve requests.
    pub threads: usize,
    /// Longest time that an orderly stop may take.
    pub shutdown_deadline: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl ServerSettings {
    /// Whether nobody is answered who is not known: always beyond loopback.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        self.always_sign_in || !self.listen.ip().to_canonical().is_loopback()
    }

    pub(super) fn from_values(values: &Values) -> Result<Self, Error> {
        let listen = values.address("server.listen").unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)));
        let always_sign_in = match values.text("server.sign_in").as_deref() {
            None | Some("auto") => false,
            Some("always") => true,
            Some(other) => {
                return Err(Error::invalid("setting-invalid", format!("`server.sign_in` is `{other}`"))
                    .hint("write `auto` or `always`"));
            }
        };
        let mut trusted_proxies = Vec::new();
        for text in values.list("server.trusted_proxies") {
            trusted_proxies.push(text.parse().map_err(|_| {
                Error::invalid("setting-invalid", format!("`server.trusted_proxies` has `{text}`, which is not an IP address"))
                    .hint("write addresses such as `127.0.0.1,10.0.0.2`")
            })?);
        }
        let url = values.text("server.url").unwrap_or_default();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::invalid("setting-invalid", format!("`server.url` is `{url}`, which is not an HTTP URL"))
                .hint("write it as `http://127.0.0.1:8480`"));
        }
        let public_url = values.text("server.public_url").map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = public_url.as_ref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(Error::invalid("setting-invalid", format!("`server.public_url` is `{url}`, which is not an HTTP URL"))
                .hint("write it as `https://pegboard.example.org`"));
        }
        Ok(Self {
            listen,
            always_sign_in,
            trusted_proxies,
            session_idle: values.duration("server.session_idle").unwrap_or(7 * DAY),
            session_lifetime: values.duration("server.session_lifetime").unwrap_or(30 * DAY),
            audit_retention: values.duration("server.audit_retention"),
            openid: OpenidSettings::from_values(values)?,
            data: values.path("server.data").unwrap_or_default(),
            url: url.trim_end_matches('/').to_owned(),
            allowed_hosts: values.list("server.allowed_hosts"),
            public_url,
            upload_limit: values.count("server.upload_limit").unwrap_or(2 << 30),
            body_limit: values.count("server.body_limit").unwrap_or(16 << 20),
            threads: values.count("server.threads").unwrap_or_else(|| super::cores().min(4)),
            shutdown_deadline: values.duration("server.shutdown_deadline").unwrap_or(Duration::from_secs(20)),
        })
    }
}
