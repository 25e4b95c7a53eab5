//! The hub as a `PluginRunner`: a call to a remote plugin is a session.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use pegboard_model::{
    Call, CallEvent, ClassPair, Error, Failure, FailureKind, HubId, LogLine, LogStream, Operation, PluginName, PluginRunner,
    SessionCause, SessionState, Value,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;

use crate::hub::{Hub, now};
use crate::sessions::RunRequest;

/// What a call to a remote plugin says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    /// On which project.
    project: Option<HubId>,
    /// A JSON object, or its text.
    config: Json,
    /// The plugin's classes and the project's tools.
    classes: Vec<ClassPair>,
    /// What the type takes besides.
    parameters: Map<String, Json>,
}

impl Hub {
    /// The remote plugin that a name means: the 24 digits of its id are its name where local plugins have one.
    #[must_use]
    pub fn named(&self, name: &PluginName) -> Option<HubId> {
        let id = name.as_str().parse().ok()?;
        self.board().plugin(id).map(|plugin| plugin.id)
    }

    async fn follow(self, call: Call, events: mpsc::UnboundedSender<CallEvent>) {
        let mut guard = Abandon { hub: self.clone(), session: None };
        let end = match self.begin_call(&call).await {
            Err(error) => CallEvent::Failed(failed(&error)),
            Ok(id) => {
                guard.session = Some(id);
                tokio::select! {
                    end = self.tell(id, &events) => end,
                    () = events.closed() => return,
                }
            }
        };
        guard.session = None;
        // The caller may be gone by now: then nobody wants to know.
        let _ = events.send(end);
    }

    async fn begin_call(&self, call: &Call) -> Result<HubId, Error> {
        let Operation::Invoke { payload, .. } = &call.operation else {
            return Err(Error::invalid("remote-operation", "a remote plugin takes JSON operations only")
                .hint("run stages in a plugin that is installed here"));
        };
        let plugin = self.named(&call.plugin).ok_or_else(|| crate::plugins::plugin_not_found(call.plugin.as_str()))?;
        let payload: Payload = serde_json::from_slice(payload).map_err(|error| {
            Error::invalid("remote-operation", format!("the call's payload is not what a run takes: {error}"))
        })?;
        if !self.presence(plugin).is_some_and(|presence| presence.live) {
            return Err(Error::unavailable("plugin-not-live", format!("remote plugin `{plugin}` is not connected"))
                .hint("start its script, then repeat the call"));
        }
        let config = match payload.config {
            Json::Null => None,
            Json::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let request = RunRequest {
            plugin,
            project: payload.project,
            organization: self.inner.labelling.organization().id,
            run_by: self.inner.labelling.admin().await?.id,
            cause: SessionCause::Call,
            config,
            classes: payload.classes,
            parameters: payload.parameters,
            timeout: call.deadline,
        };
        Ok(self.run(request).await?.session.id)
    }

    /// Says what happens until the end, which it returns.
    async fn tell(&self, id: HubId, events: &mpsc::UnboundedSender<CallEvent>) -> CallEvent {
        let (mut said, mut started, begun) = (0, false, SystemTime::now());
        loop {
            let watch = self.board().watch(id);
            let view = match self.session(id).await {
                Ok(view) => view,
                Err(error) => return CallEvent::Failed(failed(&error)),
            };
            let session = view.session;
            if !started && session.started_at.is_some() {
                started = true;
                let _ = events.send(CallEvent::Started { process_id: None });
            }
            while let Ok(lines) = self.session_log(id, said, 500).await
                && let Some(last) = lines.last()
            {
                said = last.sequence;
                let line = |stored: pegboard_store::StoredSessionLine| LogLine {
                    time: stored.line.time,
                    stage: None,
                    stream: LogStream::Logger,
                    level: stored.line.level,
                    text: stored.line.text,
                };
                let _ = events.send(CallEvent::Log(lines.into_iter().map(line).collect()));
            }
            if let Some(progress) = session.progress {
                let (done, total) = (progress.done as f64, Some(progress.total as f64));
                let _ = events.send(CallEvent::Progress { done, total, message: String::new() });
            }
            match session.state {
                SessionState::Queued | SessionState::Running => self.changed(watch).await,
                SessionState::Finished => {
                    let json = match self.result(&session).await {
                        Ok(json) => json.unwrap_or(Bytes::from_static(b"null")),
                        Err(error) => return CallEvent::Failed(failed(&error)),
                    };
                    let busy = begun.elapsed().unwrap_or(Duration::ZERO);
                    return CallEvent::Finished { values: vec![Value::Inline(json)], busy };
                }
                SessionState::Cancelled => {
                    return CallEvent::Failed(Failure::noticed(FailureKind::Cancelled, "the session was cancelled"));
                }
                SessionState::Failed => {
                    let failure = session.failure.as_ref();
                    let message = failure.map_or("the session failed", |failure| failure.message.as_str());
                    let kind = match failure.map_or("", |failure| failure.code.as_str()) {
                        "session-timeout" => FailureKind::Deadline,
                        "plugin-left" | "plugin-restarted" => FailureKind::Died,
                        "session-queue-timeout" | "plugin-unreachable" | "plugin-removed" => FailureKind::Unavailable,
                        _ => FailureKind::Raised,
                    };
                    let mut told = Failure::noticed(kind, message);
                    told.hint = failure.and_then(|failure| failure.hint.clone());
                    return CallEvent::Failed(told);
                }
            }
        }
    }
}

impl PluginRunner for Hub {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(self.clone().follow(call, sender));
        stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            let event = receiver.recv().await?;
            let is_end = matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_));
            Some((event, (!is_end).then_some(receiver)))
        })
        .boxed()
    }

    fn slots(&self, plugin: &PluginName) -> usize {
        let presence = self.named(plugin).and_then(|id| self.presence(id));
        presence.map_or(1, |presence| presence.connections.max(1) * self.inner.options.sessions_per_connection as usize)
    }

    fn owner(&self, _target: &str) -> PluginName {
        PluginName::base()
    }
}

/// Cancels the session of a call that nobody waits for any more.
struct Abandon {
    hub: Hub,
    session: Option<HubId>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            self.hub.with(|board, effects| board.cancel(session, now(), effects));
        }
    }
}

fn failed(error: &Error) -> Failure {
    let mut failure = Failure::noticed(FailureKind::Unavailable, error.message.clone());
    failure.hint.clone_from(&error.hint);
    failure
}
