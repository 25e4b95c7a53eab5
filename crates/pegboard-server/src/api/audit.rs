//! The record of who did what.

use axum::Json;
use pegboard_store::AuditPage;
use serde::Deserialize;

use super::shape::{AuditAnswer, AuditList, ErrorAnswer};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::Parameters;

/// Lines of a page when the client says nothing.
const PAGE: usize = 100;

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParameters {
    /// The page behind this line: its `sequence`, as `next` says it.
    after: Option<u64>,
    /// Only lines that came later than this one.
    since: Option<u64>,
    /// At most so many, up to 1000.
    limit: Option<usize>,
}

/// What was changed in the organization and by whom, newest first, and who failed to come in.
#[utoipa::path(get, path = "/api/v1/audit", tag = "people", params(AuditParameters),
    responses((status = 200, body = AuditList), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn list(app: Here, Parameters(parameters): Parameters<AuditParameters>) -> Result<Json<AuditList>, ApiError> {
    let limit = parameters.limit.unwrap_or(PAGE).clamp(1, 1000);
    let page = match (parameters.after, parameters.since) {
        (Some(number), _) => AuditPage::Before(number),
        (None, Some(number)) => AuditPage::Since(number),
        (None, None) => AuditPage::Newest,
    };
    let mut found = app.store.audit(app.organization(), page, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    if let (Some(since), AuditPage::Before(_)) = (parameters.since, page) {
        found.retain(|stored| stored.sequence > since);
    }
    let next = found.last().filter(|_| more).map(|stored| stored.sequence);
    Ok(Json(AuditList { entries: found.into_iter().map(AuditAnswer::from).collect(), next }))
}
