//! Speaks to a server over HTTP.

use std::path::Path;
use std::time::Duration;

use pegboard_model::Error;
use pegboard_server::local_key;
use pegboard_server::shape::ErrorAnswer;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::CommandFailure;

/// Longest time until the server takes the connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A server to ask. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

impl Client {
    pub(crate) fn new(url: &str, key: Option<String>) -> Result<Self, CommandFailure> {
        // Fails when it is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |reason: String| {
            CommandFailure::usage(Error::invalid("server-url", format!("`{url}` is not the URL of a server: {reason}")))
        };
        let base = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if base.cannot_be_a_base() {
            return Err(wrong("it has no host".to_owned()));
        }
        let http =
            reqwest::Client::builder().connect_timeout(CONNECT).no_proxy().build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, base, key })
    }

    /// Where a browser finds `path` of this server.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, CommandFailure> {
        self.read(self.open(self.request(Method::GET, path, query)).await?).await
    }

    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &[&str], body: &B) -> Result<T, CommandFailure> {
        self.read(self.open(self.request(Method::POST, path, &[]).json(body)).await?).await
    }

    pub(crate) async fn put<B: Serialize, T: DeserializeOwned>(&self, path: &[&str], body: &B) -> Result<T, CommandFailure> {
        self.read(self.open(self.request(Method::PUT, path, &[]).json(body)).await?).await
    }

    /// Puts a file where a link says.
    pub(crate) async fn put_file(&self, link: &str, body: reqwest::Body, length: Option<u64>) -> Result<(), CommandFailure> {
        let mut request = self.http.put(link).body(body);
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        self.open(request).await.map(drop)
    }

    /// Fetches what a link names.
    pub(crate) async fn fetch(&self, link: &str) -> Result<Response, CommandFailure> {
        self.open(self.http.get(link)).await
    }

    pub(crate) async fn patch<B: Serialize, T: DeserializeOwned>(&self, path: &[&str], body: &B) -> Result<T, CommandFailure> {
        self.read(self.open(self.request(Method::PATCH, path, &[]).json(body)).await?).await
    }

    /// Sends a file as the body.
    pub(crate) async fn post_file<T: DeserializeOwned>(&self, path: &[&str], body: reqwest::Body) -> Result<T, CommandFailure> {
        let request = self.request(Method::POST, path, &[]).header(CONTENT_TYPE, "application/octet-stream").body(body);
        self.read(self.open(request).await?).await
    }

    pub(crate) async fn post_text<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        text: String,
    ) -> Result<T, CommandFailure> {
        let request = self.request(Method::POST, path, query).header(CONTENT_TYPE, "application/yaml").body(text);
        self.read(self.open(request).await?).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CommandFailure> {
        self.read(self.open(self.request(Method::DELETE, path, &[])).await?).await
    }

    /// An answer that stays open.
    pub(crate) async fn stream(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Response, CommandFailure> {
        self.open(self.request(Method::GET, path, query)).await
    }

    /// An answer that stays open, to a request with a body.
    pub(crate) async fn post_stream<B: Serialize>(&self, path: &[&str], body: &B) -> Result<Response, CommandFailure> {
        self.open(self.request(Method::POST, path, &[]).json(body)).await
    }

    /// The answer broke off.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> CommandFailure {
        CommandFailure::no_server(self.base.as_str().trim_end_matches('/'), &innermost(error))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn open(&self, request: RequestBuilder) -> Result<Response, CommandFailure> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.map_err(|error| self.broken(&error))?;
        Err(match serde_json::from_str::<ErrorAnswer>(&text) {
            Ok(answer) => CommandFailure::refused(answer.error),
            Err(_) => self.stranger(&format!("it answered with status {status}")),
        })
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, CommandFailure> {
        let bytes = response.bytes().await.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.stranger(&error.to_string()))
    }

    fn stranger(&self, reason: &str) -> CommandFailure {
        Error::invalid("unexpected-answer", format!("what answers at {} does not speak as this Pegboard does", self.base))
            .detail(reason)
            .hint("is it a Pegboard server, and of this version?")
            .into()
    }
}

/// The key to send where none was given: the one that a server on this machine left for us in its data directory.
pub(crate) async fn key_of_this_machine(data: &Path, url: &str) -> Option<String> {
    let (data, url) = (data.to_owned(), url.to_owned());
    tokio::task::spawn_blocking(move || local_key(&data, &url)).await.unwrap_or_default()
}

/// The reason at the bottom: `Connection refused`, not `error sending request`.
fn innermost(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
