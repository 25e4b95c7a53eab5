//! The log of events: what is stored, then what comes, in one stream. News from the flow only say that something is new: events are
//! read from the store, where each has its number. So a stream that lagged, or begins anew after a number, is complete and in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use pegboard_store::{StoreError, StoredEvent};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::shape::EventAnswer;
use super::stream::{answer, event};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Parameters;

/// Events read from the store at once.
const PAGE: usize = 500;
/// How often the store is asked even without news: another server may share it.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Where the stream begins.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParameters {
    /// Only events with a sequence above this one, 0 for all; those from now on when absent. The header `Last-Event-ID` says the same.
    after: Option<u64>,
}

/// Events as server-sent events: each `event` has its sequence as id; `current` (`sequence`) comes once, when all that was stored
/// is told. Events are kept as long as runs are; a stream that begins before the first one that is kept begins there.
#[utoipa::path(get, path = "/api/v1/events", tag = "triggers", params(EventParameters),
    responses((status = 200, description = "Server-sent events; the data of `event` is an `EventAnswer`", body = EventAnswer, content_type = "text/event-stream")))]
pub(crate) async fn events(
    State(app): State<App>,
    Parameters(parameters): Parameters<EventParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Listening begins before the store is read, so that nothing is lost in between.
    let news = app.flow.stored_events();
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let after = match resumed.or(parameters.after) {
        Some(after) => after,
        None => app.store.last_event().await?,
    };
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let shutdown = app.shutdown.clone();
        tokio::select! {
            () = shutdown.begun() => {}
            // Ends when the client is gone or the store fails: the client comes back with the number of its last event.
            outcome = tell(&app, news, after, &sender) => {
                if let Err(Over::Failed(error)) = outcome {
                    tracing::error!(error = %error, "cannot read events for a stream");
                }
            }
        }
    });
    Ok(answer(ReceiverStream::new(receiver)).into_response())
}

/// Why a stream ends.
enum Over {
    Left,
    Failed(StoreError),
}

async fn tell(
    app: &App,
    mut news: broadcast::Receiver<Arc<StoredEvent>>,
    mut after: u64,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) -> Result<(), Over> {
    let mut is_current = false;
    loop {
        let page = app.store.events(after, PAGE).await.map_err(Over::Failed)?;
        let is_last = page.len() < PAGE;
        for stored in page {
            after = stored.sequence;
            let told = event("event", &EventAnswer::from(stored)).id(after.to_string());
            sender.send(Ok(told)).await.map_err(|_| Over::Left)?;
        }
        if !is_last {
            continue;
        }
        if !is_current {
            is_current = true;
            sender.send(Ok(event("current", &json!({ "sequence": after })))).await.map_err(|_| Over::Left)?;
        }
        tokio::select! {
            () = sender.closed() => return Err(Over::Left),
            // Whatever it says, the store has it all. What came meanwhile needs no look of its own.
            _ = tokio::time::timeout(LOOK_AGAIN, news.recv()) => while matches!(news.try_recv(), Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_))) {},
        }
    }
}
