//! Tasks and the stages that they have left.

use pegboard_model::{Asset, HubId, PastStage, PluginWait, Task};

use super::super::{Cell, integer};
use super::{all, cell, limit, one, ordinal, placed};
use crate::document;
use crate::error::StoreError;
use crate::labelling::Placed;
use crate::store::Store;

const ONE: &str = "select document from tasks where id = $1";
const PAGE: &str = "select document, id, ordinal from tasks where project = $1 and ordinal > $2 order by ordinal limit $3";
const FROM: &str = "select document, id, ordinal from tasks where project = $1 order by ordinal limit $2 offset $3";
const STAGE: &str =
    "select document, id, ordinal from tasks where project = $1 and stage = $2 and ordinal > $3 order by ordinal limit $4";
const STAGE_FROM: &str =
    "select document, id, ordinal from tasks where project = $1 and stage = $2 order by ordinal limit $3 offset $4";
const WITH_ASSETS: &str = "select tasks.document, tasks.id, tasks.ordinal, assets.document from tasks \
     join assets on assets.id = tasks.asset where tasks.project = $1 and tasks.ordinal > $2 order by tasks.ordinal limit $3";
const OF_ASSET: &str = "select document, id from tasks where asset = $1 order by ordinal";
const OF_ASSETS: &str = "select tasks.document, tasks.id from tasks join assets on assets.id = tasks.asset \
     where assets.project = $1 and assets.ordinal >= $2 and assets.ordinal <= $3 order by tasks.ordinal";
const BY_PLUGIN: &str = "select document, id, ordinal from tasks where plugin = $1 and ordinal > $2 order by ordinal limit $3";
const HISTORY: &str = "select document, id from past_stages where task = $1 order by ordinal";
const HISTORIES: &str = "select past_stages.document, past_stages.id from tasks join past_stages on past_stages.task = tasks.id \
     where tasks.project = $1 and tasks.ordinal >= $2 and tasks.ordinal <= $3 order by past_stages.ordinal";
const PAST_STAGE: &str = "select document from past_stages where id = $1";

impl Store {
    /// The task of that id.
    pub async fn task(&self, id: HubId) -> Result<Option<Task>, StoreError> {
        one(&self.read(ONE, vec![cell(id)]).await?, "task")
    }

    /// Tasks of the project, of one stage or all, behind a place, oldest first.
    pub async fn tasks(
        &self,
        project: HubId,
        stage: Option<&str>,
        after: u64,
        most: usize,
    ) -> Result<Vec<Placed<Task>>, StoreError> {
        let after: Cell = integer(after).into();
        let rows = match stage {
            None => self.read(PAGE, vec![cell(project), after, limit(most)]).await?,
            Some(stage) => self.read(STAGE, vec![cell(project), stage.into(), after, limit(most)]).await?,
        };
        placed(&rows)
    }

    /// Tasks of the project, of one stage or all, after so many of them, oldest first.
    pub async fn tasks_from(
        &self,
        project: HubId,
        stage: Option<&str>,
        skipped: u64,
        most: usize,
    ) -> Result<Vec<Placed<Task>>, StoreError> {
        let skipped: Cell = integer(skipped).into();
        let rows = match stage {
            None => self.read(FROM, vec![cell(project), limit(most), skipped]).await?,
            Some(stage) => self.read(STAGE_FROM, vec![cell(project), stage.into(), limit(most), skipped]).await?,
        };
        placed(&rows)
    }

    /// Tasks of the project with their assets, behind a place, oldest first.
    pub async fn tasks_with_assets(
        &self,
        project: HubId,
        after: u64,
        most: usize,
    ) -> Result<Vec<Placed<(Task, Asset)>>, StoreError> {
        let rows = self.read(WITH_ASSETS, vec![cell(project), integer(after).into(), limit(most)]).await?;
        let read = |row: &super::Row| {
            let subject = row.text(1)?;
            let record = (document::read(row.text(0)?, subject)?, document::read(row.text(3)?, subject)?);
            Ok(Placed { ordinal: ordinal(row, 2)?, record })
        };
        rows.iter().map(read).collect()
    }

    /// Tasks of one asset, oldest first.
    pub async fn tasks_of_asset(&self, asset: HubId) -> Result<Vec<Task>, StoreError> {
        all(&self.read(OF_ASSET, vec![cell(asset)]).await?)
    }

    /// Tasks of the project's assets from one place to another, both included.
    pub async fn tasks_of_assets(&self, project: HubId, first: u64, last: u64) -> Result<Vec<Task>, StoreError> {
        all(&self.read(OF_ASSETS, vec![cell(project), integer(first).into(), integer(last).into()]).await?)
    }

    /// Tasks in plugin stages of all projects that stand so, behind a place, oldest first.
    pub async fn tasks_by_plugin(&self, state: PluginWait, after: u64, most: usize) -> Result<Vec<Placed<Task>>, StoreError> {
        placed(&self.read(BY_PLUGIN, vec![Cell::Word(state.as_str()), integer(after).into(), limit(most)]).await?)
    }

    /// Stages that the task has left, oldest first.
    pub async fn past_stages(&self, task: HubId) -> Result<Vec<PastStage>, StoreError> {
        all(&self.read(HISTORY, vec![cell(task)]).await?)
    }

    /// Stages that the project's tasks from one place to another have left, oldest first.
    pub async fn past_stages_of(&self, project: HubId, first: u64, last: u64) -> Result<Vec<PastStage>, StoreError> {
        all(&self.read(HISTORIES, vec![cell(project), integer(first).into(), integer(last).into()]).await?)
    }

    /// The left stage of that id.
    pub async fn past_stage(&self, id: HubId) -> Result<Option<PastStage>, StoreError> {
        one(&self.read(PAST_STAGE, vec![cell(id)]).await?, "past stage")
    }
}
