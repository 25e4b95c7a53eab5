//! One connection of a remote plugin, without its socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pegboard_model::{CallEvent, CallId, Failure, FailureKind, LogLine, Value};
use tokio::sync::mpsc;

use crate::runner::Shared;

/// One call on its way to a remote plugin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dispatch {
    /// Do this and answer with the same id.
    Invoke {
        /// Identity of the call; comes back with every answer.
        call: CallId,
        /// Name of the operation.
        name: String,
        /// One JSON value.
        payload: Bytes,
    },
    /// Nobody waits for this one any more; answers to it are ignored.
    Cancel {
        /// Identity of the call.
        call: CallId,
    },
}

/// What a connection is busy with: the sending ends of the callers' streams.
pub(crate) type Pending = Arc<Mutex<HashMap<CallId, mpsc::UnboundedSender<CallEvent>>>>;

/// The server's end of one connection. Dropping it means that the connection is gone: calls that were on fail.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: u64,
    pub(crate) dispatches: mpsc::UnboundedReceiver<Dispatch>,
    pub(crate) pending: Pending,
    pub(crate) hub: Arc<Shared>,
}

impl Connection {
    /// The next thing to send to the plugin; waits for it.
    pub async fn next(&mut self) -> Option<Dispatch> {
        self.dispatches.recv().await
    }

    /// The plugin gave a sign of life.
    pub fn heard(&self) {
        self.hub.board().heard(self.id, SystemTime::now().into());
    }

    /// Lines that the plugin said during a call. Answers to calls that are not on are ignored.
    pub fn log(&self, call: CallId, lines: Vec<LogLine>) {
        self.send(call, CallEvent::Log(lines));
    }

    /// How far the plugin is.
    pub fn progress(&self, call: CallId, done: f64, total: Option<f64>, message: String) {
        self.send(call, CallEvent::Progress { done, total, message });
    }

    /// The call ended well with this JSON text. The first end counts, later ones are ignored.
    pub fn finished(&self, call: CallId, json: Bytes, busy: Duration) {
        self.end(call, CallEvent::Finished { values: vec![Value::Inline(json)], busy });
    }

    /// The call failed.
    pub fn failed(&self, call: CallId, failure: Failure) {
        self.end(call, CallEvent::Failed(failure));
    }

    fn send(&self, call: CallId, event: CallEvent) {
        self.heard();
        if let Some(caller) = lock(&self.pending).get(&call) {
            let _ = caller.send(event);
        }
    }

    fn end(&self, call: CallId, event: CallEvent) {
        self.heard();
        if let Some(caller) = lock(&self.pending).remove(&call) {
            let _ = caller.send(event);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.forget(self.id);
        for (_, caller) in lock(&self.pending).drain() {
            let failure = Failure::noticed(FailureKind::Died, "the remote plugin disconnected during the call")
                .hint("look at the plugin's own output; start it again and repeat the call");
            let _ = caller.send(CallEvent::Failed(failure));
        }
    }
}

/// Locks, whatever happened to an earlier holder: the maps behind these locks are whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
