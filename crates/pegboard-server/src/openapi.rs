//! The OpenAPI document, gathered from the handlers. A test compares it with the router's table.

use axum::Json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi as Made, RefOr};
use utoipa::{Modify, OpenApi};

use crate::access::Realm;
use crate::api::{
    apply, audit, catalog, configs, dashboard, events, health, hub, keys, labelling, news, notices, organizations, plugins,
    projects, runs, search, session, status, triggers, users, workers, workflows,
};

use crate::router::listed as listed_routes;

#[derive(OpenApi)]
#[openapi(
    modifiers(&Described),
    info(title = "Pegboard", description = "One server on which a team hangs all of its ML plugins"),
    paths(
        status::status, status::settings, news::news, notices::list, search::search, events::events, document,
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
        session::show, session::sign_in, session::sign_out, session::change_password, session::list, session::end_all, session::end,
        session::link, session::redeem, users::list, users::show, users::create, users::change, users::link, users::remove,
        organizations::list, organizations::create, audit::list,
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
        (name = "people", description = "Signing in, users, organizations, and who did what"),
        (name = "dashboard", description = "Panels, views and pages on the catalog's artifact pages"),
        (name = "workers", description = "Processes that run plugins' code"),
        (name = "server", description = "The server about itself"),
        (name = "operations", description = "For load balancers and monitoring"),
    )
)]
pub(crate) struct Document;

/// Gives each operation an id of its own, and words to answers that have none.
struct Described;

impl Modify for Described {
    fn modify(&self, document: &mut Made) {
        for (path, item) in &mut document.paths.paths {
            let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            for operation in all.into_iter().flatten() {
                operation.operation_id = operation.operation_id.as_deref().map(|handler| id(handler, path));
                describe(operation);
            }
        }
        secure(document);
    }
}

/// Says of each operation who may ask for it, as the routes' own table has it.
fn secure(document: &mut Made) {
    let schemes = [
        (BEARER, SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build())),
        (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("pegboard_session")))),
        (HEADER, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("apikey")))),
    ];
    let components = document.components.get_or_insert_default();
    components.security_schemes.extend(schemes.map(|(name, scheme)| (name.to_owned(), scheme.into())));
    for route in listed_routes() {
        let Some(item) = document.paths.paths.get_mut(route.path) else { continue };
        let operation = match route.method.as_str() {
            "GET" => &mut item.get,
            "POST" => &mut item.post,
            "PUT" => &mut item.put,
            "PATCH" => &mut item.patch,
            _ => &mut item.delete,
        };
        let Some(operation) = operation else { continue };
        let Some(role) = route.access.role() else { continue };
        let nothing = || Vec::<String>::new();
        operation.security =
            Some([BEARER, COOKIE, HEADER].map(|name| SecurityRequirement::new(name, nothing())).to_vec());
        let of = if route.realm == Realm::Server { " of the server's own organization" } else { "" };
        let said = format!("Needs the role {}{of}, where sign-in is needed.", role.as_str());
        operation.description = Some(match operation.description.take().filter(|text| !text.is_empty()) {
            Some(text) => format!("{text}\n\n{said}"),
            None => said,
        });
    }
}

/// Names of the ways to show who one is.
const BEARER: &str = "bearer";
const COOKIE: &str = "session";
const HEADER: &str = "apikey";

/// `list` of `/api/v1/hub/plugins` is `list_hub_plugins`: handlers of several modules have one name.
fn id(handler: &str, path: &str) -> String {
    let place = path.trim_start_matches("/api/v1/").trim_start_matches("/-/");
    let parts: Vec<&str> = place.split('/').filter(|part| !part.starts_with('{') && *part != handler).collect();
    [&[handler], parts.as_slice()].concat().join("_").replace(['-', '.'], "_")
}

fn describe(operation: &mut Operation) {
    let summary = operation.summary.clone().unwrap_or_default();
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = words(status, &summary);
        }
    }
}

/// What a status means, where nothing more is to be said. A success is what the operation does.
fn words(status: &str, summary: &str) -> String {
    let said = match status {
        "400" => "The request is wrong; the message says where",
        "401" => "No key, or not a good one",
        "403" => "Not allowed",
        "429" => "Too often; the header Retry-After says when to try again",
        "404" => "There is nothing of that name",
        "409" => "Contradicts what is there; the message says what",
        "413" => "Larger than the server takes",
        "415" => "Not a type that this takes",
        "502" => "The plugin's fault; the detail has its traceback",
        "503" => "Not now; try again",
        "507" => "The machine has no room left",
        _ if status.starts_with('2') && !summary.is_empty() => summary,
        _ => "What was asked for",
    };
    said.to_owned()
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths that the router serves, from its table.
    fn routed() -> Vec<String> {
        let mut paths: Vec<String> = listed_routes().into_iter().map(|route| route.path.to_owned()).collect();
        paths.retain(|path| path.starts_with("/api/v1") || path.starts_with("/-/"));
        paths.sort();
        paths.dedup();
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
            let operations =
                [&item.get, &item.post, &item.put, &item.delete, &item.patch].into_iter().flatten().collect::<Vec<_>>();
            assert!(!operations.is_empty(), "{path}");
            operations.iter().for_each(|operation| assert!(operation.summary.is_some(), "{path}"));
        }
    }

    /// What OpenAPI asks of a document, as far as handlers can get it wrong.
    #[test]
    fn the_document_is_valid() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1") && document["info"]["version"].is_string());
        let (mut problems, mut answers) = (Vec::new(), 0);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        references(&document, &mut |reference| {
            let name = reference.strip_prefix("#/components/schemas/").unwrap_or_default();
            if !schemas.contains_key(name) {
                problems.push(format!("`{reference}` leads nowhere"));
            }
        });
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                if operation["operationId"].as_str().is_some_and(|id| !ids.insert(id.to_owned())) {
                    problems.push(format!("{place}: another operation has its id {}", operation["operationId"]));
                }
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let in_path = |name: &str| {
                    parameters.iter().any(|one| one["in"] == "path" && one["name"] == name && one["required"] == true)
                };
                for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    if !in_path(name) {
                        problems.push(format!("{place}: the path's `{name}` is no parameter"));
                    }
                }
                for parameter in &parameters {
                    let name = parameter["name"].as_str().unwrap();
                    if parameter["in"] == "path" && !path.contains(&format!("{{{name}}}")) {
                        problems.push(format!("{place}: `{name}` is not in the path"));
                    }
                }
                let responses = operation["responses"].as_object().unwrap();
                if responses.is_empty() {
                    problems.push(format!("{place}: answers nothing"));
                }
                for (status, response) in responses {
                    answers += 1;
                    if response["description"].as_str().is_none_or(str::is_empty) {
                        problems.push(format!("{place}: {status} has no description"));
                    }
                }
            }
        }
        assert!(answers > 100 && problems.is_empty(), "{answers} answers\n{}", problems.join("\n"));
    }

    fn references(value: &serde_json::Value, found: &mut impl FnMut(&str)) {
        match value {
            serde_json::Value::Object(entries) => entries.iter().for_each(|(key, value)| match value.as_str() {
                Some(reference) if key == "$ref" => found(reference),
                _ => references(value, found),
            }),
            serde_json::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
}
