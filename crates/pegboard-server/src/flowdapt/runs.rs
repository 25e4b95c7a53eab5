//! Runs: started, listed, looked up, removed.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use pegboard_model::{RunCause, WorkflowSpec};
use pegboard_store::RunFilter;

use super::answer::{Refused, answer};
use super::read::{Body, Parameters};
use super::resources;
use super::version::{Kind, negotiate};
use super::wire::RunWire;
use crate::app::App;

/// Runs in a list when no limit is given.
const LIMIT: i64 = 10;

pub(super) async fn start(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let version = negotiate(Kind::WorkflowRun, &headers)?;
    let parameters = Parameters::of(&uri)?;
    let wait = parameters.flag("wait", true)?;
    let namespace = parameters.text("namespace").filter(|namespace| !namespace.is_empty()).map(str::to_owned);
    let input = body.input()?;
    if app.flow.is_draining() {
        return Err(Refused::draining());
    }
    let workflow = resources::find::<WorkflowSpec>(&app, &id).await?;
    let mut run = app.flow.run(&workflow, input, namespace, RunCause::Api).await?;
    if wait {
        // A client that goes away ends this wait, not the run.
        run = app.flow.wait(run.uid).await?;
    }
    answer(Kind::WorkflowRun, version, &RunWire::of(run, &app.store).await?)
}

pub(super) async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let version = negotiate(Kind::WorkflowRun, &headers)?;
    let limit = Parameters::of(&uri)?.integer("limit")?.unwrap_or(LIMIT);
    let workflow = resources::find::<WorkflowSpec>(&app, &id).await?;
    // Runs belong to a name, not to the workflow that had it. Zero is all of them.
    let limit = usize::try_from(limit).unwrap_or(0);
    let filter = RunFilter { workflow: Some(workflow.metadata.name.to_string()), limit, ..RunFilter::default() };
    let mut wires = Vec::new();
    for run in app.store.runs(&filter).await? {
        wires.push(RunWire::of(run, &app.store).await?);
    }
    answer(Kind::WorkflowRun, version, &wires)
}

/// Of the workflow that is called `run`.
pub(super) async fn list_of_run(state: State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Refused> {
    list(state, Path("run".to_owned()), uri, headers).await
}

/// Of the workflow that is called `run`.
pub(super) async fn start_run(state: State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    start(state, Path("run".to_owned()), uri, headers, body).await
}

pub(super) async fn show(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::WorkflowRun, &headers)?;
    let run = app.flow.run_find(&id).await?;
    answer(Kind::WorkflowRun, version, &RunWire::of(run, &app.store).await?)
}

/// Removes the record, also of a run that is under way: that one goes on, and writes nothing any more.
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::WorkflowRun, &headers)?;
    let run = app.flow.run_find(&id).await?;
    let (uid, object) = (run.uid, run.result_object.clone());
    let wire = RunWire::of(run, &app.store).await?;
    if !app.store.delete_run(uid).await? {
        return Err(Refused::absent());
    }
    if let Some(key) = object {
        app.store.delete_object(&key).await?;
    }
    answer(Kind::WorkflowRun, version, &wire)
}
