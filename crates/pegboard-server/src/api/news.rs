//! Everything that happens now, for pages that show the whole house. What happened before is in the log of events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use pegboard_engine::EngineEvent;
use pegboard_flow::RunEvent;
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;

use super::shape::{PluginAnswer, RunAnswer, StageAnswer, WorkerAnswer};
use super::stream::{answer, event};
use crate::app::App;
use crate::dashboard::changes;

/// All news as server-sent events: `hello`, then `plugin`, `worker`, `run`, `stage`, `progress`, `log` (only the run's uid and the number of
/// lines), `dashboard` (what changed on its pages), and `missed` when the client was too slow and should read what it shows anew.
#[utoipa::path(get, path = "/api/v1/news", tag = "server",
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream")))]
pub(crate) async fn news(State(app): State<App>) -> Response {
    let engine = BroadcastStream::new(app.engine.events()).map(|news| news.map_or_else(|_| missed(), from_engine));
    let flow = BroadcastStream::new(app.flow.events()).map(|news| news.map_or_else(|_| missed(), from_flow));
    let hello = event("hello", &json!({ "version": env!("CARGO_PKG_VERSION") }));
    let dashboard = changes(&app);
    let news = stream::select(stream::select(engine, flow), dashboard);
    let events = stream::once(async { hello }).chain(news).map(Ok::<_, Infallible>);
    answer(events.take_until(Box::pin(app.shutdown.begun_owned()))).into_response()
}

fn missed() -> Event {
    event("missed", &json!({}))
}

fn from_engine(news: EngineEvent) -> Event {
    match news {
        EngineEvent::PluginChanged(record) => event("plugin", &PluginAnswer::new(Arc::unwrap_or_clone(record), &[], &[])),
        EngineEvent::WorkerChanged(status) => event("worker", &WorkerAnswer::from(status)),
    }
}

fn from_flow(news: RunEvent) -> Event {
    match news {
        RunEvent::Run(run) => event("run", &RunAnswer::from(Arc::unwrap_or_clone(run))),
        RunEvent::Stage { run, position, stage } => {
            event("stage", &json!({ "run": run, "position": position, "stage": StageAnswer::from(Arc::unwrap_or_clone(stage)) }))
        }
        RunEvent::Progress { run, position, done, total, message } => {
            event("progress", &json!({ "run": run, "position": position, "done": done, "total": total, "message": message }))
        }
        RunEvent::Log { run, lines } => event("log", &json!({ "run": run, "lines": lines.len() })),
    }
}
