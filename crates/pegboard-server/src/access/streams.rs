//! Event streams last no longer than what let their listener in: a session that ends, a key that is revoked and a role that changes end
//! them. The listener comes back by itself, and is then asked again who it is.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use futures::StreamExt as _;

use super::identity::Identity;
use crate::app::App;

/// How often it is looked whether a listener may still listen.
const LOOK: Duration = Duration::from_secs(2);

/// What a listener came with.
pub(super) struct Listener {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) identity: Identity,
}

/// Whether the answer is a stream of events, which may go on for days.
pub(super) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// The same stream, ending when the listener is not let in any more, or as somebody else.
pub(super) fn ending_with(app: App, listener: Listener, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let over = Box::pin(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            if !app.credentials.still(&app, &listener.uri, &listener.headers, &listener.identity).await {
                return;
            }
        }
    });
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(over)))
}
