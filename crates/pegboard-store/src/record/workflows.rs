//! Workflows, by uid and by name.

use pegboard_model::{ResourceName, Timestamp, Workflow};
use uuid::Uuid;

use super::{Cell, Row, Statement, Untouched};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const CREATE: &str = "insert into workflows (uid, name, updated_at, document) values ($1, $2, $3, $4)";
const UPDATE: &str = "update workflows set name = $1, updated_at = $2, document = $3 where uid = $4";
const UPDATE_EXPECTED: &str = "update workflows set name = $1, updated_at = $2, document = $3 where uid = $4 and updated_at = $5";
const BY_NAME: &str = "select document, name from workflows where name = $1";
const BY_UID: &str = "select document, name from workflows where uid = $1";
const ALL: &str = "select document, name from workflows order by ordinal";
const DELETE: &str = "delete from workflows where uid = $1";

impl Store {
    /// Fails with `AlreadyExists` when the name or the uid is taken.
    pub async fn create_workflow(&self, workflow: &Workflow) -> Result<(), StoreError> {
        let metadata = &workflow.metadata;
        let parameters = vec![
            metadata.uid.to_string().into(),
            metadata.name.as_str().into(),
            metadata.updated_at.0.into(),
            document::write(workflow)?.into(),
        ];
        self.write(vec![Statement::new(CREATE, parameters).about(1)]).await.map(drop)
    }

    /// Replaces by uid; `expected`: the `updated_at` that the caller saw, else `ChangedMeanwhile`. `NotFound` when the uid is
    /// unknown, `AlreadyExists` when the new name is another workflow's.
    pub async fn update_workflow(&self, workflow: &Workflow, expected: Option<Timestamp>) -> Result<(), StoreError> {
        let metadata = &workflow.metadata;
        let mut parameters: Vec<Cell> = vec![
            metadata.name.as_str().into(),
            metadata.updated_at.0.into(),
            document::write(workflow)?.into(),
            metadata.uid.to_string().into(),
        ];
        let statement = match expected {
            None => Statement::new(UPDATE, parameters).or(Untouched::Missing),
            Some(seen) => {
                parameters.push(seen.0.into());
                Statement::new(UPDATE_EXPECTED, parameters).or(Untouched::Changed)
            }
        };
        match self.write(vec![statement]).await {
            Err(StoreError::ChangedMeanwhile(name)) if self.workflow_by_uid(metadata.uid).await?.is_none() => {
                Err(StoreError::NotFound(name))
            }
            other => other.map(drop),
        }
    }

    /// The workflow of that name.
    pub async fn workflow_by_name(&self, name: &ResourceName) -> Result<Option<Workflow>, StoreError> {
        one(&self.read(BY_NAME, vec![name.as_str().into()]).await?)
    }

    /// The workflow with that identity.
    pub async fn workflow_by_uid(&self, uid: Uuid) -> Result<Option<Workflow>, StoreError> {
        one(&self.read(BY_UID, vec![uid.to_string().into()]).await?)
    }

    /// In insertion order.
    pub async fn workflows(&self) -> Result<Vec<Workflow>, StoreError> {
        self.read(ALL, Vec::new()).await?.iter().map(read).collect()
    }

    /// Whether there was one. Its runs stay.
    pub async fn delete_workflow(&self, uid: Uuid) -> Result<bool, StoreError> {
        let touched = self.write(vec![Statement::new(DELETE, vec![uid.to_string().into()])]).await?;
        Ok(touched > 0)
    }
}

fn one(rows: &[Row]) -> Result<Option<Workflow>, StoreError> {
    rows.first().map(read).transpose()
}

fn read(row: &Row) -> Result<Workflow, StoreError> {
    document::read(row.text(0)?, row.text(1)?)
}
