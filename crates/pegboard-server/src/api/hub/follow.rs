//! A session as server-sent events, in the form of a run's: what is shown of both is shown the same way.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use pegboard_hub::SessionView;
use pegboard_model::HubId;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::shape::{ErrorAnswer, HubLineAnswer, HubSessionAnswer};
use super::super::stream::{answer, event};
use crate::access::Here;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Parameters;

/// Lines read from the store at once.
const PAGE: usize = 500;
/// How long changes are gathered before the log is read again.
const GATHER: Duration = Duration::from_millis(100);

/// Where a stream goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowParameters {
    /// Only log lines with a sequence number above this one; the header `Last-Event-ID` says the same.
    after: Option<u64>,
}

/// A session as it happens, as server-sent events: `session` (whole, when its state, progress or place changed), `log` (one line; its id is
/// the sequence number), `end`. Resumes after the line named by `Last-Event-ID` or `after`; ends when the session is over.
#[utoipa::path(get, path = "/api/v1/hub/sessions/{id}/events", tag = "hub", params(("id" = String, Path, description = "Its id"), FollowParameters),
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn events(
    app: Here,
    Path(id): Path<String>,
    Parameters(parameters): Parameters<FollowParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // One that does not exist, or is another organization's, is refused, not followed.
    let id = app.session(&id).await?.session.id;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let after = resumed.or(parameters.after).unwrap_or(0);
    let app = App::clone(&app);
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let shutdown = app.shutdown.clone();
        tokio::select! {
            () = shutdown.begun() => {}
            // Ends with the session, when the client is gone, or when the store fails: then the client comes back.
            _ = follow(&app, id, after, &sender) => {}
        }
    });
    Ok(answer(ReceiverStream::new(receiver)).into_response())
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// None: the client is gone, or the store failed.
async fn follow(app: &App, id: HubId, mut after: u64, sender: &Sender) -> Option<()> {
    let mut told = None;
    loop {
        // Asked before anything is read, so that no change falls in between.
        let watch = app.hub.watch(id);
        let view = app.hub.session(id).await.ok()?;
        let is_over = view.session.state.is_final();
        let now = seen(&view);
        if told.as_ref() != Some(&now) {
            send(sender, event("session", &HubSessionAnswer::from(view))).await?;
            told = Some(now);
        }
        loop {
            let lines = app.hub.session_log(id, after, PAGE).await.ok()?;
            let is_full = lines.len() == PAGE;
            for line in lines {
                after = line.sequence;
                send(sender, event("log", &HubLineAnswer::from(line)).id(after.to_string())).await?;
            }
            if !is_full {
                break;
            }
        }
        if is_over {
            return send(sender, Event::default().event("end").data("{}")).await;
        }
        app.hub.changed(watch).await;
        tokio::time::sleep(GATHER).await;
    }
}

/// What makes a session worth telling anew.
fn seen(view: &SessionView) -> impl PartialEq + use<> {
    (view.session.state, view.session.progress, view.position, view.session.attempts)
}

async fn send(sender: &Sender, event: Event) -> Option<()> {
    sender.send(Ok(event)).await.ok()
}
