//! Runs as server-sent events. News from the flow only say that something is new: log lines are read from the store, where each
//! has its number. So a stream that lagged, or begins anew after a number, is complete and in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use pegboard_flow::RunEvent;
use pegboard_model::{Run, RunId};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::shape::{LogAnswer, RunAnswer, StageAnswer};
use crate::app::App;

/// Lines read from the store at once.
const PAGE: usize = 500;

/// How long news are gathered before the log is read again: a chatty plugin costs ten reads a second, not one per line.
const GATHER: Duration = Duration::from_millis(100);

/// How often the store is asked even without news, in case some were missed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Beats that keep proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event with a JSON body.
pub(crate) fn event<T: Serialize>(name: &str, body: &T) -> Event {
    // Shapes have string keys only: they always have a JSON form.
    Event::default().event(name).json_data(body).unwrap_or_default()
}

/// Wraps events as an answer that stays open.
pub(crate) fn answer<S>(events: S) -> Sse<axum::response::sse::KeepAliveStream<S>>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Follows one run until it is over, the client leaves or the server stops.
pub(crate) fn run_events(
    app: App,
    run: Run,
    news: broadcast::Receiver<RunEvent>,
    after: u64,
) -> Sse<axum::response::sse::KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let shutdown = app.shutdown.clone();
        tokio::select! {
            () = shutdown.begun() => {}
            // Ends when the client is gone, when the store fails, or with the run.
            _ = (Follower { app, uid: run.uid, sender, after }).follow(run, news) => {}
        }
    });
    answer(ReceiverStream::new(receiver))
}

/// The client left, or the store failed: the client comes back with the number of its last line.
struct Over;

struct Follower {
    app: App,
    uid: RunId,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    after: u64,
}

impl Follower {
    async fn follow(mut self, run: Run, mut news: broadcast::Receiver<RunEvent>) -> Result<(), Over> {
        let mut over = run.state.is_final();
        self.send(event("run", &RunAnswer::from(run))).await?;
        self.lines().await?;
        while !over {
            let mut again = false;
            match tokio::time::timeout(LOOK_AGAIN, news.recv()).await {
                Ok(Ok(first)) => {
                    let mut next = Some(first);
                    let gathered = tokio::time::Instant::now() + GATHER;
                    while let Some(event) = next {
                        over |= self.pass_on(event).await?;
                        next = if over { None } else { self.gather(&mut news, gathered, &mut again).await };
                    }
                }
                Ok(Err(_)) | Err(_) => again = true,
            }
            if again {
                let run = self.stored().await?;
                over |= run.state.is_final();
                self.send(event("run", &RunAnswer::from(run))).await?;
            }
            if !over {
                self.lines().await?;
            }
        }
        self.last_words().await
    }

    /// The next event before the deadline, whichever run it is of.
    async fn gather(
        &self,
        news: &mut broadcast::Receiver<RunEvent>,
        until: tokio::time::Instant,
        again: &mut bool,
    ) -> Option<RunEvent> {
        match tokio::time::timeout_at(until, news.recv()).await {
            Ok(Ok(event)) => Some(event),
            Ok(Err(_)) => {
                *again = true;
                None
            }
            Err(_) => None,
        }
    }

    /// Sends what an event says; true when the run is over.
    async fn pass_on(&mut self, news: RunEvent) -> Result<bool, Over> {
        match news {
            RunEvent::Run(run) if run.uid == self.uid => {
                if run.state.is_final() {
                    return Ok(true);
                }
                self.send(event("run", &RunAnswer::from(Arc::unwrap_or_clone(run)))).await?;
            }
            RunEvent::Stage { run, position, stage } if run == self.uid => {
                if stage.state.is_final() {
                    // What a stage said comes before its end.
                    self.lines().await?;
                }
                let stage = StageAnswer::from(Arc::unwrap_or_clone(stage));
                self.send(event("stage", &json!({ "position": position, "stage": stage }))).await?;
            }
            RunEvent::Progress { run, position, done, total, message } if run == self.uid => {
                let progress = json!({ "position": position, "done": done, "total": total, "message": message });
                self.send(event("progress", &progress)).await?;
            }
            _ => {}
        }
        Ok(false)
    }

    async fn lines(&mut self) -> Result<(), Over> {
        loop {
            let lines = self.app.store.log(self.uid, self.after, PAGE).await.map_err(|error| self.failed(&error))?;
            let full = lines.len() == PAGE;
            for line in lines {
                self.after = line.sequence;
                let event = event("log", &LogAnswer::from(line)).id(self.after.to_string());
                self.send(event).await?;
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// The news of the end may come before its record: waits for the record, then says all that is left.
    async fn last_words(&mut self) -> Result<(), Over> {
        let mut run = self.stored().await?;
        while !run.state.is_final() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            run = self.stored().await?;
        }
        self.lines().await?;
        self.send(event("run", &RunAnswer::from(run))).await?;
        self.send(Event::default().event("end").data("{}")).await
    }

    async fn stored(&self) -> Result<Run, Over> {
        // A run that was removed meanwhile has nothing more to say.
        self.app.store.run(self.uid).await.map_err(|error| self.failed(&error))?.ok_or(Over)
    }

    fn failed(&self, error: &pegboard_store::StoreError) -> Over {
        tracing::error!(run.id = %self.uid, error = %error, "cannot read a run for its event stream");
        Over
    }

    async fn send(&self, event: Event) -> Result<(), Over> {
        self.sender.send(Ok(event)).await.map_err(|_| Over)
    }
}
