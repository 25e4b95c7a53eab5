//! The hub as a `PluginRunner`: calls go to the least busy live connection of the plugin.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use pegboard_model::{Call, CallEvent, CallId, Failure, FailureKind, Operation, PluginName, PluginRunner};
use tokio::sync::mpsc;

use crate::connection::{Connection, Dispatch, Pending, lock};
use crate::presence::{Presence, PresenceBoard};

/// What all connections share.
pub(crate) struct Shared {
    board: Mutex<PresenceBoard>,
    links: Mutex<HashMap<u64, Link>>,
    next: AtomicU64,
}

/// The hub's end of one connection.
#[derive(Clone)]
struct Link {
    plugin: PluginName,
    dispatches: mpsc::UnboundedSender<Dispatch>,
    pending: Pending,
}

impl Shared {
    pub(crate) fn board(&self) -> MutexGuard<'_, PresenceBoard> {
        lock(&self.board)
    }

    pub(crate) fn forget(&self, connection: u64) {
        self.board().left(connection);
        lock(&self.links).remove(&connection);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hub({} connections)", lock(&self.links).len())
    }
}

/// All remote plugins. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

impl Hub {
    /// A connection that is silent for `time_to_live` gets no calls.
    #[must_use]
    pub fn new(time_to_live: Duration) -> Self {
        let board = Mutex::new(PresenceBoard::new(time_to_live));
        Self { shared: Arc::new(Shared { board, links: Mutex::default(), next: AtomicU64::new(1) }) }
    }

    /// A plugin has connected and proved who it is. Several connections of one plugin share its work.
    #[must_use]
    pub fn connect(&self, plugin: PluginName) -> Connection {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, dispatches) = mpsc::unbounded_channel();
        let pending = Pending::default();
        self.shared.board().arrived(id, plugin.clone(), SystemTime::now().into());
        lock(&self.shared.links).insert(id, Link { plugin, dispatches: sender, pending: Arc::clone(&pending) });
        Connection { id, dispatches, pending, hub: Arc::clone(&self.shared) }
    }

    /// Whether and how a plugin is here.
    #[must_use]
    pub fn presence(&self, plugin: &PluginName) -> Option<Presence> {
        self.shared.board().of(plugin, SystemTime::now().into())
    }

    /// Live connections of a plugin, least busy first.
    fn links(&self, plugin: &PluginName) -> Vec<Link> {
        let now = SystemTime::now().into();
        let board = self.shared.board();
        let links = lock(&self.shared.links);
        let mut live: Vec<_> = links
            .iter()
            .filter(|(id, link)| link.plugin == *plugin && board.is_live(**id, now))
            .map(|(_, link)| link.clone())
            .collect();
        live.sort_by_key(|link| lock(&link.pending).len());
        live
    }
}

impl PluginRunner for Hub {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let Operation::Invoke { name, payload } = call.operation else {
            return failed("a remote plugin takes JSON operations only", "run stages in a plugin that is installed here");
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        for link in self.links(&call.plugin) {
            lock(&link.pending).insert(call.id, sender.clone());
            let dispatch = Dispatch::Invoke { call: call.id, name: name.clone(), payload: payload.clone() };
            if link.dispatches.send(dispatch).is_err() {
                lock(&link.pending).remove(&call.id);
                continue;
            }
            let _ = sender.send(CallEvent::Started { process_id: None });
            return answers(receiver, Abandon { link, call: call.id });
        }
        failed(&format!("remote plugin `{}` is not connected", call.plugin), "start its script, then repeat the call")
    }

    fn slots(&self, plugin: &PluginName) -> usize {
        self.presence(plugin).map_or(1, |presence| presence.connections)
    }

    fn owner(&self, _target: &str) -> PluginName {
        PluginName::base()
    }
}

/// Tells the plugin that nobody waits any more, if the call is still on.
struct Abandon {
    link: Link,
    call: CallId,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if lock(&self.link.pending).remove(&self.call).is_some() {
            let _ = self.link.dispatches.send(Dispatch::Cancel { call: self.call });
        }
    }
}

/// The caller's stream: ends after the end of the call; dropped before it, the call is cancelled.
fn answers(receiver: mpsc::UnboundedReceiver<CallEvent>, guard: Abandon) -> BoxStream<'static, CallEvent> {
    stream::unfold(Some((receiver, guard)), |state| async move {
        let (mut receiver, guard) = state?;
        let event = receiver.recv().await?;
        let is_end = matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_));
        Some((event, (!is_end).then_some((receiver, guard))))
    })
    .boxed()
}

fn failed(message: &str, hint: &str) -> BoxStream<'static, CallEvent> {
    let failure = Failure::noticed(FailureKind::Unavailable, message).hint(hint);
    stream::iter([CallEvent::Failed(failure)]).boxed()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pegboard_model::{RunContext, Value};

    use super::*;

    fn call(id: u64, plugin: &str) -> Call {
        Call {
            id: CallId(id),
            plugin: plugin.parse().unwrap(),
            operation: Operation::Invoke { name: "model".into(), payload: Bytes::from_static(b"{}") },
            context: Arc::new(RunContext { id: "r".into(), json: Bytes::from_static(b"{}") }),
            stage: String::new(),
            deadline: None,
        }
    }

    #[tokio::test]
    async fn a_connected_plugin_answers() {
        let hub = Hub::new(Duration::from_secs(60));
        let mut connection = hub.connect("detector".parse().unwrap());
        let mut events = hub.call(call(7, "detector"));
        assert!(matches!(events.next().await, Some(CallEvent::Started { process_id: None })));
        let Some(Dispatch::Invoke { call, name, .. }) = connection.next().await else { panic!("no dispatch") };
        assert_eq!((call, name.as_str()), (CallId(7), "model"));
        connection.progress(call, 1.0, Some(2.0), String::new());
        connection.finished(call, Bytes::from_static(b"[1]"), Duration::ZERO);
        connection.finished(call, Bytes::from_static(b"[2]"), Duration::ZERO);
        assert!(matches!(events.next().await, Some(CallEvent::Progress { .. })));
        let Some(CallEvent::Finished { values, .. }) = events.next().await else { panic!("not finished") };
        assert!(matches!(&values[..], [Value::Inline(json)] if json == "[1]"));
        assert!(events.next().await.is_none(), "exactly one end");
    }

    #[tokio::test]
    async fn an_absent_plugin_fails_at_once() {
        let hub = Hub::new(Duration::from_secs(60));
        drop(hub.connect("detector".parse().unwrap()));
        let events: Vec<_> = hub.call(call(1, "detector")).collect().await;
        assert!(matches!(&events[..], [CallEvent::Failed(failure)] if failure.kind == FailureKind::Unavailable));
    }

    #[tokio::test]
    async fn a_lost_connection_fails_its_calls_and_no_others() {
        let hub = Hub::new(Duration::from_secs(60));
        let first = hub.connect("detector".parse().unwrap());
        let lost = hub.call(call(1, "detector"));
        let second = hub.connect("detector".parse().unwrap());
        let kept = hub.call(call(2, "detector"));
        drop(first);
        let lost: Vec<_> = lost.collect().await;
        assert!(matches!(lost.last(), Some(CallEvent::Failed(failure)) if failure.kind == FailureKind::Died));
        second.finished(CallId(2), Bytes::from_static(b"1"), Duration::ZERO);
        assert!(matches!(kept.collect::<Vec<_>>().await.last(), Some(CallEvent::Finished { .. })));
    }

    #[tokio::test]
    async fn a_dropped_stream_cancels() {
        let hub = Hub::new(Duration::from_secs(60));
        let mut connection = hub.connect("detector".parse().unwrap());
        drop(hub.call(call(3, "detector")));
        assert!(matches!(connection.next().await, Some(Dispatch::Invoke { .. })));
        assert_eq!(connection.next().await, Some(Dispatch::Cancel { call: CallId(3) }));
    }

    #[tokio::test]
    async fn pickles_stay_here() {
        let hub = Hub::new(Duration::from_secs(60));
        let _connection = hub.connect("detector".parse().unwrap());
        let mut stage = call(1, "detector");
        stage.operation = Operation::Stage { target: "a.b".into(), arguments: None };
        let events: Vec<_> = hub.call(stage).collect().await;
        assert!(matches!(&events[..], [CallEvent::Failed(_)]));
    }
}
