//! Changes of assets and tasks as statements.

use pegboard_model::{Asset, HubId, Task};

use super::super::{Cell, Statement, Untouched, integer};
use super::{cell, start};
use crate::document;
use crate::error::StoreError;
use crate::labelling::LabelChange;
use crate::store::Store;

const CREATE_ASSET: &str = "insert into assets (id, project, external_start, data_start, document) values ($1, $2, $3, $4, $5)";
const CHANGE_ASSET: &str = "update assets set external_start = $1, data_start = $2, document = $3 where id = $4";
const DELETE_ASSET: [&str; 4] = [
    "delete from past_stages where task in (select id from tasks where asset = $1)",
    "delete from issues where task in (select id from tasks where asset = $1)",
    "delete from tasks where asset = $1",
    "delete from assets where id = $1",
];
const CREATE_TASK: &str =
    "insert into tasks (id, project, asset, stage, plugin, version, document) values ($1, $2, $3, $4, $5, $6, $7)";
const CHANGE_TASK: &str =
    "update tasks set stage = $1, plugin = $2, version = version + 1, document = $3 where id = $4 and version = $5";
const STAGE_LEFT: &str = "insert into past_stages (id, task, document) values ($1, $2, $3)";
const FORGET: &str = "delete from past_stages where task = $1";

impl Store {
    /// One transaction; returns when it is durable. `ChangedMeanwhile` when a task is not as the caller saw it, `NotFound` when
    /// an asset is not there (any more).
    pub async fn apply_labels(&self, changes: Vec<LabelChange>) -> Result<(), StoreError> {
        let mut statements = Vec::with_capacity(changes.len());
        // A deleted asset does not say whose it was.
        let mut touched = Some(Vec::new());
        for change in changes {
            match &change {
                LabelChange::AssetCreated(asset) => touch(&mut touched, asset.project),
                LabelChange::TaskCreated(task) | LabelChange::TaskChanged(task) => touch(&mut touched, task.project),
                LabelChange::AssetDeleted(_) => touched = None,
                LabelChange::AssetChanged(_) | LabelChange::StageLeft(_) | LabelChange::HistoryForgotten(_) => {}
            }
            push(change, &mut statements)?;
        }
        let written = self.write(statements).await;
        if let Some(counts) = self.project_counts() {
            counts.forget(touched.as_deref());
        }
        written.map(drop)
    }
}

fn touch(touched: &mut Option<Vec<HubId>>, project: HubId) {
    if let Some(touched) = touched.as_mut().filter(|touched| touched.last() != Some(&project)) {
        touched.push(project);
    }
}

fn push(change: LabelChange, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    match change {
        LabelChange::AssetCreated(asset) => statements.push(create_asset(&asset)?),
        LabelChange::AssetChanged(asset) => {
            let parameters = vec![start(&asset.external_id), start(&asset.data), document::write(&asset)?.into(), cell(asset.id)];
            statements.push(Statement::new(CHANGE_ASSET, parameters).about(3).or(Untouched::Missing));
        }
        LabelChange::AssetDeleted(id) => {
            statements.extend(DELETE_ASSET[..3].iter().map(|sql| Statement::new(sql, vec![cell(id)])));
            statements.push(Statement::new(DELETE_ASSET[3], vec![cell(id)]).or(Untouched::Missing));
        }
        LabelChange::TaskCreated(task) => statements.push(create_task(&task)?),
        LabelChange::TaskChanged(mut task) => {
            let seen = integer(task.revision);
            task.revision += 1;
            let parameters =
                vec![task.stage.as_str().into(), wait(&task), document::write(&task)?.into(), cell(task.id), seen.into()];
            statements.push(Statement::new(CHANGE_TASK, parameters).about(3).or(Untouched::Changed));
        }
        LabelChange::StageLeft(stage) => {
            let parameters = vec![cell(stage.id), cell(stage.task), document::write(&stage)?.into()];
            statements.push(Statement::new(STAGE_LEFT, parameters));
        }
        LabelChange::HistoryForgotten(task) => statements.push(Statement::new(FORGET, vec![cell(task)])),
    }
    Ok(())
}

fn create_asset(asset: &Asset) -> Result<Statement, StoreError> {
    let (external, data) = (start(&asset.external_id), start(&asset.data));
    Ok(Statement::new(CREATE_ASSET, vec![cell(asset.id), cell(asset.project), external, data, document::write(asset)?.into()]))
}

fn create_task(task: &Task) -> Result<Statement, StoreError> {
    let parameters = vec![
        cell(task.id),
        cell(task.project),
        cell(task.asset),
        task.stage.as_str().into(),
        wait(task),
        integer(task.revision).into(),
        document::write(task)?.into(),
    ];
    Ok(Statement::new(CREATE_TASK, parameters))
}

fn wait(task: &Task) -> Cell {
    task.plugin.map_or(Cell::Null, |wait| Cell::Word(wait.as_str()))
}
