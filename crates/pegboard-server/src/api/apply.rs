//! Resources of all kinds in one text.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::resources;
use super::shape::{ApplyAnswer, ErrorAnswer};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Parameters, TextBody};

/// How to take the text.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplyParameters {
    /// Only says what would change.
    #[serde(default)]
    dry_run: bool,
}

/// Stores the workflows, configs and trigger rules of a YAML or JSON text; one with a name that exists replaces it. Nothing is
/// stored when one document of the text is wrong. With `dry_run` nothing is stored at all, and each answer has a `diff`.
#[utoipa::path(post, path = "/api/v1/apply", tag = "workflows", params(ApplyParameters),
    request_body(content = String, content_type = "application/yaml", description = "One or several documents of any kind"),
    responses((status = 200, body = ApplyAnswer), (status = 400, description = "Names line and column", body = ErrorAnswer)))]
pub(crate) async fn apply(
    State(app): State<App>,
    Parameters(parameters): Parameters<ApplyParameters>,
    TextBody(text): TextBody,
) -> Result<Json<ApplyAnswer>, ApiError> {
    let answer = match parameters.dry_run {
        true => resources::rehearse(&app, &text).await?,
        false => resources::apply(&app, &text, None).await?,
    };
    Ok(Json(answer))
}
