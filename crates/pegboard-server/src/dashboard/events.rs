//! How open pages learn that something changed.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use crate::api::stream::{answer, event};
use crate::app::App;

/// One change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    /// These panels are new; the rest of the page may stay.
    Panels {
        /// Their keys.
        keys: Vec<String>,
    },
    /// These pages are new: whoever looks at one loads it again.
    Pages {
        /// Their paths; `<name>` stands for a variable.
        paths: Vec<String>,
    },
    /// The last change of these panels' file does not load, or is mended without being another.
    Notices {
        /// Their keys.
        keys: Vec<String>,
    },
    /// Callbacks, pages or assets are others: the page has to be loaded again.
    Site,
    /// A plugin's state changed.
    State,
}

/// The changes, for as long as the page is open.
pub(crate) async fn events(State(app): State<App>) -> impl IntoResponse {
    let stop = app.shutdown.clone();
    let shutdown = async move { stop.begun().await };
    let changes = stream::unfold(app.dashboard.changes(), |mut changes| async move {
        let change = match changes.recv().await {
            Ok(change) => change,
            // It missed some: the whole page is right again.
            Err(RecvError::Lagged(_)) => Change::Site,
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<Event, Infallible>(event("change", &change)), changes))
    });
    let hello = stream::once(async { Ok(Event::default().event("hello").data("{}")) });
    answer(Box::pin(hello.chain(changes).take_until(shutdown)))
}
