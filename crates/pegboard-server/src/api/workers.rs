//! Processes that run plugins' code.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::shape::{WorkerAnswer, WorkerList};
use crate::app::App;
use crate::extract::Parameters;

/// What of the workers is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkersQuery {
    #[serde(default = "yes")]
    memory: bool,
}

fn yes() -> bool {
    true
}

/// All workers.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers",
    params(("memory" = Option<bool>, Query, description = "`false`: without looking at their memory, which takes milliseconds")),
    responses((status = 200, body = WorkerList)))]
pub(crate) async fn list(State(app): State<App>, Parameters(query): Parameters<WorkersQuery>) -> Json<WorkerList> {
    let mut workers: Vec<_> = app.engine.workers().into_iter().map(WorkerAnswer::from).collect();
    workers.sort_by(|a, b| (&a.plugin, a.process_id).cmp(&(&b.plugin, b.process_id)));
    if query.memory {
        look_at_memory(&app, &mut workers).await;
    }
    Json(WorkerList { workers })
}

/// Fills in the memory of workers whose memory is not known: the engine itself looks only where there is a limit.
pub(super) async fn look_at_memory(app: &App, workers: &mut [WorkerAnswer]) {
    let unknown = workers.iter().filter(|worker| worker.memory_bytes.is_none());
    let processes: Vec<u32> = unknown.filter_map(|worker| worker.process_id).collect();
    let memory = app.memory.of(&processes).await;
    for worker in workers {
        worker.memory_bytes = worker.memory_bytes.or_else(|| memory.get(&worker.process_id?).copied());
    }
}
