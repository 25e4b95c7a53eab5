//! Everything that happens now, for pages that show the whole house. What happened before is in the log of events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, future, stream};
use pegboard_engine::EngineEvent;
use pegboard_flow::RunEvent;
use pegboard_hub::HubNews;
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;

use super::shape::{PluginAnswer, RunAnswer, StageAnswer, WorkerAnswer};
use super::stream::{answer, event};
use crate::access::Here;
use crate::dashboard::changes;

/// All news as server-sent events: `hello`, then `plugin`, `worker`, `run`, `stage`, `progress`, `log` (only the run's uid and the number of
/// lines), `session` (its id, plugin, state and progress), `live` (a plugin's light turned), `dashboard` (what changed on its pages), and
/// `missed` when the client was too slow and should read what it shows anew.
#[utoipa::path(get, path = "/api/v1/news", tag = "server",
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream")))]
pub(crate) async fn news(app: Here) -> Response {
    // Workflows, packages and their workers are the server's own: its first organization's.
    let is_first = app.organization() == app.labelling.organization().id;
    let engine = BroadcastStream::new(app.engine.events()).map(|news| news.map_or_else(|_| missed(), from_engine));
    let flow = BroadcastStream::new(app.flow.events()).map(|news| news.map_or_else(|_| missed(), from_flow));
    let dashboard = changes(&app);
    let of_the_server = stream::select(stream::select(engine, flow), dashboard).filter(move |_| future::ready(is_first));
    let (news, stop) = (app.hub.news(), app.shutdown.clone());
    let hub = BroadcastStream::new(news).filter_map(move |news| {
        future::ready(match news {
            Ok(news) => is_theirs(&app, &news).then(|| from_hub(news)),
            Err(_) => Some(missed()),
        })
    });
    let hello = event("hello", &json!({ "version": env!("CARGO_PKG_VERSION") }));
    let events = stream::once(async { hello }).chain(stream::select(hub, of_the_server)).map(Ok::<_, Infallible>);
    answer(events.take_until(Box::pin(stop.begun_owned()))).into_response()
}

/// Sessions of their organization, and lights of plugins that they may see.
fn is_theirs(app: &Here, news: &HubNews) -> bool {
    match news {
        HubNews::Session(news) => news.organization == app.organization(),
        HubNews::Light { plugin, .. } => app.plugin(&plugin.to_string()).is_ok(),
    }
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

fn from_hub(news: HubNews) -> Event {
    match news {
        HubNews::Session(news) => event(
            "session",
            &json!({
                "id": news.id.to_string(),
                "plugin": news.plugin.to_string(),
                "name": news.plugin_name,
                "state": news.state.as_str(),
                "progress": news.progress.map(|progress| json!({ "total": progress.total, "done": progress.done })),
                "asked_for": news.is_asked_for,
                "download": news.has_download,
                "failure": news.failure,
            }),
        ),
        HubNews::Light { plugin, live } => event("live", &json!({ "plugin": plugin.to_string(), "live": live })),
    }
}
