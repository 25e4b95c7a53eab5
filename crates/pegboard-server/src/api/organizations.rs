//! Organizations: what they own is theirs alone. Admins of the first one make others.

use axum::Json;
use axum::http::HeaderMap;
use pegboard_model::LinkPurpose;

use super::shape::{ErrorAnswer, OrganizationAnswer, OrganizationBody, OrganizationList, OrganizationMade};
use super::users::linked;
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// All organizations.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "people", responses((status = 200, body = OrganizationList)))]
pub(crate) async fn list(app: Here) -> Result<Json<OrganizationList>, ApiError> {
    let (all, first) = (app.labelling.organizations().await?, app.labelling.organization().id);
    let organizations = all.iter().map(|one| OrganizationAnswer::new(one, one.id == first)).collect();
    Ok(Json(OrganizationList { organizations }))
}

/// Makes an organization with its first admin, whose link is told this once.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "people", request_body = OrganizationBody,
    responses((status = 200, body = OrganizationMade), (status = 400, body = ErrorAnswer), (status = 409, body = ErrorAnswer)))]
pub(crate) async fn create(
    app: Here,
    headers: HeaderMap,
    JsonBody(body): JsonBody<OrganizationBody>,
) -> Result<Json<OrganizationMade>, ApiError> {
    let (organization, admin) = app.labelling.create_organization(&body.name, &body.admin).await?;
    let admin = linked(&app, &headers, &admin, LinkPurpose::Invitation).await?;
    Ok(Json(OrganizationMade { organization: OrganizationAnswer::new(&organization, false), admin }))
}
