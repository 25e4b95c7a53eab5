//! Resources of all kinds in one text.

use axum::Json;
use axum::extract::State;

use super::resources;
use super::shape::{ApplyAnswer, ErrorAnswer};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::TextBody;

/// Stores the workflows, configs and trigger rules of a YAML or JSON text; one with a name that exists replaces it. Nothing is
/// stored when one document of the text is wrong.
#[utoipa::path(post, path = "/api/v1/apply", tag = "workflows",
    request_body(content = String, content_type = "application/yaml", description = "One or several documents of any kind"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(State(app): State<App>, TextBody(text): TextBody) -> Result<Json<ApplyAnswer>, ApiError> {
    Ok(Json(resources::apply(&app, &text, None).await?))
}
