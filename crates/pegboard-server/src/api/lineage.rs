//! Where artifacts come from and what became of them, over several steps.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State};
use pegboard_model::{Artifact, ArtifactReference, Error};

use super::runs;
use super::shape::{ArtifactAnswer, ArtifactList, ErrorAnswer, LineageAnswer, LineageArtifact};
use crate::app::App;
use crate::catalog::publish;
use crate::error::ApiError;

/// Most relatives that are told.
const RELATIVES: usize = 60;
/// Most artifacts of one run that are told.
const OF_RUN: usize = 500;

/// What an artifact was made from, and what was made from it, step by step: 60 relatives at most, the nearest ones.
#[utoipa::path(get, path = "/api/v1/catalog/{kind}/{name}/lineage", tag = "catalog", params(
        ("kind" = String, Path, description = "Kind"), ("name" = String, Path, description = "Name; `/` in it is written as `%2F`")),
    responses((status = 200, body = LineageAnswer), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn lineage(
    State(app): State<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<LineageAnswer>, ApiError> {
    let artifact = publish::find(&app, kind.parse()?, &name.parse()?, None).await?;
    let mut walk = Walk { found: Vec::new(), places: HashMap::new(), steps: Vec::new(), is_cut: false };
    let own = artifact.reference();
    walk.meet(&own, Some(artifact));
    walk.back(&app).await?;
    walk.forth(&app, &own).await?;
    let artifacts = walk.found.into_iter().map(|(reference, artifact)| LineageArtifact {
        kind: reference.kind.to_string(),
        name: reference.name.to_string(),
        version: artifact.as_ref().map(|artifact| artifact.version),
        workflow: artifact.as_ref().and_then(|artifact| artifact.origin.workflow.clone()),
        run: artifact.and_then(|artifact| artifact.origin.run),
    });
    Ok(Json(LineageAnswer { artifacts: artifacts.collect(), steps: walk.steps, is_cut: walk.is_cut }))
}

/// Versions of artifacts that a run made, by kind and name; 500 at most.
#[utoipa::path(get, path = "/api/v1/runs/{id}/artifacts", tag = "runs", params(("id" = String, Path, description = "Its uid or its name")),
    responses((status = 200, body = ArtifactList), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn of_run(State(app): State<App>, Path(id): Path<String>) -> Result<Json<ArtifactList>, ApiError> {
    let run = runs::find(&app, &id).await?;
    let artifacts = app.store.artifacts_of_run(&run.uid.to_string(), OF_RUN).await?;
    Ok(Json(ArtifactList { artifacts: artifacts.into_iter().map(ArtifactAnswer::from).collect(), next: None }))
}

struct Walk {
    /// None: it was removed.
    found: Vec<(ArtifactReference, Option<Artifact>)>,
    places: HashMap<ArtifactReference, usize>,
    steps: Vec<(usize, usize)>,
    is_cut: bool,
}

impl Walk {
    /// Its place; none when there are too many already.
    fn meet(&mut self, reference: &ArtifactReference, artifact: Option<Artifact>) -> Option<usize> {
        if let Some(place) = self.places.get(reference) {
            return Some(*place);
        }
        if self.found.len() > RELATIVES {
            self.is_cut = true;
            return None;
        }
        let place = self.found.len();
        self.places.insert(reference.clone(), place);
        self.found.push((reference.clone(), artifact));
        Some(place)
    }

    fn step(&mut self, from: usize, to: usize) {
        if !self.steps.contains(&(from, to)) {
            self.steps.push((from, to));
        }
    }

    /// To what it was made from; the nearest first.
    async fn back(&mut self, app: &App) -> Result<(), Error> {
        let mut at = 0;
        while let Some((_, artifact)) = self.found.get(at) {
            let inputs = artifact.as_ref().map(|artifact| artifact.inputs.clone()).unwrap_or_default();
            for input in inputs {
                let known = match self.places.contains_key(&input) {
                    true => None,
                    false => app.store.artifact(input.kind, &input.name, None).await?,
                };
                if let Some(place) = self.meet(&input, known) {
                    self.step(place, at);
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// To what was made from it; the nearest first.
    async fn forth(&mut self, app: &App, own: &ArtifactReference) -> Result<(), Error> {
        let mut waiting = vec![own.clone()];
        let mut next = 0;
        while let Some(reference) = waiting.get(next).cloned() {
            next += 1;
            let Some(from) = self.places.get(&reference).copied() else { continue };
            for user in app.store.artifact_users(reference.kind, &reference.name, RELATIVES).await? {
                let reference = user.reference();
                let is_new = !self.places.contains_key(&reference);
                if let Some(to) = self.meet(&reference, Some(user)) {
                    self.step(from, to);
                    if is_new {
                        waiting.push(reference);
                    }
                }
            }
        }
        Ok(())
    }
}
