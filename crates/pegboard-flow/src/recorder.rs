//! The one way from runs to the store: changes in order, many runs in one commit.
//!
//! Whoever records does not wait for the disk, except where a promise was made (a run exists, a run is over). Entries of one
//! run are applied in the order in which they were given. Listeners hear of a change after it is durable, never before.

use std::collections::HashMap;
use std::mem::Discriminant;
use std::sync::Arc;

use pegboard_model::RunId;
use pegboard_store::{Change, Store, StoreError};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::events::RunEvent;

/// Entries on their way before whoever records has to wait.
const QUEUE: usize = 1024;
/// Most entries in one transaction: a commit must not hold up the next one for long.
const MERGED: usize = 256;

/// Handle; cheap to clone. The task behind it ends with the last one.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    entries: mpsc::Sender<Entry>,
    /// Woken when events were stored.
    stored: Arc<Notify>,
}

/// Changes that are applied together or not at all.
struct Entry {
    changes: Vec<Change>,
    reply: Reply,
}

/// Who wants to know.
enum Reply {
    /// The run's driver, when it fails.
    Failure(mpsc::UnboundedSender<StoreError>),
    /// Somebody waits.
    Outcome(oneshot::Sender<Result<(), StoreError>>),
}

impl Recorder {
    pub(crate) fn start(store: Store, events: broadcast::Sender<RunEvent>) -> Self {
        let (entries, receiver) = mpsc::channel(QUEUE);
        let stored = Arc::new(Notify::new());
        tokio::spawn(record(receiver, store, events, Arc::clone(&stored)));
        Self { entries, stored }
    }

    /// Returns when events were stored since it returned last.
    pub(crate) async fn events_stored(&self) {
        self.stored.notified().await;
    }

    /// Returns when the changes are on their way; `refusals` hears when they could not be recorded.
    pub(crate) async fn send(&self, changes: Vec<Change>, refusals: &mpsc::UnboundedSender<StoreError>) {
        if changes.is_empty() {
            return;
        }
        let entry = Entry { changes, reply: Reply::Failure(refusals.clone()) };
        if self.entries.send(entry).await.is_err() {
            let _ = refusals.send(gone());
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

async fn record(mut receiver: mpsc::Receiver<Entry>, store: Store, events: broadcast::Sender<RunEvent>, stored: Arc<Notify>) {
    let mut entries = Vec::new();
    while receiver.recv_many(&mut entries, MERGED).await > 0 {
        let changes = latest(entries.iter().flat_map(|entry| &entry.changes));
        let together = if changes.is_empty() { Ok(()) } else { store.apply(changes).await };
        let has_events = |entry: &Entry| entry.changes.iter().any(|change| matches!(change, Change::EventStored(_)));
        let wake = entries.iter().any(has_events);
        for entry in entries.drain(..) {
            // What did not go together goes alone: one bad entry must not fail those of other runs.
            let outcome = match &together {
                Ok(()) => Ok(()),
                Err(_) => store.apply(entry.changes.clone()).await,
            };
            settle(entry, outcome, &events);
        }
        if wake {
            stored.notify_one();
        }
    }
}

fn settle(entry: Entry, outcome: Result<(), StoreError>, events: &broadcast::Sender<RunEvent>) {
    if outcome.is_ok() && events.receiver_count() > 0 {
        for event in entry.changes.iter().filter_map(RunEvent::of) {
            let _ = events.send(event);
        }
    }
    match (entry.reply, outcome) {
        (Reply::Outcome(reply), outcome) => {
            let _ = reply.send(outcome);
        }
        (Reply::Failure(refusals), Err(error)) => {
            let _ = refusals.send(error);
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
        Change::RunCreated(_)
        | Change::Logged { .. }
        | Change::EventStored(_)
        | Change::EventHandled { .. }
        | Change::TriggerFired { .. } => None,
    };
    for (index, change) in changes.clone().enumerate() {
        if let Some(key) = key(change) {
            last.insert(key, index);
        }
    }
    let kept = |(index, change): &(usize, &Change)| key(change).is_none_or(|key| last.get(&key) == Some(index));
    changes.enumerate().filter(kept).map(|(_, change)| change.clone()).collect()
}

#[cfg(test)]
mod tests {
    use pegboard_model::{RunCause, RunState, StageRun, Timestamp};
    use pegboard_store::StoreOptions;
    use serde_json::{Map, Value as Json};

    use super::*;

    fn run() -> pegboard_model::Run {
        pegboard_model::Run {
            uid: RunId::random(),
            name: RunId::random().to_string(),
            workflow: "w".to_owned(),
            namespace: "n".to_owned(),
            source: RunCause::Manual,
            state: RunState::Pending,
            input: Map::new(),
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
            stages: vec![stage(RunState::Pending)],
            result: Json::Null,
            result_object: None,
            configs: Vec::new(),
            failure: None,
        }
    }

    fn stage(state: RunState) -> StageRun {
        StageRun {
            name: "s".to_owned(),
            target: "t".to_owned(),
            state,
            started_at: None,
            finished_at: None,
            items: None,
            failure: None,
            cached: false,
            depends_on: Vec::new(),
            plugin: None,
        }
    }

    fn changed(run: RunId, state: RunState) -> Change {
        Change::StageChanged { run, position: 0, stage: stage(state) }
    }

    async fn recorder(directory: &tempfile::TempDir) -> (Recorder, Store, broadcast::Receiver<RunEvent>) {
        let options = StoreOptions { directory: directory.path().to_owned(), postgres_url: None, s3: None };
        let store = Store::open(options).await.unwrap();
        let (events, receiver) = broadcast::channel(10_000);
        (Recorder::start(store.clone(), events), store, receiver)
    }

    #[test]
    fn of_changes_that_replace_each_other_the_last_one_is_kept() {
        let (one, two) = (run(), run());
        let changes = [
            Change::RunCreated(one.clone()),
            changed(one.uid, RunState::Running),
            changed(two.uid, RunState::Running),
            Change::RunChanged(one.clone()),
            Change::Logged { run: one.uid, lines: Vec::new() },
            changed(one.uid, RunState::Finished),
            Change::Logged { run: one.uid, lines: Vec::new() },
            Change::RunChanged(one.clone()),
        ];
        let kept = latest(changes.iter());
        assert_eq!(kept.len(), 6);
        assert!(matches!(&kept[0], Change::RunCreated(_)));
        assert!(matches!(&kept[1], Change::StageChanged { run, .. } if *run == two.uid));
        assert!(matches!(&kept[3], Change::StageChanged { stage, .. } if stage.state == RunState::Finished));
    }

    #[tokio::test]
    async fn waiting_for_the_last_change_is_waiting_for_all_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, store, mut events) = recorder(&directory).await;
        let (refuse, mut refusals) = mpsc::unbounded_channel();
        let run = run();
        recorder.send(vec![Change::RunCreated(run.clone())], &refuse).await;
        for state in [RunState::Running, RunState::Finished] {
            recorder.send(vec![changed(run.uid, state)], &refuse).await;
        }
        recorder.record(Vec::new()).await.unwrap();
        assert_eq!(store.run(run.uid).await.unwrap().unwrap().stages[0].state, RunState::Finished);
        let mut news = Vec::new();
        while let Ok(event) = events.try_recv() {
            news.push(match event {
                RunEvent::Run(_) => "run",
                RunEvent::Stage { stage, .. } => stage.state.as_str(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(news, ["run", "running", "finished"], "merged in the store, told one by one");
        assert!(refusals.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_refused_entry_fails_alone_and_is_no_news() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, store, mut events) = recorder(&directory).await;
        let (refuse, mut refusals) = mpsc::unbounded_channel();
        let (first, second) = (run(), run());
        recorder.record(vec![Change::RunCreated(first.clone())]).await.unwrap();
        // The same run once more cannot be created; what others record meanwhile must not suffer from it.
        let again = recorder.send(vec![Change::RunCreated(first.clone())], &refuse);
        let other = recorder.record(vec![Change::RunCreated(second.clone())]);
        let (_, outcome) = tokio::join!(again, other);
        outcome.unwrap();
        assert!(matches!(refusals.recv().await, Some(StoreError::AlreadyExists(_))));
        assert!(store.run(second.uid).await.unwrap().is_some());
        let mut created = Vec::new();
        while let Ok(RunEvent::Run(run)) = events.try_recv() {
            created.push(run.uid);
        }
        assert_eq!(created, [first.uid, second.uid]);
    }
}
