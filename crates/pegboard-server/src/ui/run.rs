//! `/ui/runs/{id}`: one run with its stages, result and log.

use std::time::SystemTime;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pegboard_model::{Run, Timestamp};

use super::html::html;
use super::words;
use crate::api::runs;
use crate::api::shape::{FailureAnswer, LogAnswer, RunAnswer, StageAnswer};
use crate::app::App;
use crate::error::ApiError;

/// Log lines on the page before the script fetches the rest.
const LINES: usize = 1000;

/// Longest result or input shown; more of a result is a link.
const RESULT: usize = 100_000;

/// Longer inputs are folded.
const SHORT: usize = 300;

#[derive(Template)]
#[template(path = "run.html")]
struct Page {
    uid: String,
    name: String,
    state: RunPart,
    lines: Vec<LineRow>,
    last: u64,
    version: &'static str,
}

#[derive(Template)]
#[template(path = "run_fragment.html")]
struct RunPart {
    uid: String,
    workflow: String,
    state: String,
    over: bool,
    when: String,
    took: String,
    input: String,
    stages: Vec<StageRow>,
    result: Option<String>,
    table: Option<Table>,
    result_is_apart: bool,
    failure: Option<FailureAnswer>,
    /// Then the traceback stands with that stage, not twice.
    stage_failed: bool,
}

struct StageRow {
    name: String,
    target: String,
    state: String,
    took: String,
    items: Option<(u64, u64, String)>,
    failure: Option<FailureAnswer>,
}

struct LineRow {
    time: String,
    stage: String,
    level: String,
    text: String,
}

/// A result of the form `{"table": [{…}, …]}`, which says that it wants to be shown as one.
struct Table {
    columns: Vec<String>,
    /// Which columns hold numbers: they stand at the right.
    numbers: Vec<bool>,
    rows: Vec<Vec<String>>,
}

/// The whole page.
pub(crate) async fn page(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let run = runs::find(&app, &id).await?;
    let lines: Vec<_> = app.store.log(run.uid, 0, LINES).await?.into_iter().map(LogAnswer::from).collect();
    let last = lines.last().map_or(0, |line| line.sequence);
    let lines = lines.into_iter().map(|line| LineRow {
        time: words::instant(&line.time).split_off(11),
        stage: line.stage.unwrap_or_default(),
        level: line.level,
        text: line.text,
    });
    let lines = lines.collect();
    let (uid, name) = (run.uid.to_string(), run.name.clone());
    html(&Page { uid, name, state: part(run), lines, last, version: env!("CARGO_PKG_VERSION") })
}

/// What changes on it, the log apart.
pub(crate) async fn fragment(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    html(&part(runs::find(&app, &id).await?))
}

fn part(run: Run) -> RunPart {
    let now = Timestamp::from(SystemTime::now());
    let elapsed = run.started_at.map(|started| run.finished_at.unwrap_or(now).milliseconds_since(started));
    let run = RunAnswer::from(run);
    let over = run.is_final();
    let table = table(&run.result);
    let result =
        serde_json::to_string_pretty(&run.result).ok().filter(|text| over && !run.result.is_null() && text.len() <= RESULT);
    let mut input = if run.input.is_empty() { String::new() } else { serde_json::Value::Object(run.input).to_string() };
    if input.len() > RESULT {
        input = input.chars().take(RESULT).chain(['…']).collect();
    }
    RunPart {
        took: words::duration(elapsed),
        when: words::instant(&run.created_at),
        input,
        stage_failed: run.stages.iter().any(|stage| stage.failure.is_some()),
        stages: run.stages.into_iter().map(StageRow::from).collect(),
        result_is_apart: run.result_is_apart || (run.state == "finished" && result.is_none() && !run.result.is_null()),
        uid: run.uid,
        workflow: run.workflow,
        state: run.state,
        failure: run.failure,
        over,
        result,
        table,
    }
}

fn table(result: &serde_json::Value) -> Option<Table> {
    let rows = result.get("table")?.as_array()?.iter().map(|row| row.as_object()).collect::<Option<Vec<_>>>()?;
    let first = *rows.first()?;
    // What a row is about comes first, its numbers after it.
    let mut columns: Vec<String> = first.keys().cloned().collect();
    columns.sort_by_key(|column| first[column].is_number());
    let numbers = columns.iter().map(|column| first[column].is_number()).collect();
    let cell = |value: Option<&serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or_default()),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let rows = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(column))).collect()).collect();
    Some(Table { columns, numbers, rows })
}

impl From<StageAnswer> for StageRow {
    fn from(stage: StageAnswer) -> Self {
        let items = stage.items.map(|items| (items.done + items.failed, items.total.max(1), words::items(&items)));
        let (took, failure) = (words::duration(stage.duration_ms), stage.failure);
        Self { name: stage.name, target: stage.target, state: stage.state, took, items, failure }
    }
}
