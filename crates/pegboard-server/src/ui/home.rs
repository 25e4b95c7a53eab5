//! `/ui/`: plugins, the latest runs, triggers and workers.

use std::time::SystemTime;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pegboard_model::Timestamp;
use pegboard_store::RunFilter;

use super::html::html;
use super::words;
use crate::api::shape::{FailureAnswer, PluginAnswer, RunAnswer};
use crate::api::{plugins, triggers};
use crate::app::App;
use crate::error::ApiError;

/// Runs on the page.
const LATEST: usize = 30;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    home: Home,
    version: &'static str,
}

#[derive(Template)]
#[template(path = "home_fragment.html")]
struct Home {
    plugins: Vec<PluginAnswer>,
    runs: Vec<RunRow>,
    triggers: Vec<TriggerRow>,
    workers: Vec<WorkerRow>,
}

struct RunRow {
    uid: String,
    name: String,
    workflow: String,
    state: String,
    when: String,
    took: String,
    failure: Option<FailureAnswer>,
}

struct TriggerRow {
    name: String,
    action: String,
    last: String,
    next: String,
    problem: String,
}

struct WorkerRow {
    plugin: String,
    process: String,
    state: String,
    calls: u64,
    memory: String,
    since: String,
}

/// The whole page.
pub(crate) async fn page(State(app): State<App>) -> Result<Response, ApiError> {
    html(&Page { home: home(&app).await?, version: env!("CARGO_PKG_VERSION") })
}

/// What changes on it.
pub(crate) async fn fragment(State(app): State<App>) -> Result<Response, ApiError> {
    html(&home(&app).await?)
}

async fn home(app: &App) -> Result<Home, ApiError> {
    let now = Timestamp::from(SystemTime::now());
    let runs = app.store.runs(&RunFilter { limit: LATEST, ..RunFilter::default() }).await?;
    let plugins = plugins::answers(app);
    let triggers = triggers::answers(app).await?.into_iter().map(|trigger| TriggerRow {
        action: match trigger.action.parameters.get("workflow").and_then(serde_json::Value::as_str) {
            Some(workflow) if trigger.action.target == "run_workflow" => format!("run {workflow}"),
            _ => trigger.action.target,
        },
        last: trigger.last_fired_at.map_or_else(|| "never".to_owned(), |time| words::ago(&time, now)),
        next: match trigger.next.first() {
            Some(next) => format!("{} UTC", words::instant(next)),
            None if trigger.trigger_type == "schedule" => "never again".to_owned(),
            None => "on an event".to_owned(),
        },
        name: trigger.name,
        problem: trigger.problem.unwrap_or_default(),
    });
    let triggers = triggers.collect();
    let workers = plugins.iter().flat_map(|plugin| &plugin.workers).map(|worker| WorkerRow {
        plugin: worker.plugin.clone(),
        process: worker.process_id.map_or_else(|| "remote".to_owned(), |id| id.to_string()),
        state: worker.state.clone(),
        calls: worker.calls,
        memory: words::memory(worker.memory_bytes),
        since: words::ago(&worker.started_at, now),
    });
    let workers = workers.collect();
    let runs = runs.into_iter().map(RunAnswer::from).map(|run| RunRow {
        when: words::ago(&run.created_at, now),
        took: words::duration(run.duration_ms),
        uid: run.uid,
        name: run.name,
        workflow: run.workflow,
        state: run.state,
        failure: run.failure,
    });
    Ok(Home { runs: runs.collect(), plugins, triggers, workers })
}
