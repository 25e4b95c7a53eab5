//! What nobody has read of a request's body, read before the answer goes out.
//!
//! A refusal may come before the whole body has: of a client without a right, of a path that is not there, of more than the server
//! takes. A connection that is closed at that moment breaks under a client that still writes, and the client never sees why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use futures::stream::Fuse;
use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout, timeout_at};

/// Longest time in all for a body that nobody wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time until its next piece.
const SILENCE: Duration = Duration::from_secs(2);

/// A body that is read twice: by the handler, and to its end by us.
#[derive(Clone)]
struct Shared {
    pieces: Arc<Mutex<Fuse<BodyDataStream>>>,
    is_begun: Arc<AtomicBool>,
}

impl Shared {
    fn new(body: Body) -> Self {
        Self { pieces: Arc::new(Mutex::new(body.into_data_stream().fuse())), is_begun: Arc::default() }
    }

    fn pieces(&self) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
        let Self { pieces, is_begun } = self.clone();
        stream::poll_fn(move |context| -> Poll<Option<Result<Bytes, axum::Error>>> {
            is_begun.store(true, Ordering::Relaxed);
            pieces.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
        })
    }
}

pub(crate) async fn read_remainder(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Such a client sends nothing before it is told to, which the first look at the body does.
    let waits = parts.headers.contains_key(EXPECT);
    let shared = Shared::new(body);
    let response = next.run(Request::from_parts(parts, Body::from_stream(shared.pieces()))).await;
    if !waits || shared.is_begun.load(Ordering::Relaxed) {
        let until = Instant::now() + PATIENCE;
        let mut pieces = shared.pieces();
        while let Ok(Ok(Some(Ok(_)))) = timeout_at(until, timeout(SILENCE, pieces.next())).await {}
    }
    response
}
