//! Ango's HTTP dialect: what its SDK asks for below `/v2`, and our own files below `/files`.
//!
//! Every route but those of files needs a key in the header `apikey`; files need the signature in their link. Refusals have a JSON
//! object with `status` and `message`, because releases of the client read it whatever the status. What clients send unencoded
//! or under an older name is understood; `docs/compat/ango.md` has a row for each route.
//!
//! Reading order: `asked` and `answer` (how a request begins and ends), `wire` (the shapes), then one file per noun.

mod answer;
mod asked;
mod assets;
mod exports;
mod files;
mod issues;
mod labels;
mod organization;
mod paths;
mod projects;
mod storages;
mod tasks;
mod wire;

pub(crate) use answer::refused;
pub(crate) use asked::base;
pub(crate) use files::place_and_link;
pub(crate) use labels::{new_asset, prelabel};
pub(crate) use paths::one_slash;
pub(crate) use wire::{read_stages, stage as stage_record};


use crate::access::{Access, Routes, delete, get, post, put};

/// The dialect's paths.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/v2/getUploadUrl", get(files::upload_url))
        .route("/v2/getSignedUrl", get(files::signed_url))
        .route("/v2/export", get(exports::export))
        .route("/v2/exportV3", get(exports::export_v3))
        .route("/v2/import/labels", post(labels::import))
        .route("/v2/annotate/{task}", post(labels::annotate))
        .route("/v2/listProjects", get(projects::list))
        .route("/v2/project", post(projects::create))
        .route("/v2/project/{id}", get(projects::show).post(projects::change).delete(projects::remove))
        .route("/v2/project/{id}/purge", post(projects::purge))
        .route("/v2/project/{id}/clone", post(projects::copy))
        .route("/v2/project/{id}/assigned", post(projects::add_members))
        .route("/v2/project/{id}/labelValidation", post(projects::label_validation))
        .route("/v2/project/{id}/assetBuilderTemplates", post(projects::add_template))
        .route("/v2/project/{id}/instructions", post(projects::instructions))
        .route("/v2/project/{id}/assets", get(assets::list).delete(assets::remove))
        .route("/v2/project/{id}/cloud", post(assets::import))
        .route("/v2/project/{id}/tasks", get(tasks::list))
        .route("/v2/project/{id}/requeueTasks", post(tasks::requeue))
        .route("/v2/project/{id}/updatePriority", post(tasks::update_priority))
        .route("/v2/project/{id}/benchmark-tasks", post(tasks::benchmarks))
        .route("/v2/batches/{project}", post(projects::batches))
        .route("/v2/assignBatches", post(assets::assign_batches))
        .route("/v2/attachments", post(assets::attach))
        .route("/v2/priority/{project}", post(tasks::priority_of_asset))
        .route("/v2/task/assign", post(tasks::assign))
        .route("/v2/task/{id}", get(tasks::show))
        .route("/v2/task/{id}/history", get(tasks::history))
        .route("/v2/task/{id}/status", post(tasks::set_status))
        .route("/v2/taskHistory/{id}", get(tasks::past_stage))
        .route("/v2/review/{task}", post(tasks::review))
        .route("/v2/issues", get(issues::list).post(issues::create))
        .route("/v2/issues/{id}", post(issues::update).delete(issues::remove))
        .route("/v2/issues/{id}/comment", post(issues::comment))
        .route("/v2/storages", get(storages::list).post(storages::create))
        .route("/v2/integrations", get(storages::list_integrations))
        .route("/v2/storages/{id}", delete(storages::remove))
        .route("/v2/storages/{id}/files", get(storages::files))
        .route("/v2/file-explorer", post(storages::explore))
        .route(
            "/v2/organization/{id}/users",
            get(organization::users).post(organization::change_users).delete(organization::remove_users),
        )
        .route(
            "/v2/organization/{id}/invites",
            get(organization::invites).post(organization::invite).delete(organization::withdraw),
        )
        .route("/v2/project/{id}/chat", post(organization::no_chat))
        .route("/v2/project/{id}/rerun-webhook", post(organization::no_webhooks))
        .route("/v2/webhook", post(organization::no_webhooks))
        .route("/v2/llms", get(organization::no_llms).post(organization::no_llms))
        .route("/v2/llms/{id}", delete(organization::no_llms))
        .route("/v2/notifications", post(organization::notify))
        .route("/v2/performance/{id}", post(organization::no_metrics))
        .route("/v2/{project}/overview/{metric}", get(organization::no_metrics))
        .route("/files/{*path}", get(files::read).and(put(files::write)))
        .need(Access::OwnCheck)
}
