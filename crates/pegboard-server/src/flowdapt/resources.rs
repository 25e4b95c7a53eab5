//! Workflows, configs and trigger rules: one set of handlers for the three.
//!
//! An update is read, changed and written under the condition that nobody wrote in between; whoever was second repeats. So the
//! last writer wins, and no document is ever made of two.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use pegboard_model::{Metadata, Resource, ResourceName, Timestamp};
use pegboard_store::StoreError;
use uuid::Uuid;

use super::answer::{Refused, answer};
use super::body::{Draft, Writable};
use super::read::Body;
use super::version::negotiate;
use super::wire::ResourceWire;
use crate::app::App;

/// Annotations below it belong to the server.
const SERVER_ANNOTATIONS: &str = "flowdapt.ai/";
/// Attempts to replace a document that others keep replacing.
const ATTEMPTS: usize = 50;
/// One sentence each about a document that was accepted.
const WARNING: HeaderName = HeaderName::from_static("x-pegboard-warning");
/// Headers have their limits.
const WARNINGS: usize = 10;
const WARNING_LENGTH: usize = 400;

pub(super) async fn list<S: Writable>(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(S::MEDIA, &headers)?;
    let resources = app.store.resources::<S>().await?;
    let wires: Vec<_> = resources.iter().map(ResourceWire::from).collect();
    answer(S::MEDIA, version, &wires)
}

pub(super) async fn create<S: Writable>(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let version = negotiate(S::MEDIA, &headers)?;
    let Draft { name, annotations, spec } = Draft::<S>::read(&body, &app.flow)?;
    let now = Timestamp::from(SystemTime::now());
    let metadata = Metadata { uid: Uuid::new_v4(), name, created_at: now, updated_at: now, annotations };
    let resource = Resource { kind: S::KIND.to_owned(), metadata, spec };
    app.store.create(&resource).await.map_err(|error| refused::<S>(error, &resource.metadata.name))?;
    Ok(warned(answer(S::MEDIA, version, &ResourceWire::from(&resource))?, &resource.spec))
}

pub(super) async fn show<S: Writable>(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let version = negotiate(S::MEDIA, &headers)?;
    answer(S::MEDIA, version, &ResourceWire::from(&find::<S>(&app, &id).await?))
}

pub(super) async fn update<S: Writable>(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let version = negotiate(S::MEDIA, &headers)?;
    let Draft { name, annotations, spec } = Draft::<S>::read(&body, &app.flow)?;
    let mut resource = find::<S>(&app, &id).await?;
    resource.spec = spec;
    let mut attempts = 0;
    loop {
        let seen = resource.metadata.updated_at;
        resource.kind = S::KIND.to_owned();
        resource.metadata.name = name.clone();
        resource.metadata.annotations = merged(&annotations, &resource.metadata.annotations);
        // Later than what was there, whatever the clock says: it is what writers compare.
        resource.metadata.updated_at = Timestamp::from(SystemTime::now()).max(Timestamp(seen.0.saturating_add(1)));
        match app.store.update(&resource, Some(seen)).await {
            Ok(()) => return Ok(warned(answer(S::MEDIA, version, &ResourceWire::from(&resource))?, &resource.spec)),
            Err(StoreError::ChangedMeanwhile(_)) if attempts < ATTEMPTS => {
                attempts += 1;
                let found = app.store.by_uid::<S>(resource.metadata.uid).await?.ok_or_else(Refused::absent)?;
                resource.metadata = found.metadata;
            }
            Err(error) => return Err(refused::<S>(error, &name)),
        }
    }
}

pub(super) async fn delete<S: Writable>(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let version = negotiate(S::MEDIA, &headers)?;
    let resource = find::<S>(&app, &id).await?;
    if !app.store.delete::<S>(resource.metadata.uid).await? {
        return Err(Refused::absent());
    }
    answer(S::MEDIA, version, &ResourceWire::from(&resource))
}

/// The resource with this uid, in any spelling of UUIDs, or this name.
pub(super) async fn find<S: Writable>(app: &App, id: &str) -> Result<Resource<S>, Refused> {
    let found = match (Uuid::parse_str(id), id.parse::<ResourceName>()) {
        (Ok(uid), _) => app.store.by_uid(uid).await?,
        (_, Ok(name)) => app.store.by_name(&name).await?,
        _ => None,
    };
    found.ok_or_else(Refused::absent)
}

/// Says in headers, which the dialect's clients do not look at, what a run would stumble over.
fn warned<S: Writable>(mut response: Response, spec: &S) -> Response {
    for warning in spec.warnings().into_iter().take(WARNINGS) {
        let visible = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text: String = warning.replace('→', "->").chars().map(visible).take(WARNING_LENGTH).collect();
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

/// What the client says, and what the server had said: that stays.
fn merged(given: &BTreeMap<String, String>, stored: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_server = stored.iter().filter(|(key, _)| key.starts_with(SERVER_ANNOTATIONS));
    given.iter().chain(of_server).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn refused<S: Writable>(error: StoreError, name: &ResourceName) -> Refused {
    match error {
        StoreError::AlreadyExists(_) => Refused::bad(format!("{} with name `{name}` already exists", S::CLASS)),
        StoreError::NotFound(_) => Refused::absent(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_of_the_server_stay() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let stored: BTreeMap<_, _> = map(&[("flowdapt.ai/x", "1"), ("old", "1")]);
        let given = map(&[("flowdapt.ai/x", "2"), ("flowdapt.ai/y", "3"), ("new", "1")]);
        assert_eq!(merged(&given, &stored), map(&[("flowdapt.ai/x", "1"), ("flowdapt.ai/y", "3"), ("new", "1")]));
    }
}
