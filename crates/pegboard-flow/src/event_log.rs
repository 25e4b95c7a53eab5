//! Events: stored together with what they tell of, then told to followers, then handled exactly once.
//!
//! Handling an event is one transaction: it is marked as handled, the run that it asks for is created, the triggers that fire
//! are marked, and what they ask for is stored as events of their own. A server that is killed before has done nothing of it and
//! does it at its next start; one that is killed after has done all of it. Only calls of plugins' own actions are outside:
//! each is made at most once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pegboard_model::{Error, ErrorKind, Event, ResourceName, Run, RunCause, RunId, RunState, Workflow, WorkflowSpec};
use pegboard_store::{Change, StoreError, StoredEvent};
use serde_json::{Map, Value as Json, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::context::zoneless;
use crate::flow::{Flow, Shared};
use crate::launch::Launch;
use crate::record::now;
use crate::trigger::{Fired, Rules};

/// A run began.
pub(crate) const STARTED: &str = "com.event.workflow.workflow_started";
/// A run is over.
pub(crate) const FINISHED: &str = "com.event.workflow.workflow_finished";
/// Somebody wants a run.
pub(crate) const RUN_WORKFLOW: &str = "com.event.workflow.run_workflow";
/// The dialect has one channel.
const CHANNEL: &str = "workflows";
/// Events that are read together.
const PAGE: usize = 256;
/// Time between two looks when nobody woke us: another server may share the store.
const IDLE: Duration = Duration::from_secs(2);
/// Time before something is tried again that the store refused, or that waits for the end of draining.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an event from which nothing follows may wait to be marked as handled.
const MARKED_WITHIN: Duration = Duration::from_millis(250);

impl Flow {
    /// Stores an event; durable when this returns. Triggers and followers see it soon after.
    ///
    /// # Errors
    /// The store's; `already-exists` when there is an event with this id.
    pub async fn publish(&self, event: Event) -> Result<(), Error> {
        Ok(self.shared.recorder.record(vec![Change::EventStored(event)]).await?)
    }

    /// Events from now on, in order. Subscribe first, then read the store: nothing is missed.
    #[must_use]
    pub fn stored_events(&self) -> broadcast::Receiver<Arc<StoredEvent>> {
        self.shared.told.subscribe()
    }
}

fn event(source: &str, event_type: &str, data: Json) -> Event {
    Event {
        id: Uuid::new_v4(),
        time: now(),
        channel: CHANNEL.to_owned(),
        source: source.to_owned(),
        event_type: event_type.to_owned(),
        data,
    }
}

/// A run began.
pub(crate) fn started(run: &Run) -> Event {
    event("compute", STARTED, of_run(run, "running"))
}

/// A run is over.
pub(crate) fn finished(run: &Run) -> Event {
    let state = match run.state {
        // The dialect has no word for a run that the server's end interrupted.
        RunState::Interrupted => RunState::Failed,
        state => state,
    };
    event("compute", FINISHED, of_run(run, state.as_str()))
}

/// A trigger wants a run.
pub(crate) fn wanted(identifier: &str, payload: Json) -> Event {
    event("trigger", RUN_WORKFLOW, json!({ "identifier": identifier, "payload": payload }))
}

fn of_run(run: &Run, state: &str) -> Json {
    json!({
        "uid": run.uid.to_string(),
        "name": run.name,
        "workflow": run.workflow,
        "source": run.source,
        "started_at": run.started_at.map(zoneless),
        "finished_at": run.finished_at.map(zoneless),
        // The dialect never says it here.
        "result": null,
        "state": state,
    })
}

/// Runs that an earlier server left under way are over: who waits for that learns it.
pub(crate) async fn tell_of_interrupted(shared: &Shared, runs: &[RunId]) -> Result<(), Error> {
    let mut changes = Vec::with_capacity(runs.len());
    for uid in runs {
        changes.extend(shared.store.run(*uid).await?.map(|run| Change::EventStored(finished(&run))));
    }
    if !changes.is_empty() {
        shared.recorder.record(changes).await?;
    }
    Ok(())
}

/// Tells of events and handles them, until the server stops.
pub(crate) async fn dispatch(shared: Arc<Shared>, told_through: u64) {
    let mut dispatcher =
        Dispatcher { shared: Arc::clone(&shared), told_through, has_backlog: true, quiet: Vec::new(), quiet_since: None };
    loop {
        let pause = match dispatcher.turn().await {
            Ok(()) if dispatcher.has_backlog => PAUSE,
            Ok(()) if dispatcher.quiet_since.is_some() => MARKED_WITHIN,
            Ok(()) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "events could not be handled; it is tried again");
                dispatcher.has_backlog = true;
                PAUSE
            }
        };
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => break,
            () = shared.recorder.events_stored() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = dispatcher.mark_quiet().await {
        tracing::debug!(%error, "events without consequences are looked at again at the next start");
    }
}

/// The only one who handles events.
struct Dispatcher {
    shared: Arc<Shared>,
    /// Sequence of the event that was told last.
    told_through: u64,
    /// There are stored events that are not handled, besides those not told yet: from an earlier server, or put off.
    has_backlog: bool,
    /// Events from which nothing follows, not marked as handled yet: that is done for many at a time, so that no run waits for
    /// it. When the server ends before, they are looked at again.
    quiet: Vec<StoredEvent>,
    quiet_since: Option<Instant>,
}

impl Dispatcher {
    async fn turn(&mut self) -> Result<(), Error> {
        loop {
            let page = self.shared.store.events(self.told_through, PAGE).await?;
            let is_last = page.len() < PAGE;
            for stored in &page {
                self.told_through = stored.sequence;
                // Nobody listens: nobody misses it.
                let _ = self.shared.told.send(Arc::new(stored.clone()));
            }
            let puts_off = std::mem::replace(&mut self.has_backlog, true) || self.shared.is_draining();
            if !puts_off {
                // Until it is done there is a backlog: an error on the way must not lose any of them.
                let pending = page.into_iter().filter(|stored| !stored.handled).collect();
                self.has_backlog = !self.handle(pending).await?;
            }
            if is_last {
                break;
            }
        }
        while self.has_backlog && !self.shared.is_draining() && !self.shared.stop.is_cancelled() {
            self.mark_quiet().await?;
            let pending = self.shared.store.pending_events(PAGE).await?;
            let is_last = pending.len() < PAGE;
            if !self.handle(pending).await? {
                break;
            }
            self.has_backlog = !is_last;
        }
        if self.quiet.len() >= PAGE || self.quiet_since.is_some_and(|since| since.elapsed() >= MARKED_WITHIN) {
            self.mark_quiet().await?;
        }
        Ok(())
    }

    /// Handles events in order. False: those from some point on have to wait.
    async fn handle(&mut self, events: Vec<StoredEvent>) -> Result<bool, Error> {
        if events.is_empty() {
            return Ok(true);
        }
        let shared = Arc::clone(&self.shared);
        let mut rules = Rules::read(&shared).await?;
        for stored in events {
            if shared.stop.is_cancelled() {
                return Ok(false);
            }
            let fired = rules.fire(&shared, &stored.event);
            if fired.is_empty() && stored.event.event_type != RUN_WORKFLOW {
                shared.triggers.event_settled(stored.event.id);
                self.quiet_since.get_or_insert_with(Instant::now);
                self.quiet.push(stored);
                continue;
            }
            match settle(&shared, &stored, fired).await {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::NotFound => {
                    // A trigger was deleted between the reading of the rules and the writing: look again.
                    rules = Rules::read(&shared).await?;
                    let fired = rules.fire(&shared, &stored.event);
                    settle(&shared, &stored, fired).await?;
                }
                Err(error) if is_refusal(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn mark_quiet(&mut self) -> Result<(), Error> {
        self.quiet_since = None;
        let events = std::mem::take(&mut self.quiet);
        let handled = |stored: &StoredEvent| Change::EventHandled { sequence: stored.sequence };
        match self.shared.recorder.record(events.iter().map(handled).collect()).await {
            // Another server was faster with one of them, so nothing was done for the others.
            Err(StoreError::AlreadyHandled(_)) if events.len() > 1 => {
                for stored in &events {
                    once(self.shared.recorder.record(vec![handled(stored)]).await)?;
                }
            }
            outcome => once(outcome)?,
        }
        Ok(())
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.code.as_str(), "draining" | "server-stopping")
}

/// What is handled already needs no second time.
fn once(outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(StoreError::AlreadyHandled(_)) => Ok(()),
        other => other,
    }
}

/// One transaction: the event is handled, and all that follows from it is stored.
async fn settle(shared: &Arc<Shared>, stored: &StoredEvent, fired: Fired) -> Result<(), Error> {
    let mut with = vec![Change::EventHandled { sequence: stored.sequence }];
    with.extend(fired.changes());
    let outcome = match asked_for(shared, &stored.event).await? {
        Some((workflow, input)) => {
            let cause = match stored.event.source.as_str() {
                "api" => RunCause::Api,
                "manual" => RunCause::Manual,
                _ => RunCause::Trigger,
            };
            let because = Some(stored.event.id);
            shared.launch(Launch { workflow, input, namespace: None, cause, because, with }).await.map(drop)
        }
        None => shared.recorder.record(with).await.map_err(Error::from),
    };
    match outcome {
        Ok(()) => fired.committed(shared),
        Err(error) if error.code == "already-handled" => fired.dropped(shared),
        Err(error) => {
            fired.dropped(shared);
            return Err(error);
        }
    }
    shared.triggers.event_settled(stored.event.id);
    Ok(())
}

/// The workflow that the event asks for, and its input.
async fn asked_for(shared: &Shared, event: &Event) -> Result<Option<(Workflow, Map<String, Json>)>, Error> {
    if event.event_type != RUN_WORKFLOW {
        return Ok(None);
    }
    let Some(identifier) = event.data["identifier"].as_str() else {
        tracing::warn!(event.id = %event.id, "an event asks for a run, but names no workflow in `identifier`");
        return Ok(None);
    };
    let found = match (Uuid::parse_str(identifier), identifier.parse::<ResourceName>()) {
        (Ok(uid), _) => shared.store.by_uid::<WorkflowSpec>(uid).await?,
        (_, Ok(name)) => shared.store.by_name::<WorkflowSpec>(&name).await?,
        _ => None,
    };
    let Some(workflow) = found else {
        tracing::warn!(event.id = %event.id, workflow = identifier, "an event asks for a run of a workflow that does not exist");
        let told = format!("there is no workflow `{identifier}`");
        shared.triggers.problem_of_event(event.id, &told, shared.options.clock.now());
        return Ok(None);
    };
    let input = match &event.data["payload"] {
        Json::Object(input) => input.clone(),
        Json::Null => Map::new(),
        _ => {
            tracing::warn!(event.id = %event.id, workflow = identifier, "an event asks for a run, but its `payload` is no object");
            return Ok(None);
        }
    };
    Ok(Some((workflow, input)))
}
