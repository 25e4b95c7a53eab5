//! Workflows, configs and trigger rules: what their handlers have in common.
//!
//! Who names the version that he saw (`If-Match`) never overwrites what somebody else wrote meanwhile; who does not is the last
//! writer, and wins.

use std::str::FromStr;
use std::time::SystemTime;

use axum::Json;
use axum::http::HeaderMap;
use axum::http::header::{ETAG, IF_MATCH};
use axum::response::{IntoResponse, Response};
use pegboard_flow::{Document, Flow, ResourceDocument};
use pegboard_model::{
    Config, Error, Metadata, Resource, ResourceName, ResourceSpec, Timestamp, TriggerRule, TriggerSpec, Workflow, WorkflowSpec,
};
use pegboard_store::StoreError;
use serde::Serialize;
use uuid::Uuid;

use super::shape::{AppliedResource, ApplyAnswer, ConfigAnswer, DocumentAnswer, ResourceAnswer, TriggerAnswer};
use super::{difference, targets};
use crate::app::App;
use crate::error::ApiError;

/// Annotations below it belong to the server.
const SERVER_ANNOTATIONS: &str = "flowdapt.ai/";

/// The kind of a resource, as commands and URLs say it.
pub(super) fn word<S: ResourceSpec>() -> &'static str {
    if S::KIND == TriggerSpec::KIND { "trigger" } else { S::KIND }
}

/// The stored resource of this name.
pub(super) async fn find<S: ResourceSpec>(app: &App, name: &str) -> Result<Resource<S>, ApiError> {
    let found = app.store.by_name::<S>(&name.parse()?).await?;
    found.ok_or_else(|| missing::<S>(name).into())
}

/// Removes it. What it has caused stays.
pub(super) async fn delete<S: ResourceSpec>(app: &App, name: &str) -> Result<(), ApiError> {
    let resource = find::<S>(app, name).await?;
    if !app.store.delete::<S>(resource.metadata.uid).await? {
        return Err(missing::<S>(name).into());
    }
    Ok(())
}

/// An answer with the version that an `If-Match` can name.
pub(super) fn versioned<T: Serialize>(updated_at: &str, body: T) -> Response {
    ([(ETAG, format!("\"{updated_at}\""))], Json(body)).into_response()
}

/// Stores every document of a text, in order; nothing when one of them is wrong. `only`: the one kind that it may have.
pub(super) async fn apply(app: &App, text: &str, only: Option<&'static str>) -> Result<ApplyAnswer, ApiError> {
    let documents = Flow::read(text).await?;
    for document in &documents {
        let kind = kind(document);
        if let Some(only) = only.filter(|only| *only != kind) {
            return Err(wrong_kind(kind, only).into());
        }
        if let Document::Trigger(document) = document {
            app.flow.check_trigger(&document.spec)?;
        }
    }
    let mut applied = Vec::with_capacity(documents.len());
    for document in documents {
        applied.push(store(app, document, None).await?);
    }
    Ok(ApplyAnswer { applied })
}

/// Says what storing every document of a text would do, and does not.
pub(super) async fn rehearse(app: &App, text: &str) -> Result<ApplyAnswer, ApiError> {
    let mut applied = Vec::new();
    for document in Flow::read(text).await? {
        let warnings = warnings(app, &document).await?;
        let (done, diff, resource) = match document {
            Document::Workflow(document) => {
                let (workflow, done, diff) = rehearsed::<WorkflowSpec>(app, document).await?;
                (done, diff, ResourceAnswer::Workflow(Box::new(workflow.into())))
            }
            Document::Config(document) => {
                let (config, done, diff) = rehearsed(app, document).await?;
                (done, diff, ResourceAnswer::Config(Box::new(ConfigAnswer::from(config))))
            }
            Document::Trigger(document) => {
                app.flow.check_trigger(&document.spec)?;
                let (trigger, done, diff) = rehearsed(app, document).await?;
                (done, diff, ResourceAnswer::Trigger(Box::new(trigger_answer(app, trigger))))
            }
        };
        let (created, unchanged) = (done == Done::Created, done == Done::Nothing);
        applied.push(AppliedResource { created, unchanged, warnings, diff: Some(diff), resource });
    }
    Ok(ApplyAnswer { applied })
}

/// The resource as it would be stored, with the version that is stored now, and what would change in its document.
async fn rehearsed<S: ResourceSpec + PartialEq>(
    app: &App,
    document: ResourceDocument<S>,
) -> Result<(Resource<S>, Done, String), ApiError> {
    let old = app.store.by_name::<S>(&document.name).await?;
    let done = match &old {
        None => Done::Created,
        Some(old) if is_same(old, &document) => Done::Nothing,
        Some(_) => Done::Changed,
    };
    let before = old.as_ref().map(pegboard_flow::document::write).transpose()?.unwrap_or_default();
    let ResourceDocument { name, annotations, spec, .. } = document;
    let new = match old {
        Some(mut old) => {
            old.metadata.annotations.retain(|key, _| key.starts_with(SERVER_ANNOTATIONS));
            let of_server = std::mem::replace(&mut old.metadata.annotations, annotations);
            old.metadata.annotations.extend(of_server);
            Resource { spec, ..old }
        }
        None => {
            let (uid, now) = (Uuid::new_v4(), now());
            let metadata = Metadata { uid, name, created_at: now, updated_at: now, annotations };
            Resource { kind: S::KIND.to_owned(), metadata, spec }
        }
    };
    let after = pegboard_flow::document::write(&new)?;
    let diff = if done == Done::Nothing { String::new() } else { difference::unified(&before, &after) };
    Ok((new, done, diff))
}

/// The stored resource of this name as a document.
pub(super) async fn document<S: ResourceSpec>(app: &App, name: &str) -> Result<DocumentAnswer, ApiError> {
    let resource = find::<S>(app, name).await?;
    Ok(DocumentAnswer {
        kind: word::<S>().to_owned(),
        name: resource.metadata.name.to_string(),
        updated_at: resource.metadata.updated_at.to_string(),
        text: pegboard_flow::document::write(&resource)?,
    })
}

/// What does not stop a document from being stored.
async fn warnings(app: &App, document: &Document) -> Result<Vec<String>, ApiError> {
    let mut warnings = match document {
        Document::Workflow(document) => document.warnings.clone(),
        Document::Config(document) => document.warnings.clone(),
        Document::Trigger(document) => document.warnings.clone(),
    };
    match document {
        Document::Workflow(document) => {
            warnings.extend(Flow::check(&document.spec));
            warnings.extend(targets::unresolved(app, &document.spec).await);
        }
        Document::Trigger(document) => warnings.extend(absent_workflow(app, &document.spec).await?),
        Document::Config(_) => {}
    }
    Ok(warnings)
}

/// Stores one document under the name that the URL says, when it still is what `If-Match` says.
pub(super) async fn put(
    app: &App,
    kind_wanted: &'static str,
    name: &str,
    headers: &HeaderMap,
    text: &str,
) -> Result<Response, ApiError> {
    let name: ResourceName = name.parse()?;
    let seen = expected(headers)?;
    let mut documents = Flow::read(text).await?;
    let document = match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => document,
        _ => {
            return Err(Error::invalid("several-documents", format!("the body has {} documents, not one", documents.len() + 1))
                .hint("`POST /api/v1/apply` takes several")
                .into());
        }
    };
    if kind(&document) != kind_wanted {
        return Err(wrong_kind(kind(&document), kind_wanted).into());
    }
    let named = match &document {
        Document::Workflow(document) => &document.name,
        Document::Config(document) => &document.name,
        Document::Trigger(document) => &document.name,
    };
    if *named != name {
        return Err(Error::invalid("name-mismatch", format!("the document is named `{named}`, the URL says `{name}`"))
            .hint("make them agree; to rename, store it under the new name and delete the old one")
            .into());
    }
    if let Document::Trigger(document) = &document {
        app.flow.check_trigger(&document.spec)?;
    }
    let applied = store(app, document, seen).await?;
    let updated_at = match &applied.resource {
        ResourceAnswer::Workflow(workflow) => workflow.updated_at.clone(),
        ResourceAnswer::Config(config) => config.updated_at.clone(),
        ResourceAnswer::Trigger(trigger) => trigger.updated_at.clone(),
    };
    Ok(versioned(&updated_at, applied))
}

async fn store(app: &App, document: Document, seen: Option<Timestamp>) -> Result<AppliedResource, ApiError> {
    let warnings = warnings(app, &document).await?;
    Ok(match document {
        Document::Workflow(document) => {
            let (workflow, done): (Workflow, _) = write::<WorkflowSpec>(app, document, seen).await?;
            AppliedResource {
                created: done == Done::Created,
                unchanged: done == Done::Nothing,
                warnings,
                diff: None,
                resource: ResourceAnswer::Workflow(Box::new(workflow.into())),
            }
        }
        Document::Config(document) => {
            let (config, done): (Config, _) = write(app, document, seen).await?;
            AppliedResource {
                created: done == Done::Created,
                unchanged: done == Done::Nothing,
                warnings,
                diff: None,
                resource: ResourceAnswer::Config(Box::new(ConfigAnswer::from(config))),
            }
        }
        Document::Trigger(document) => {
            let (trigger, done): (TriggerRule, _) = write(app, document, seen).await?;
            AppliedResource {
                created: done == Done::Created,
                unchanged: done == Done::Nothing,
                warnings,
                diff: None,
                resource: ResourceAnswer::Trigger(Box::new(trigger_answer(app, trigger))),
            }
        }
    })
}

/// A rule with how it fared.
pub(crate) fn trigger_answer(app: &App, rule: TriggerRule) -> TriggerAnswer {
    TriggerAnswer::new(rule, &app.flow.trigger_status(), now())
}

/// What storing a document has done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Created,
    Changed,
    /// It was there, just so.
    Nothing,
}

async fn write<S: ResourceSpec + PartialEq>(
    app: &App,
    document: ResourceDocument<S>,
    seen: Option<Timestamp>,
) -> Result<(Resource<S>, Done), ApiError> {
    if let Some(old) = app.store.by_name::<S>(&document.name).await?
        && is_same(&old, &document)
        && seen.is_none_or(|seen| seen == old.metadata.updated_at)
    {
        return Ok((old, Done::Nothing));
    }
    let Some(seen) = seen else {
        let (resource, is_new) = app.flow.apply(document).await?;
        return Ok((resource, if is_new { Done::Created } else { Done::Changed }));
    };
    let name = document.name.to_string();
    let mut resource = find::<S>(app, &name).await?;
    let of_server = std::mem::take(&mut resource.metadata.annotations).into_iter();
    resource.metadata.annotations = document.annotations;
    resource.metadata.annotations.extend(of_server.filter(|(key, _)| key.starts_with(SERVER_ANNOTATIONS)));
    resource.spec = document.spec;
    // Later than what was there, whatever the clock says: it is what writers compare.
    resource.metadata.updated_at = now().max(Timestamp(seen.0.saturating_add(1)));
    match app.store.update(&resource, Some(seen)).await {
        Ok(()) => Ok((resource, Done::Changed)),
        Err(StoreError::NotFound(_)) => Err(missing::<S>(&name).into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether storing the document would change nothing. The server's own annotations stay in any case.
fn is_same<S: ResourceSpec + PartialEq>(old: &Resource<S>, document: &ResourceDocument<S>) -> bool {
    let own = |(key, _): &(&String, &String)| !key.starts_with(SERVER_ANNOTATIONS);
    let (before, after) = (&old.metadata.annotations, &document.annotations);
    let keeps = after.iter().all(|(key, value)| before.get(key) == Some(value));
    old.spec == document.spec && keeps && before.iter().filter(own).count() == after.iter().filter(own).count()
}

/// A trigger may be stored before the workflow that it runs; but often it is a slip of the pen.
async fn absent_workflow(app: &App, spec: &TriggerSpec) -> Result<Option<String>, ApiError> {
    let Some(workflow) = spec.action.parameters.get("workflow").and_then(serde_json::Value::as_str) else { return Ok(None) };
    if spec.action.target.trim() != "run_workflow" {
        return Ok(None);
    }
    let found = match (workflow.parse(), workflow.parse::<ResourceName>()) {
        (Ok(uid), _) => app.store.by_uid::<WorkflowSpec>(uid).await?.is_some(),
        (_, Ok(name)) => app.store.by_name::<WorkflowSpec>(&name).await?.is_some(),
        _ => false,
    };
    Ok((!found).then(|| format!("the trigger runs workflow `{workflow}`, which does not exist yet")))
}

/// The version that the client saw.
pub(super) fn expected<V: FromStr>(headers: &HeaderMap) -> Result<Option<V>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    let seen = text.trim().trim_start_matches("W/").trim_matches('"').parse();
    seen.map(Some).map_err(|_| {
        Error::invalid("if-match", format!("`If-Match: {text}` is not a version"))
            .hint("send the `ETag` of an answer, its `updated_at`, or a project's `revision`")
            .into()
    })
}

fn kind(document: &Document) -> &'static str {
    match document {
        Document::Workflow(_) => "workflow",
        Document::Config(_) => "config",
        Document::Trigger(_) => "trigger",
    }
}

fn wrong_kind(found: &str, wanted: &str) -> Error {
    Error::invalid("wrong-kind", format!("the text has a {found}, and this takes a {wanted}"))
        .hint("`POST /api/v1/apply` takes all kinds in one text")
}

fn missing<S: ResourceSpec>(name: &str) -> Error {
    let word = word::<S>();
    let message = format!("there is no {word} `{name}`");
    let error = match word {
        "config" => Error::not_found("config-not-found", message),
        "trigger" => Error::not_found("trigger-not-found", message),
        _ => Error::not_found("workflow-not-found", message),
    };
    error.hint(format!("`pegboard {word}s` lists them, `pegboard apply FILE` stores one"))
}

pub(super) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
