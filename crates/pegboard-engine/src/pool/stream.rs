//! The caller's end of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use pegboard_model::{CallEvent, Failure, FailureKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Pool;

/// Events of one call: ends after exactly one `Finished` or `Failed`. Dropped before, it leaves the queue or cancels.
pub(crate) struct CallStream {
    pool: Arc<Pool>,
    ticket: u64,
    events: mpsc::Receiver<CallEvent>,
    cancel: CancellationToken,
    ended: bool,
}

impl CallStream {
    pub(super) fn new(pool: Arc<Pool>, ticket: u64, events: mpsc::Receiver<CallEvent>, cancel: CancellationToken) -> Self {
        Self { pool, ticket, events, cancel, ended: false }
    }
}

impl Stream for CallStream {
    type Item = CallEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = match self.events.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(event)) => event,
            // The task that had the call is gone: the server stops, or it is our own fault. Never without an end.
            Poll::Ready(None) => {
                let message = format!("call of `{}` was given up before its end", self.pool.plugin());
                CallEvent::Failed(Failure::noticed(FailureKind::Cancelled, message).hint("call it again"))
            }
        };
        self.ended = matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_));
        if matches!(event, CallEvent::Failed(_)) {
            self.pool.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Some(event))
    }
}

impl Drop for CallStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel.cancel();
            self.pool.withdraw(self.ticket);
        }
    }
}

/// A call that nobody takes.
pub(crate) fn refused(failure: Failure) -> BoxStream<'static, CallEvent> {
    stream::once(std::future::ready(CallEvent::Failed(failure))).boxed()
}
