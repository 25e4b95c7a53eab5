//! Issues.

use pegboard_model::{HubId, Issue};

use super::super::{Statement, Untouched, integer};
use super::{all, cell, limit, one, placed};
use crate::document;
use crate::error::StoreError;
use crate::labelling::Placed;
use crate::store::Store;

const CREATE: &str = "insert into issues (id, project, task, document) values ($1, $2, $3, $4)";
const ONE: &str = "select document from issues where id = $1";
const PAGE: &str = "select document, id, ordinal from issues where project = $1 and ordinal > $2 order by ordinal limit $3";
const OF_TASK: &str = "select document, id from issues where task = $1 order by ordinal";
const UPDATE: &str = "update issues set document = $1 where id = $2";
const DELETE: &str = "delete from issues where id = $1";

impl Store {
    /// Inserts the issue.
    pub async fn create_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        let parameters = vec![cell(issue.id), cell(issue.project), cell(issue.task), document::write(issue)?.into()];
        self.write(vec![Statement::new(CREATE, parameters)]).await.map(drop)
    }

    /// The issue of that id.
    pub async fn issue(&self, id: HubId) -> Result<Option<Issue>, StoreError> {
        one(&self.read(ONE, vec![cell(id)]).await?, "issue")
    }

    /// Issues of the project behind a place, oldest first.
    pub async fn issues(&self, project: HubId, after: u64, most: usize) -> Result<Vec<Placed<Issue>>, StoreError> {
        placed(&self.read(PAGE, vec![cell(project), integer(after).into(), limit(most)]).await?)
    }

    /// Issues of the task, oldest first.
    pub async fn issues_of_task(&self, task: HubId) -> Result<Vec<Issue>, StoreError> {
        all(&self.read(OF_TASK, vec![cell(task)]).await?)
    }

    /// Replaces the issue of that id; the last writer wins. `NotFound` when there is none.
    pub async fn update_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        let parameters = vec![document::write(issue)?.into(), cell(issue.id)];
        self.write(vec![Statement::new(UPDATE, parameters).about(1).or(Untouched::Missing)]).await.map(drop)
    }

    /// Whether there was one.
    pub async fn delete_issue(&self, id: HubId) -> Result<bool, StoreError> {
        Ok(self.write(vec![Statement::new(DELETE, vec![cell(id)])]).await? > 0)
    }
}
