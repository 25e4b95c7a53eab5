//! One call to a file's worker.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use bytes::Bytes;
use futures::StreamExt as _;
use pegboard_model::{
    Call, CallEvent, CallId, Failure, FailureKind, Operation, PluginName, PluginRunner as _, RunContext, Value,
};
use serde_json::{Map, Value as Json};

use super::PanelFile;
use crate::app::App;

/// Calls a function of the file's worker with one JSON value.
pub(crate) async fn ask(app: &App, file: &PanelFile, target: &str, payload: Bytes, deadline: Duration) -> Result<Bytes, Failure> {
    let asked = async {
        let _held = app.dashboard.rota.hold(app, file).await;
        invoke(app, &file.name, target, payload, deadline).await
    };
    // A worker that is busy with a call that hangs answers after that call's deadline, so waiting in line has one, too.
    match tokio::time::timeout(deadline * 2, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::noticed(FailureKind::Deadline, "the plugin was busy with earlier calls for too long")
            .hint("make its callbacks faster, or raise `dashboard.callback_deadline` or `dashboard.workers`")),
    }
}

/// Calls a function of a worker with one JSON value.
pub(crate) async fn invoke(
    app: &App,
    worker: &PluginName,
    target: &str,
    payload: Bytes,
    deadline: Duration,
) -> Result<Bytes, Failure> {
    let mut events = app.engine.call(Call {
        id: CallId::next(),
        plugin: worker.clone(),
        operation: Operation::Invoke { name: target.to_owned(), payload },
        context: Arc::new(RunContext { id: String::new(), json: Bytes::from_static(b"{}") }),
        stage: target.rsplit('.').next().unwrap_or(target).to_owned(),
        deadline: Some(deadline),
    });
    {
        while let Some(event) = events.next().await {
            match event {
                CallEvent::Finished { mut values, .. } => {
                    return match values.pop() {
                        Some(Value::Inline(answer)) => Ok(answer),
                        _ => Err(Failure::noticed(FailureKind::Protocol, "the worker answered with no JSON")),
                    };
                }
                CallEvent::Failed(failure) => return Err(failure),
                CallEvent::Log(lines) => {
                    for line in lines {
                        tracing::info!(plugin.name = %worker, "{}", line.text);
                    }
                }
                _ => {}
            }
        }
        Err(Failure::noticed(FailureKind::Protocol, "the call ended without an answer"))
    }
}

/// The cookies of a request, by name.
pub(crate) fn cookies(headers: &HeaderMap) -> Map<String, Json> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let each = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    each.map(|(name, value)| (name.to_owned(), Json::String(value.to_owned()))).collect()
}

/// The theme that the viewer has chosen.
pub(crate) fn theme(cookies: &Map<String, Json>) -> Option<&str> {
    cookies.get("wb_theme").and_then(Json::as_str)
}
