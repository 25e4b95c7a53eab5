//! The one way from runs to the store: changes in order, many runs in one commit.
//!
//! Whoever records does not wait for the disk, except where a promise was made (a run exists, a run is over). Entries of one
//! run are applied in the order in which they were given. Listeners hear of a change after it is durable, never before.

use std::collections::HashMap;
use std::mem::Discriminant;

use pegboard_model::RunId;
use pegboard_store::{Change, Store, StoreError};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::events::RunEvent;
use crate::record::Control;

/// Entries on their way before whoever records has to wait.
const QUEUE: usize = 1024;
/// Most entries in one transaction: a commit must not hold up the next one for long.
const MERGED: usize = 256;

/// Handle; cheap to clone. The task behind it ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    entries: mpsc::Sender<Entry>,
}

/// Changes that are applied together or not at all.
struct Entry {
    changes: Vec<Change>,
    reply: Reply,
}

/// Who wants to know.
enum Reply {
    /// The run's driver, when it fails.
    Failure(mpsc::UnboundedSender<Control>),
    /// Somebody waits.
    Outcome(oneshot::Sender<Result<(), StoreError>>),
}

impl Recorder {
    pub(crate) fn start(store: Store, events: broadcast::Sender<RunEvent>) -> Self {
        let (entries, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(record(receiver, store, events));
        Self { entries }
    }

    /// Returns when the changes are on their way; `control` hears when they could not be recorded.
    pub(crate) async fn send(&self, changes: Vec<Change>, control: &mpsc::UnboundedSender<Control>) {
        if changes.is_empty() {
            return;
        }
        let entry = Entry { changes, reply: Reply::Failure(control.clone()) };
        if self.entries.send(entry).await.is_err() {
            let _ = control.send(Control::StoreFailed(gone()));
        }
    }

    /// Returns when the changes, and all that were given before, are durable.
    pub(crate) async fn record(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let (reply, outcome) = oneshot::channel();
        self.entries.send(Entry { changes, reply: Reply::Outcome(reply) }).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the recorder has stopped".to_owned())
}

async fn record(mut receiver: mpsc::Receiver<Entry>, store: Store, events: broadcast::Sender<RunEvent>) {
    let mut entries = Vec::new();
    while receiver.recv_many(&mut entries, MERGED).await > 0 {
        let changes = latest(entries.iter().flat_map(|entry| &entry.changes));
        let together = if changes.is_empty() { Ok(()) } else { store.apply(changes).await };
        for entry in entries.drain(..) {
            // What did not go together goes alone: one bad entry must not fail those of other runs.
            let outcome = match &together {
                Ok(()) => Ok(()),
                Err(_) => store.apply(entry.changes.clone()).await,
            };
            settle(entry, outcome, &events);
        }
    }
}

fn settle(entry: Entry, outcome: Result<(), StoreError>, events: &broadcast::Sender<RunEvent>) {
    if outcome.is_ok() && events.receiver_count() > 0 {
        for change in &entry.changes {
            let _ = events.send(RunEvent::from(change));
        }
    }
    match (entry.reply, outcome) {
        (Reply::Outcome(reply), outcome) => {
            let _ = reply.send(outcome);
        }
        (Reply::Failure(control), Err(error)) => {
            let _ = control.send(Control::StoreFailed(error));
        }
        (Reply::Failure(_), Ok(())) => {}
    }
}

/// The changes in order, without those that a later one replaces.
fn latest<'a>(changes: impl Iterator<Item = &'a Change> + Clone) -> Vec<Change> {
    let mut last: HashMap<(RunId, Option<usize>, Discriminant<Change>), usize> = HashMap::new();
    let key = |change: &Change| match change {
        Change::StageChanged { run, position, .. } => Some((*run, Some(*position), std::mem::discriminant(change))),
        Change::RunChanged(run) => Some((run.uid, None, std::mem::discriminant(change))),
        Change::RunCreated(_) | Change::Logged { .. } => None,
    };
    for (index, change) in changes.clone().enumerate() {
        if let Some(key) = key(change) {
            last.insert(key, index);
        }
    }
    let kept = |(index, change): &(usize, &Change)| key(change).is_none_or(|key| last.get(&key) == Some(index));
    changes.enumerate().filter(kept).map(|(_, change)| change.clone()).collect()
}
