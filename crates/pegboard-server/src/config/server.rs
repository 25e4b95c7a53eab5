//! Where the server listens and what it lets in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pegboard_model::Error;

use super::values::Values;

/// Settings of the section `server`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Loopback only; port 0 takes a free one.
    pub listen: SocketAddr,
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

impl ServerSettings {
    pub(super) fn from_values(values: &Values) -> Result<Self, Error> {
        let listen = values.address("server.listen").unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)));
        if !listen.ip().is_loopback() {
            return Err(Error::invalid("listen-not-loopback", format!("cannot listen on `{listen}`: only loopback addresses are allowed, because there is no sign-in yet"))
                .hint("listen on 127.0.0.1 and let others in through a reverse proxy with sign-in (set `server.allowed_hosts`) or an SSH tunnel: `ssh -L 8480:127.0.0.1:8480 HOST`"));
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
