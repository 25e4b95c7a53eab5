//! The one task that stores what happens to sessions.
//!
//! It takes what is queued, folds the changes of each session into one transaction, and lets the store commit those together. Whoever
//! watches a session is told after its change is durable. The end of a session that somebody asked for is an event as well, stored
//! together with it: a notice for people, and what triggers can wait for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use pegboard_model::{Event, HubId, Session, SessionCause, SessionLine, SessionState};
use pegboard_store::StoreError;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hub::{Hub, now};
use crate::labelling::plugin_tasks::TaskOutcome;

/// Jobs taken at once.
const BATCH: usize = 512;
/// Transactions under way at once.
const PARALLEL: usize = 64;
/// How often a store that fails is tried.
const TRIES: u32 = 30;

/// Channel and source of the hub's events.
const CHANNEL: &str = "hub";
/// A session that a user asked for has ended.
const SESSION_FINISHED: &str = "com.pegboard.hub.session_finished";

/// Something to store.
#[derive(Debug)]
pub(crate) enum Job {
    /// The session's document and lines.
    Change { session: Arc<Session>, lines: Vec<SessionLine> },
    /// Lines after the end.
    Append { session: HubId, lines: Vec<SessionLine> },
    /// A run's key.
    Forget { key: HubId },
    /// What is queued before this is the last.
    Stop,
}

#[derive(Default)]
struct Folded {
    session: Option<Arc<Session>>,
    lines: Vec<SessionLine>,
    late: Vec<SessionLine>,
}

pub(crate) async fn record(hub: Hub, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if jobs.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (mut folded, mut stops) = (HashMap::<HubId, Folded>::new(), false);
        for job in batch.drain(..) {
            match job {
                Job::Change { session, lines } => {
                    let entry = folded.entry(session.id).or_default();
                    entry.lines.extend(lines);
                    entry.session = Some(session);
                }
                Job::Append { session, lines } => folded.entry(session).or_default().late.extend(lines),
                Job::Forget { key } => {
                    // A key that is gone already is as good.
                    let _ = hub.inner.labelling.end_key(key).await;
                }
                Job::Stop => stops = true,
            }
        }
        stream::iter(folded).for_each_concurrent(PARALLEL, |(id, folded)| store(&hub, id, folded)).await;
        if stops {
            return;
        }
    }
}

async fn store(hub: &Hub, id: HubId, folded: Folded) {
    if let Some(session) = folded.session {
        change(hub, session, folded.lines).await;
    }
    if !folded.late.is_empty()
        && let Err(error) = hub.inner.store.log_session(id, folded.late).await
    {
        tracing::warn!(session.id = %id, "late lines are lost: {error}");
    }
    hub.board().recorded(id);
}

async fn change(hub: &Hub, session: Arc<Session>, lines: Vec<SessionLine>) {
    let mut session = Arc::unwrap_or_clone(session);
    for attempt in 1..=TRIES {
        let stored = async {
            set_result_apart(hub, &mut session).await?;
            hub.inner.store.change_session(&session, lines.clone(), notice(hub, &session).as_ref()).await
        };
        match stored.await {
            Ok(()) => break,
            Err(StoreError::ChangedMeanwhile(_)) => {
                // Another server, or the one before this, has stored an end: that one counts.
                tracing::info!(session.id = %session.id, "the session had ended before");
                break;
            }
            Err(error) => {
                tracing::error!(session.id = %session.id, attempt, "a session cannot be stored: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    if session.state.is_final() {
        tell_task(hub, &session).await;
    }
}

/// What tells of the end of a session that a user has asked for.
fn notice(hub: &Hub, session: &Session) -> Option<Event> {
    if !session.state.is_final() || session.cause != SessionCause::User {
        return None;
    }
    let name = hub.plugin(session.plugin).map(|plugin| plugin.name).ok();
    let data = json!({
        "session": session.id,
        "plugin": session.plugin,
        "name": name,
        "plugin_type": session.plugin_type,
        "project": session.project,
        "run_by": session.run_by,
        "state": session.state,
        "download": session.download,
        "failure": session.failure.as_ref().map(|failure| &failure.message),
    });
    Some(Event {
        id: Uuid::new_v4(),
        time: session.finished_at.unwrap_or_else(now),
        channel: CHANNEL.to_owned(),
        source: CHANNEL.to_owned(),
        event_type: SESSION_FINISHED.to_owned(),
        data,
    })
}

/// A large result becomes an object: the database holds no large values.
async fn set_result_apart(hub: &Hub, session: &mut Session) -> Result<(), StoreError> {
    if session.result.is_null() || session.result_object.is_some() {
        return Ok(());
    }
    let text = session.result.to_string();
    if text.len() <= hub.inner.options.result_limit {
        return Ok(());
    }
    let key = format!("hub/results/{}", session.id);
    hub.inner.store.put_object(&key, text.into()).await?;
    (session.result, session.result_object) = (Json::Null, Some(key));
    Ok(())
}

/// What a session's end means for the task that it was about. Its success is told by the HTTP API.
async fn tell_task(hub: &Hub, session: &Session) {
    let SessionCause::Stage { task, .. } = session.cause else { return };
    let why = match (session.state, &session.failure) {
        (SessionState::Failed, Some(failure)) => failure.message.clone(),
        (SessionState::Cancelled, _) => "the session was cancelled".to_owned(),
        _ => return,
    };
    if let Err(error) = hub.inner.labelling.finish_task(task, &TaskOutcome::Failed(why)).await {
        tracing::error!(task.id = %task, session.id = %session.id, "a failed task cannot be marked: {error}");
    }
}
