//! Jobs for the workers that read and ask tables. A job names files and the answer is written beside them, so no table passes
//! through the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use pegboard_model::{
    Artifact, ArtifactFile, Call, CallEvent, CallId, Error, ErrorKind, Failure, FailureKind, FileFormat, Operation, PluginName,
    PluginRunner as _, RunContext,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::place::{self, Scratch, failed};
use crate::app::App;

/// What a worker is asked to do.
const RUN: &str = "pegboard._tables.run";
/// Longest time for a look at a table.
const LOOK: Duration = Duration::from_secs(60);
/// Longest time for taking a table in.
const TAKE: Duration = Duration::from_secs(30 * 60);

/// Does a job that answers with JSON; the bytes of the answer.
pub(crate) async fn answer(app: &App, job: Json) -> Result<Bytes, Error> {
    let scratch = Scratch::make(app).await?;
    let answered = work(app, job, &scratch, LOOK).await;
    scratch.remove().await;
    answered
}

/// Does a job that answers with a table; an Arrow stream in a file that has no name any more.
pub(crate) async fn arrow(app: &App, mut job: Json) -> Result<tokio::fs::File, Error> {
    let scratch = Scratch::make(app).await?;
    let path = scratch.file("table.arrow");
    job["arrow"] = json!(path);
    let opened = match work(app, job, &scratch, LOOK).await {
        Ok(_) => tokio::fs::File::open(&path).await.map_err(|error| failed(&path, &error)),
        Err(error) => Err(error),
    };
    scratch.remove().await;
    opened
}

/// Turns a file in a foreign format into Parquet at `target`; the answer says rows and columns.
pub(crate) async fn take(app: &App, source: &std::path::Path, format: &str, scratch: &Scratch) -> Result<Json, Error> {
    let job = json!({ "action": "take", "source": source, "format": format, "target": scratch.file("table.parquet") });
    let answer = work(app, job, scratch, TAKE).await?;
    serde_json::from_slice(&answer).map_err(|error| strange(&error.to_string()))
}

/// What the statistics of a table are; looked up once, then kept beside it.
pub(crate) async fn statistics(app: &App, file: &ArtifactFile) -> Result<Bytes, Error> {
    let key = statistics_key(file);
    if let Some(kept) = app.store.object(&key).await? {
        return Ok(kept);
    }
    let job = json!({ "action": "statistics", "path": place::local(app, file).await? });
    let found = answer(app, job).await?;
    app.store.put_object(&key, found.clone()).await?;
    Ok(found)
}

/// Where the statistics of a file are kept.
pub(crate) fn statistics_key(file: &ArtifactFile) -> String {
    format!("{}.statistics", file.object)
}

/// The table of that role.
pub(crate) fn table<'a>(artifact: &'a Artifact, role: &str) -> Result<&'a ArtifactFile, Error> {
    let file = artifact.file(role).ok_or_else(|| {
        let roles: Vec<&str> = artifact.files.iter().map(|file| file.role.as_str()).collect();
        let hint = if roles.is_empty() { "it has no files".to_owned() } else { format!("it has {}", roles.join(", ")) };
        Error::not_found("artifact-file-not-found", format!("{} has no file `{role}`", artifact.reference())).hint(hint)
    })?;
    if file.format == FileFormat::Parquet {
        return Ok(file);
    }
    Err(Error::invalid("not-a-table", format!("file `{role}` of {} is not a table", artifact.reference()))
        .hint("get it whole from `/files/`"))
}

async fn work(app: &App, mut job: Json, scratch: &Scratch, deadline: Duration) -> Result<Bytes, Error> {
    let path = scratch.file("answer.json");
    job["answer"] = json!(path);
    let context = json!({ "input": { "job": job }, "namespace": "", "executor": "local", "config": {} });
    let mut events = app.engine.call(Call {
        id: CallId::next(),
        plugin: PluginName::tables(),
        operation: Operation::Stage { target: RUN.to_owned(), arguments: None },
        context: Arc::new(RunContext { id: format!("table-{}", Uuid::new_v4()), json: Bytes::from(context.to_string()) }),
        stage: "table".to_owned(),
        deadline: Some(deadline),
    });
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Finished { .. } => {
                return tokio::fs::read(&path).await.map(Bytes::from).map_err(|error| failed(&path, &error));
            }
            CallEvent::Failed(failure) => return Err(refusal(failure)),
            _ => {}
        }
    }
    Err(strange("the call ended without an answer"))
}

fn refusal(failure: Failure) -> Error {
    if failure.class == "TableRefused" {
        return Error::invalid("table-refused", failure.message);
    }
    let error = match failure.kind {
        FailureKind::Deadline => Error::invalid("table-slow", "the look at the table took too long and was ended")
            .hint("ask for less: fewer columns, fewer rows, a simpler query"),
        FailureKind::Memory => Error::invalid("table-memory", "the look at the table needed too much memory and was ended")
            .hint("ask for less, or raise `engine.memory`"),
        FailureKind::Exhausted => Error::new(ErrorKind::Exhausted, "exhausted", failure.message),
        FailureKind::Unavailable => Error::unavailable("tables-unavailable", failure.message),
        _ => Error::internal("table-failed", format!("a table could not be read: {}: {}", failure.class, failure.message)),
    };
    let error = match failure.hint {
        Some(hint) if error.hint.is_none() => error.hint(hint),
        _ => error,
    };
    match failure.traceback {
        Some(traceback) => error.detail(traceback),
        None => error,
    }
}

fn strange(why: &str) -> Error {
    Error::internal("table-failed", format!("a worker's answer about a table cannot be read: {why}"))
}
