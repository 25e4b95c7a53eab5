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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use pegboard_model::{CallId, PluginType, RunContext};
    use pegboard_store::{Store, StoreOptions};

    use super::*;
    use crate::hub::HubParts;
    use crate::keyring::Keyring;
    use crate::labelling::Labelling;
    use crate::link::Link;
    use crate::options::HubOptions;
    use crate::plugins::PluginEdit;

    struct World {
        hub: Hub,
        plugin: HubId,
        secret: String,
        _folder: tempfile::TempDir,
    }

    async fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::local(folder.path())).await.unwrap();
        let keyring = Keyring::ephemeral();
        let labelling = Labelling::open(store.clone(), keyring.clone()).await.unwrap();
        let organization = labelling.organization().id;
        let parts = HubParts {
            store,
            keyring,
            labelling,
            options: HubOptions::default(),
            base_url: "http://localhost".to_owned(),
            message_limit: 1 << 20,
        };
        let hub = Hub::start(parts).await.unwrap();
        let edit = PluginEdit { name: Some("detector".to_owned()), ..PluginEdit::default() };
        let (plugin, secret) = hub.create_plugin(organization, PluginType::BatchModel, edit).await.unwrap();
        World { hub, plugin: plugin.id, secret, _folder: folder }
    }

    impl World {
        /// A script that has connected and proved who it is.
        fn script(&self) -> Link {
            let mut link = self.hub.connect(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let mut answers = Vec::new();
            link.receive("40/plugin,{}", &mut answers).unwrap();
            let beat = format!(r#"42/plugin,["heartbeat",{{"id":"{}","secret":"{}"}}]"#, self.plugin, self.secret);
            link.receive(&beat, &mut answers).unwrap();
            assert_eq!(answers.len(), 1);
            link
        }

        fn call(&self, operation: Operation) -> BoxStream<'static, CallEvent> {
            let context = Arc::new(RunContext { id: "r".into(), json: Bytes::from_static(b"{}") });
            let plugin = self.plugin.to_string().parse().unwrap();
            self.hub.call(Call { id: CallId::next(), plugin, operation, context, stage: String::new(), deadline: None })
        }
    }

    fn invoke(payload: &'static str) -> Operation {
        Operation::Invoke { name: "run".into(), payload: Bytes::from_static(payload.as_bytes()) }
    }

    /// Id of the session in the next frame, and the payload.
    async fn sent(script: &mut Link) -> Json {
        let frame = script.outgoing().await.unwrap();
        let list: Json = serde_json::from_str(&frame[frame.find('[').unwrap()..]).unwrap();
        list[1].clone()
    }

    #[tokio::test]
    async fn a_call_is_a_session() {
        let world = world().await;
        let mut script = world.script();
        let mut events = world.call(invoke(r#"{"config": {"a": 1}}"#));
        assert!(world.hub.named(&world.plugin.to_string().parse().unwrap()).is_some());
        let payload = sent(&mut script).await;
        assert_eq!(payload["configJSON"], r#"{"a":1}"#);
        let mut answers = Vec::new();
        let session = payload["session"].as_str().unwrap();
        let log = format!(r#"42/plugin,["log",{{"level":"INFO","msg":"half: [2/1]","session":"{session}"}}]"#);
        let answer = format!(r#"42/plugin,["response",{{"response":[1],"session":"{session}"}}]"#);
        script.receive(&log, &mut answers).unwrap();
        script.receive(&answer, &mut answers).unwrap();
        let (mut said, mut far, mut end) = (Vec::new(), None, None);
        while let Some(event) = events.next().await {
            match event {
                CallEvent::Log(lines) => said.extend(lines.into_iter().map(|line| line.text)),
                CallEvent::Progress { done, total, .. } => far = Some((done, total)),
                CallEvent::Finished { values, .. } => end = Some(values),
                CallEvent::Started { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((said, far), (vec!["half: [2/1]".to_owned()], Some((1.0, Some(2.0)))));
        assert!(matches!(&end.unwrap()[..], [Value::Inline(json)] if json == "[1]"));
        world.hub.shutdown().await;
    }

    #[tokio::test]
    async fn a_dropped_call_is_cancelled() {
        let world = world().await;
        let mut script = world.script();
        let mut events = world.call(invoke("{}"));
        let session: HubId = sent(&mut script).await["session"].as_str().unwrap().parse().unwrap();
        assert!(matches!(events.next().await, Some(CallEvent::Started { .. })));
        drop(events);
        let ended = world.hub.wait(session, Duration::from_secs(30)).await.unwrap();
        assert_eq!(ended.session.state, SessionState::Cancelled);
    }

    #[tokio::test]
    async fn what_cannot_be_called_fails_at_once() {
        let world = world().await;
        let last = async |operation| world.call(operation).collect::<Vec<_>>().await.pop();
        let words = async |operation| match last(operation).await {
            Some(CallEvent::Failed(failure)) => failure.message,
            other => panic!("{other:?}"),
        };
        assert!(words(invoke("{}")).await.contains("is not connected"));
        let _script = world.script();
        assert!(words(invoke("1")).await.contains("payload"));
        assert!(words(invoke(r#"{"config": []}"#)).await.contains("no JSON object"));
        assert!(words(Operation::Stage { target: "a.b".into(), arguments: None }).await.contains("JSON operations only"));
    }
}
