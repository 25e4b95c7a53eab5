//! The OpenAPI document, gathered from the handlers. A test compares it with the router's table.

use axum::Json;
use utoipa::OpenApi;

use crate::api::{
    apply, catalog, configs, dashboard, events, health, hub, keys, labelling, news, plugins, projects, runs, status, triggers,
    workers, workflows,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Pegboard", description = "One server on which a team hangs all of its ML plugins"),
    paths(
        status::status, status::settings, news::news, events::events, document,
        dashboard::list, dashboard::reload,
        plugins::list, plugins::show, plugins::install, plugins::upgrade, plugins::reload, plugins::uninstall,
        workers::list,
        apply::apply, workflows::list, workflows::show, workflows::apply, workflows::put, workflows::delete,
        catalog::list, catalog::show, catalog::create, catalog::amend, catalog::delete, catalog::rows, catalog::statistics,
        catalog::outliers, catalog::file, catalog::query, catalog::upload,
        configs::list, configs::show, configs::apply, configs::put, configs::delete,
        triggers::list, triggers::show, triggers::apply, triggers::put, triggers::delete,
        runs::list, runs::show, runs::start, runs::cancel, runs::resume, runs::result, runs::log, runs::events, runs::delete,
        hub::plugins::list, hub::plugins::show, hub::plugins::create, hub::plugins::update, hub::plugins::remove, hub::plugins::rotate,
        hub::hosting::host, hub::hosting::unhost, hub::hosting::restart, hub::hosting::log,
        hub::plugins::install, hub::plugins::uninstall, hub::sessions::run, hub::sessions::list, hub::sessions::show,
        hub::sessions::cancel, hub::sessions::retry, hub::sessions::result, hub::sessions::log,
        hub::presets::list, hub::presets::put, hub::presets::remove,
        projects::list, projects::create, projects::show, projects::delete, projects::set_schema, projects::set_stages,
        projects::rerun, projects::create_batch,
        labelling::assets, labelling::import_assets, labelling::import_labels, labelling::tasks, labelling::upload, labelling::export,
        keys::list, keys::create, keys::revoke, keys::storages, keys::create_storage, keys::delete_storage,
        health::health, health::ready, health::metrics,
    ),
    tags(
        (name = "plugins", description = "Installed code, each in a process and an environment of its own"),
        (name = "workflows", description = "Graphs of stages"),
        (name = "configs", description = "Data for workflows, attached by a selector"),
        (name = "triggers", description = "What starts runs: the time, or events"),
        (name = "catalog", description = "Data sources, feature sets, models, endpoints, and what plugins keep"),
        (name = "runs", description = "Recorded executions"),
        (name = "hub", description = "Remote plugins: scripts that connect to the server, and their sessions"),
        (name = "projects", description = "What is labelled, with which classes, on which way"),
        (name = "keys", description = "Keys of Ango's HTTP dialect, and credentials of storages"),
        (name = "dashboard", description = "Panels, views and pages on the catalog's artifact pages"),
        (name = "workers", description = "Processes that run plugins' code"),
        (name = "server", description = "The server about itself"),
        (name = "operations", description = "For load balancers and monitoring"),
    )
)]
pub(crate) struct Document;

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths that the router serves, read from its table.
    fn routed() -> Vec<String> {
        let table = include_str!("router.rs");
        let mut paths: Vec<String> = table
            .split(".route(")
            .skip(1)
            .filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned()))
            .collect();
        paths.retain(|path| path.starts_with("/api/v1") || path.starts_with("/-/"));
        paths.sort();
        paths
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = Document::openapi();
        let mut documented: Vec<String> = document.paths.paths.keys().cloned().collect();
        documented.sort();
        assert_eq!(documented, routed());
    }

    #[test]
    fn every_operation_says_what_it_does() {
        for (path, item) in &Document::openapi().paths.paths {
            let operations = [&item.get, &item.post, &item.put, &item.delete].into_iter().flatten().collect::<Vec<_>>();
            assert!(!operations.is_empty(), "{path}");
            operations.iter().for_each(|operation| assert!(operation.summary.is_some(), "{path}"));
        }
    }
}
