//! How open pages learn that something changed.

use axum::response::sse::Event;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use crate::api::stream::event;
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

/// The changes as news, for as long as somebody listens.
pub(crate) fn changes(app: &App) -> impl Stream<Item = Event> + Send + use<> {
    stream::unfold(app.dashboard.changes(), |mut changes| async move {
        let change = match changes.recv().await {
            Ok(change) => change,
            // It missed some: the whole page is right again.
            Err(RecvError::Lagged(_)) => Change::Site,
            Err(RecvError::Closed) => return None,
        };
        Some((event("dashboard", &change), changes))
    })
}
