//! How Markdown will look, before anybody else sees it.

use axum::Json;

use super::super::shape::{ErrorAnswer, HubPreview, HubPreviewBody};
use super::details_html;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Markdown as HTML that is safe to show, as plugins' details and generated pages are shown.
#[utoipa::path(post, path = "/api/v1/hub/preview", tag = "hub", request_body = HubPreviewBody,
    responses((status = 200, body = HubPreview), (status = 400, body = ErrorAnswer)))]
pub(crate) async fn preview(JsonBody(body): JsonBody<HubPreviewBody>) -> Result<Json<HubPreview>, ApiError> {
    // Parsing may take a while: not on a thread that others wait for.
    let html = tokio::task::spawn_blocking(move || details_html(&body.markdown)).await.unwrap_or_default();
    Ok(Json(HubPreview { html }))
}
