//! Projects and storages.

use pegboard_model::{HubId, Project, Storage};

use super::super::{Statement, Untouched, integer};
use super::{all, cell, count, limit, one};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const CREATE: &str = "insert into projects (id, organization, deleted, version, document) values ($1, $2, $3, $4, $5)";
const ONE: &str = "select document from projects where id = $1 and deleted = 0";
const PAGE: &str = "select document, id from projects where organization = $1 and deleted = 0 order by ordinal limit $2 offset $3";
const COUNT: &str = "select count(*) from projects where organization = $1 and deleted = 0";
const UPDATE: &str = "update projects set deleted = $1, version = version + 1, document = $2 where id = $3 and version = $4";
const PURGE: [&str; 5] = [
    "delete from past_stages where task in (select id from tasks where project = $1)",
    "delete from issues where project = $1",
    "delete from tasks where project = $1",
    "delete from assets where project = $1",
    "delete from projects where id = $1",
];
const CREATE_STORAGE: &str = "insert into storages (id, document) values ($1, $2)";
const STORAGES: &str = "select document, id from storages order by ordinal";
const STORAGE: &str = "select document from storages where id = $1";
const DELETE_STORAGE: &str = "delete from storages where id = $1";

impl Store {
    /// Inserts the project.
    pub async fn create_project(&self, project: &Project) -> Result<(), StoreError> {
        let (id, organization) = (cell(project.id), cell(project.organization));
        let parameters = vec![id, organization, 0.into(), integer(project.revision).into(), document::write(project)?.into()];
        self.write(vec![Statement::new(CREATE, parameters)]).await.map(drop)
    }

    /// The project of that id; none when it is deleted.
    pub async fn project(&self, id: HubId) -> Result<Option<Project>, StoreError> {
        one(&self.read(ONE, vec![cell(id)]).await?, "project")
    }

    /// An organization's projects in the order of insertion, after so many of them.
    pub async fn projects(&self, organization: HubId, after: u64, most: usize) -> Result<Vec<Project>, StoreError> {
        all(&self.read(PAGE, vec![cell(organization), limit(most), integer(after).into()]).await?)
    }

    /// How many projects an organization has.
    pub async fn count_projects(&self, organization: HubId) -> Result<u64, StoreError> {
        count(&self.read(COUNT, vec![cell(organization)]).await?)
    }

    /// Replaces the project, if its stored revision is still the one in the document; the revision that it has now. Deleted when
    /// it says so. `ChangedMeanwhile` otherwise.
    pub async fn update_project(&self, project: &Project) -> Result<u64, StoreError> {
        let mut next = project.clone();
        next.revision += 1;
        let deleted = i64::from(project.deleted_at.is_some());
        let parameters = vec![deleted.into(), document::write(&next)?.into(), cell(project.id), integer(project.revision).into()];
        self.write(vec![Statement::new(UPDATE, parameters).about(2).or(Untouched::Changed)]).await?;
        Ok(next.revision)
    }

    /// Deletes the project with everything in it, whether it was marked as deleted or not. Files are the caller's to delete.
    pub async fn purge_project(&self, id: HubId) -> Result<(), StoreError> {
        self.write(PURGE.iter().map(|sql| Statement::new(sql, vec![cell(id)])).collect()).await.map(drop)
    }

    /// Inserts the storage.
    pub async fn create_storage(&self, storage: &Storage) -> Result<(), StoreError> {
        let parameters = vec![cell(storage.id), document::write(storage)?.into()];
        self.write(vec![Statement::new(CREATE_STORAGE, parameters)]).await.map(drop)
    }

    /// All storages, in the order of insertion.
    pub async fn storages(&self) -> Result<Vec<Storage>, StoreError> {
        all(&self.read(STORAGES, Vec::new()).await?)
    }

    /// The storage of that id.
    pub async fn storage(&self, id: HubId) -> Result<Option<Storage>, StoreError> {
        one(&self.read(STORAGE, vec![cell(id)]).await?, "storage")
    }

    /// Whether there was one.
    pub async fn delete_storage(&self, id: HubId) -> Result<bool, StoreError> {
        Ok(self.write(vec![Statement::new(DELETE_STORAGE, vec![cell(id)])]).await? > 0)
    }
}
