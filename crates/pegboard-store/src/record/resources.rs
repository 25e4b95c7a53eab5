//! Resources of every kind, by uid and by name. Uids and names are unique within their kind.

use pegboard_model::{Resource, ResourceName, ResourceSpec, Timestamp, TriggerSpec};
use uuid::Uuid;

use super::{Cell, Row, Statement, Untouched};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const CREATE: &str = "insert into resources (kind, uid, name, updated_at, document) values ($1, $2, $3, $4, $5)";
const UPDATE: &str = "update resources set name = $1, updated_at = $2, document = $3 where kind = $4 and uid = $5";
const UPDATE_EXPECTED: &str =
    "update resources set name = $1, updated_at = $2, document = $3 where kind = $4 and uid = $5 and updated_at = $6";
const BY_NAME: &str = "select document, name from resources where kind = $1 and name = $2";
const BY_UID: &str = "select document, name from resources where kind = $1 and uid = $2";
const ALL: &str = "select document, name from resources where kind = $1 order by ordinal";
const DELETE: &str = "delete from resources where kind = $1 and uid = $2";
/// The annotation with which clients show when a trigger fired last.
const LAST_RUN: &str = "flowdapt.ai/last_run";

impl Store {
    /// Fails with `AlreadyExists` when the name or the uid is taken by another resource of the kind.
    pub async fn create<S: ResourceSpec>(&self, resource: &Resource<S>) -> Result<(), StoreError> {
        let metadata = &resource.metadata;
        let parameters = vec![
            Cell::Word(S::KIND),
            metadata.uid.to_string().into(),
            metadata.name.as_str().into(),
            metadata.updated_at.0.into(),
            document::write(resource)?.into(),
        ];
        self.write(vec![Statement::new(CREATE, parameters).about(2)]).await.map(drop)
    }

    /// Replaces by uid; `expected`: the `updated_at` that the caller saw, else `ChangedMeanwhile`. `NotFound` when no resource
    /// of the kind has the uid, `AlreadyExists` when the new name is another one's.
    pub async fn update<S: ResourceSpec>(&self, resource: &Resource<S>, expected: Option<Timestamp>) -> Result<(), StoreError> {
        match self.write(vec![replace(resource, expected)?]).await {
            Err(StoreError::ChangedMeanwhile(name)) if self.by_uid::<S>(resource.metadata.uid).await?.is_none() => {
                Err(StoreError::NotFound(name))
            }
            other => other.map(drop),
        }
    }

    /// The resource of that kind and name.
    pub async fn by_name<S: ResourceSpec>(&self, name: &ResourceName) -> Result<Option<Resource<S>>, StoreError> {
        one(&self.read(BY_NAME, vec![Cell::Word(S::KIND), name.as_str().into()]).await?)
    }

    /// The resource of that kind and identity.
    pub async fn by_uid<S: ResourceSpec>(&self, uid: Uuid) -> Result<Option<Resource<S>>, StoreError> {
        one(&self.read(BY_UID, vec![Cell::Word(S::KIND), uid.to_string().into()]).await?)
    }

    /// All of a kind, in insertion order.
    pub async fn resources<S: ResourceSpec>(&self) -> Result<Vec<Resource<S>>, StoreError> {
        self.read(ALL, vec![Cell::Word(S::KIND)]).await?.iter().map(read).collect()
    }

    /// Whether there was one. Runs of a workflow stay.
    pub async fn delete<S: ResourceSpec>(&self, uid: Uuid) -> Result<bool, StoreError> {
        let parameters = vec![Cell::Word(S::KIND), uid.to_string().into()];
        Ok(self.write(vec![Statement::new(DELETE, parameters)]).await? > 0)
    }

    /// The trigger's document as it will be, to be stored if nobody changes it meanwhile. `updated_at` never goes back, whatever
    /// the clock says: it is what writers compare.
    pub(super) async fn fire(&self, trigger: Uuid, at: Timestamp) -> Result<Statement, StoreError> {
        let found = self.by_uid::<TriggerSpec>(trigger).await?;
        let mut rule = found.ok_or_else(|| StoreError::NotFound(trigger.to_string()))?;
        let seen = rule.metadata.updated_at;
        // ISO 8601 in UTC without a zone, as the dialect's clients know it.
        let time = at.to_string().trim_end_matches('Z').to_owned();
        rule.metadata.annotations.insert(LAST_RUN.to_owned(), time);
        rule.metadata.updated_at = at.max(Timestamp(seen.0.saturating_add(1)));
        replace(&rule, Some(seen))
    }
}

fn replace<S: ResourceSpec>(resource: &Resource<S>, expected: Option<Timestamp>) -> Result<Statement, StoreError> {
    let metadata = &resource.metadata;
    let mut parameters = vec![
        metadata.name.as_str().into(),
        metadata.updated_at.0.into(),
        document::write(resource)?.into(),
        Cell::Word(S::KIND),
        metadata.uid.to_string().into(),
    ];
    Ok(match expected {
        None => Statement::new(UPDATE, parameters).or(Untouched::Missing),
        Some(seen) => {
            parameters.push(seen.0.into());
            Statement::new(UPDATE_EXPECTED, parameters).or(Untouched::Changed)
        }
    })
}

fn one<S: ResourceSpec>(rows: &[Row]) -> Result<Option<Resource<S>>, StoreError> {
    rows.first().map(read).transpose()
}

fn read<S: ResourceSpec>(row: &Row) -> Result<Resource<S>, StoreError> {
    document::read(row.text(0)?, row.text(1)?)
}
