//! The REST connector: scripts that listen, and are called (specification, section 3).

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use pegboard_model::{Connector, Error, HubId, SessionFailure};
use reqwest::StatusCode;
use serde_json::Value as Json;

use crate::failure;
use crate::hub::{Hub, now};
use crate::sessions::session_not_found;
use crate::wire::event::{Line, Response};
use crate::wire::lenient;

/// Longest time of a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Heartbeats under way at once.
const PARALLEL: usize = 64;

/// The client with which scripts are called.
#[derive(Clone, Debug)]
pub(crate) struct RestCaller {
    http: reqwest::Client,
}

impl RestCaller {
    pub(crate) fn new() -> Result<Self, Error> {
        // Fails when it is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(HEARTBEAT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::internal("http-client", format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { http })
    }

    async fn is_here(&self, url: &str, secret: &str) -> bool {
        let request = self.http.get(format!("{url}/heartbeat")).header("Secret", secret).timeout(HEARTBEAT);
        request.send().await.is_ok_and(|response| response.status() == StatusCode::OK)
    }
}

impl Hub {
    /// Asks every REST plugin whether it is there, again and again.
    pub(crate) async fn poll_rest_plugins(self) {
        loop {
            let plugins: Vec<(HubId, String, String)> = {
                let board = self.board();
                let rest = board.plugins().filter_map(|plugin| match &plugin.connector {
                    Connector::Rest { url } => Some((plugin.id, url.clone())),
                    Connector::Socket => None,
                });
                rest.map(|(id, url)| (id, url, board.secret(id).unwrap_or_default().to_string())).collect()
            };
            let none_here = plugins.iter().all(|(id, ..)| !self.presence(*id).is_some_and(|presence| presence.live));
            let hub = &self;
            let asking = stream::iter(plugins).for_each_concurrent(PARALLEL, |(id, url, secret)| async move {
                let is_here = hub.inner.rest.is_here(&url, &secret).await;
                hub.with(|board, effects| board.answered(id, is_here, now(), effects));
            });
            asking.await;
            // Somebody may have started one just now, and looks at its light.
            let pause = if none_here { self.inner.options.poll.min(Duration::from_secs(1)) } else { self.inner.options.poll };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopping() => return,
            }
        }
    }

    /// Sends a run and waits for its answer, which takes as long as the run.
    pub(crate) async fn call_rest(&self, id: HubId, url: &str, secret: &str, payload: String, limit: Duration) {
        let request = self
            .inner
            .rest
            .http
            .post(format!("{url}/plugin"))
            .header("Secret", secret)
            .header("Content-Type", "application/json")
            .timeout(limit.saturating_add(Duration::from_secs(5)))
            .body(payload);
        let called = async {
            let response = request.send().await?;
            let status = response.status();
            let mut body = Vec::new();
            let mut pieces = response.bytes_stream();
            while let Some(piece) = pieces.next().await {
                body.extend_from_slice(&piece?);
                if body.len() > self.inner.message_limit {
                    return Ok((status, None));
                }
            }
            Ok::<_, reqwest::Error>((status, Some(body)))
        };
        let limit = self.inner.message_limit;
        match called.await {
            Ok((StatusCode::OK, Some(body))) => {
                let answer = lenient::parse(&String::from_utf8_lossy(&body)).ok().and_then(Response::read);
                self.with(|board, effects| board.returned(id, answer, now(), effects));
            }
            Ok((_, None)) => self.fail(id, failure::too_large(limit)),
            Ok((StatusCode::UNAUTHORIZED, _)) => {
                let error = Error::unavailable("plugin-secret", "the plugin does not know the secret of its record")
                    .hint("start the script with the secret that `pegboard hub rotate` prints");
                self.fail(id, failure::refused(&error));
            }
            Ok((status, Some(body))) => {
                // What the script said last through its logger is the reason; it comes by another call and may be a moment behind.
                tokio::time::sleep(Duration::from_millis(200)).await;
                let cause = self.board().session(id).and_then(|session| session.last_error.clone());
                let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                let failure = match cause {
                    Some(cause) => failure::raised(Some(&cause)),
                    None => failure::raised(Some(&format!("the plugin answered with status {}: {said}", status.as_u16()))),
                };
                self.fail(id, failure);
            }
            Err(error) => {
                let failure = if error.is_timeout() { None } else { Some(failure::refused(&unreachable(url, &error))) };
                // Over its time the clock ends it, with the words for that.
                if let Some(failure) = failure {
                    self.fail(id, failure);
                }
            }
        }
    }

    fn fail(&self, id: HubId, failure: SessionFailure) {
        self.with(|board, effects| board.fail(id, failure, now(), effects));
    }

    /// A line through `POST /v2/pluginLog`. Whoever asks has shown a key that is good for the session's project. False: nobody
    /// knows the session, which is no reason to fail the script.
    pub async fn plugin_log(&self, payload: Json, project: Option<HubId>) -> bool {
        let Some(line) = Line::read(payload) else { return false };
        let Some(id) = line.session else { return false };
        self.with(|board, effects| {
            let known = board.session(id).is_some_and(|session| project.is_none() || session.project == project);
            if known {
                board.say(id, line, now(), effects);
            }
            known
        })
    }

    /// A result through `POST /v2/pluginResponse`.
    ///
    /// # Errors
    /// `session-not-found` when the session is not open, or another project's; `plugin-response` when it is none.
    pub async fn plugin_response(&self, payload: Json, project: Option<HubId>) -> Result<(), Error> {
        let response = Response::read(payload).ok_or_else(|| {
            Error::invalid("plugin-response", "the body is no plugin's answer")
                .hint("it holds `session`, and `response` or `error`")
        })?;
        let id = response.session.ok_or_else(|| session_not_found(""))?;
        self.with(|board, effects| {
            let known = board.session(id).is_some_and(|session| project.is_none() || session.project == project);
            if !known {
                return Err(session_not_found(&id.to_string()));
            }
            board.conclude(id, response.outcome, now(), effects);
            Ok(())
        })
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> Error {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    Error::unavailable("plugin-unreachable", format!("the plugin at {url} cannot be called: {reason}"))
        .hint("is its script running, and can this machine reach the address?")
}
