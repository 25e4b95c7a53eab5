//! Artifacts: versions of them, pages of the last ones, and what was made from what.

use pegboard_model::{Artifact, ArtifactKind, ArtifactName, Timestamp};

use super::{Cell, Row, Statement, Untouched, integer};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const SUPERSEDE: &str = "update artifacts set current = 0 where name = $1 and kind = $2 and current = 1";
const PUBLISH: &str =
    "insert into artifacts (name, kind, version, current, modified_at, run, document) values ($1, $2, $3, 1, $4, $5, $6)";
const AMEND: &str = "update artifacts set modified_at = $1, run = $2, document = $3 \
     where name = $4 and kind = $5 and version = $6 and modified_at = $7";
const FORGET_INPUTS: &str = "delete from artifact_inputs where name = $1 and kind = $2";
const ADD_INPUT: &str =
    "insert into artifact_inputs (kind, name, input_kind, input_name) values ($1, $2, $3, $4) on conflict do nothing";
const LAST: &str = "select document, name from artifacts where current = 1 and kind = $1 and name = $2";
const VERSION: &str = "select document, name from artifacts where kind = $1 and name = $2 and version = $3";
const VERSIONS: &str = "select document, name from artifacts where kind = $1 and name = $2 order by version desc";
const PAGE: &str = "select document, name from artifacts where current = 1 and kind = $1 and name > $2 order by name limit $3";
const USERS: &str = "select a.document, a.name from artifact_inputs i join artifacts a \
     on a.current = 1 and a.kind = i.kind and a.name = i.name \
     where i.input_kind = $1 and i.input_name = $2 order by a.kind, a.name limit $3";
const OF_RUN: &str = "select document, name from artifacts where run = $1 order by kind, name, version limit $2";
const DELETE: &str = "delete from artifacts where name = $1 and kind = $2";

impl Store {
    /// Makes this the last version of the artifact. `AlreadyExists` when it has a version of this number.
    pub async fn publish_artifact(&self, artifact: &Artifact) -> Result<(), StoreError> {
        let insert = vec![
            artifact.name.as_str().into(),
            Cell::Word(artifact.kind.as_str()),
            integer(artifact.version).into(),
            artifact.modified_at.0.into(),
            maker(artifact),
            document::write(artifact)?.into(),
        ];
        let mut statements = vec![Statement::new(SUPERSEDE, identity(artifact.kind, &artifact.name))];
        statements.push(Statement::new(PUBLISH, insert));
        statements.extend(inputs(artifact));
        self.write(statements).await.map(drop)
    }

    /// Replaces the last version, whose `modified_at` the caller saw; else `ChangedMeanwhile`, also when it is gone.
    pub async fn amend_artifact(&self, artifact: &Artifact, seen: Timestamp) -> Result<(), StoreError> {
        let parameters = vec![
            artifact.modified_at.0.into(),
            maker(artifact),
            document::write(artifact)?.into(),
            artifact.name.as_str().into(),
            Cell::Word(artifact.kind.as_str()),
            integer(artifact.version).into(),
            seen.0.into(),
        ];
        let mut statements = vec![Statement::new(AMEND, parameters).about(3).or(Untouched::Changed)];
        statements.extend(inputs(artifact));
        self.write(statements).await.map(drop)
    }

    /// That version of the artifact; none: the last one.
    pub async fn artifact(
        &self,
        kind: ArtifactKind,
        name: &ArtifactName,
        version: Option<u64>,
    ) -> Result<Option<Artifact>, StoreError> {
        let mut parameters = vec![Cell::Word(kind.as_str()), name.as_str().into()];
        let rows = match version {
            None => self.read(LAST, parameters).await?,
            Some(version) => {
                parameters.push(integer(version).into());
                self.read(VERSION, parameters).await?
            }
        };
        rows.first().map(read).transpose()
    }

    /// Every version of the artifact, the last one first.
    pub async fn artifact_versions(&self, kind: ArtifactKind, name: &ArtifactName) -> Result<Vec<Artifact>, StoreError> {
        let rows = self.read(VERSIONS, vec![Cell::Word(kind.as_str()), name.as_str().into()]).await?;
        rows.iter().map(read).collect()
    }

    /// Last versions of a kind whose names come after this one, in byte order of the names; at most so many.
    pub async fn artifacts(&self, kind: ArtifactKind, after: &str, most: usize) -> Result<Vec<Artifact>, StoreError> {
        let parameters = vec![Cell::Word(kind.as_str()), after.into(), integer(most as u64).into()];
        self.read(PAGE, parameters).await?.iter().map(read).collect()
    }

    /// Last versions of what was made from the artifact; at most so many.
    pub async fn artifact_users(
        &self,
        kind: ArtifactKind,
        name: &ArtifactName,
        most: usize,
    ) -> Result<Vec<Artifact>, StoreError> {
        let parameters = vec![Cell::Word(kind.as_str()), name.as_str().into(), integer(most as u64).into()];
        self.read(USERS, parameters).await?.iter().map(read).collect()
    }

    /// Versions of artifacts that a run made, by kind and name; at most so many.
    pub async fn artifacts_of_run(&self, run: &str, most: usize) -> Result<Vec<Artifact>, StoreError> {
        self.read(OF_RUN, vec![run.into(), integer(most as u64).into()]).await?.iter().map(read).collect()
    }

    /// Forgets every version; whether there was one. Objects stay: they are the caller's.
    pub async fn delete_artifact(&self, kind: ArtifactKind, name: &ArtifactName) -> Result<bool, StoreError> {
        let statements = [FORGET_INPUTS, DELETE].map(|sql| Statement::new(sql, identity(kind, name)));
        Ok(self.write(statements.into()).await? > 0)
    }
}

/// The run that made it.
fn maker(artifact: &Artifact) -> Cell {
    artifact.origin.run.as_deref().map_or(Cell::Null, Cell::from)
}

fn identity(kind: ArtifactKind, name: &ArtifactName) -> Vec<Cell> {
    vec![name.as_str().into(), Cell::Word(kind.as_str())]
}

fn inputs(artifact: &Artifact) -> Vec<Statement> {
    let mut statements = vec![Statement::new(FORGET_INPUTS, identity(artifact.kind, &artifact.name))];
    statements.extend(artifact.inputs.iter().map(|input| {
        let parameters = vec![
            Cell::Word(artifact.kind.as_str()),
            artifact.name.as_str().into(),
            Cell::Word(input.kind.as_str()),
            input.name.as_str().into(),
        ];
        Statement::new(ADD_INPUT, parameters).about(1)
    }));
    statements
}

fn read(row: &Row) -> Result<Artifact, StoreError> {
    document::read(row.text(0)?, row.text(1)?)
}
