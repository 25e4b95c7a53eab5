//! What a person wants to hear of without asking: exports that are ready, runs and sessions that failed.

use axum::Json;
use pegboard_model::{RunState, SessionState};
use pegboard_store::{RunFilter, SessionFilter};
use serde::{Deserialize, Serialize};

use super::shape::{HubSessionAnswer, RunAnswer};
use crate::access::Here;
use crate::error::ApiError;

/// Notices of each kind.
const EACH: usize = 20;

/// Newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct NoticeList {
    /// At most 40.
    pub notices: Vec<Notice>,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Notice {
    /// `run-failed`, `session-failed`, `export-ready` or `session-finished`.
    pub kind: String,
    /// In a sentence.
    pub title: String,
    /// Why, when there is a cause.
    pub text: String,
    /// Page that says more.
    pub path: String,
    /// RFC 3339.
    pub time: String,
}

/// The latest notices.
#[utoipa::path(get, path = "/api/v1/notices", tag = "server", responses((status = 200, body = NoticeList)))]
pub(crate) async fn list(app: Here) -> Result<Json<NoticeList>, ApiError> {
    let mut notices = Vec::new();
    let failed = RunFilter { state: Some(RunState::Failed), limit: EACH, ..RunFilter::default() };
    // Runs are the server's own.
    let is_first = app.organization() == app.labelling.organization().id;
    let runs = if is_first { app.store.runs(&failed).await? } else { Vec::new() };
    for run in runs.into_iter().map(RunAnswer::from) {
        notices.push(Notice {
            kind: "run-failed".to_owned(),
            title: format!("Run {} failed", run.name),
            text: run.failure.map(|failure| format!("{}: {}", failure.class, failure.message)).unwrap_or_default(),
            path: format!("/ui/runs/{}", run.uid),
            time: run.finished_at.unwrap_or(run.created_at),
        });
    }
    for state in [SessionState::Finished, SessionState::Failed] {
        let filter =
            SessionFilter { state: Some(state), limit: EACH, organization: Some(app.organization()), ..SessionFilter::default() };
        for session in app.hub.sessions(&filter).await?.into_iter().map(HubSessionAnswer::from) {
            if session.cause == "user" {
                notices.push(of_session(&app, session));
            }
        }
    }
    notices.sort_by(|a, b| b.time.cmp(&a.time));
    notices.truncate(2 * EACH);
    Ok(Json(NoticeList { notices }))
}

fn of_session(app: &Here, session: HubSessionAnswer) -> Notice {
    let name = app.plugin(&session.plugin).map_or_else(|_| "A plugin".to_owned(), |plugin| plugin.name);
    let (kind, title) = match (session.state.as_str(), &session.download) {
        ("failed", _) => ("session-failed", format!("{name} failed")),
        (_, Some(_)) => ("export-ready", format!("The export of {name} is ready")),
        _ => ("session-finished", format!("{name} finished")),
    };
    Notice {
        kind: kind.to_owned(),
        title,
        text: session.failure.map(|failure| failure.message).unwrap_or_default(),
        path: format!("/ui/sessions/{}", session.id),
        time: session.finished_at.unwrap_or(session.created_at),
    }
}
