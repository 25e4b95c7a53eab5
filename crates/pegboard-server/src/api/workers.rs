//! Processes that run plugins' code.

use axum::Json;
use axum::extract::State;

use super::shape::{WorkerAnswer, WorkerList};
use crate::app::App;

/// All workers.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses((status = 200, body = WorkerList)))]
pub(crate) async fn list(State(app): State<App>) -> Json<WorkerList> {
    let mut workers: Vec<_> = app.engine.workers().into_iter().map(WorkerAnswer::from).collect();
    workers.sort_by(|a, b| (&a.plugin, a.process_id).cmp(&(&b.plugin, b.process_id)));
    Json(WorkerList { workers })
}
