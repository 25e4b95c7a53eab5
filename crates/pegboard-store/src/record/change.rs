//! Changes as statements. The documents are written here, in the caller's task, so that the writer only writes.

use std::sync::Arc;

use pegboard_model::{Run, RunId, StageRun};

use super::{Cell, Statement, Untouched, log};
use crate::change::Change;
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const CREATE_RUN: &str = "insert into runs (uid, name, workflow, state, document) values ($1, $2, $3, $4, $5)";
const CREATE_LOG: &str = "insert into logs (run, length) select ordinal, 0 from runs where uid = $1";
const CREATE_STAGE: &str = "insert into stage_runs (document, position, run) select $1, $2, ordinal from runs where uid = $3";
const CHANGE_RUN: &str = "update runs set name = $1, workflow = $2, state = $3, document = $4 where uid = $5";
const CHANGE_STAGE: &str =
    "update stage_runs set document = $1 where position = $2 and run = (select ordinal from runs where uid = $3)";

impl Store {
    /// One transaction; returns when it is durable. Batches of concurrent callers are committed together; one bad batch does not
    /// fail the others. `NotFound` when a run does not exist (any more), or has no stage at that position; `AlreadyExists` when
    /// a new run's name or uid is taken. Dropping the future does not take the batch back.
    pub async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut statements = Vec::with_capacity(changes.len());
        for change in changes {
            push(change, &mut statements)?;
        }
        self.write(statements).await.map(drop)
    }
}

fn push(change: Change, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    match change {
        Change::RunCreated(mut run) => {
            let stages = std::mem::take(&mut run.stages);
            let uid: Arc<str> = run.uid.to_string().into();
            let document = document::write(&run)?;
            let state = Cell::Word(run.state.as_str());
            let parameters = vec![Cell::Shared(Arc::clone(&uid)), run.name.into(), run.workflow.into(), state, document.into()];
            statements.push(Statement::new(CREATE_RUN, parameters).about(1));
            statements.push(Statement::new(CREATE_LOG, vec![Cell::Shared(Arc::clone(&uid))]));
            for (position, stage) in stages.iter().enumerate() {
                statements.push(stage_statement(CREATE_STAGE, &uid, position, stage)?);
            }
        }
        Change::RunChanged(run) => statements.push(change_run(run)?),
        Change::StageChanged { run, position, stage } => statements.push(change_stage(run, position, &stage)?),
        Change::Logged { run, lines } => log::push(run, lines, statements),
    }
    Ok(())
}

pub(super) fn change_run(mut run: Run) -> Result<Statement, StoreError> {
    run.stages = Vec::new();
    let document = document::write(&run)?;
    let parameters =
        vec![run.name.into(), run.workflow.into(), Cell::Word(run.state.as_str()), document.into(), run.uid.to_string().into()];
    Ok(Statement::new(CHANGE_RUN, parameters).about(4).or(Untouched::Missing))
}

pub(super) fn change_stage(run: RunId, position: usize, stage: &StageRun) -> Result<Statement, StoreError> {
    stage_statement(CHANGE_STAGE, &run.to_string().into(), position, stage)
}

fn stage_statement(sql: &'static str, uid: &Arc<str>, position: usize, stage: &StageRun) -> Result<Statement, StoreError> {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    let parameters = vec![document::write(stage)?.into(), position.into(), Cell::Shared(Arc::clone(uid))];
    Ok(Statement::new(sql, parameters).about(2).or(Untouched::Missing))
}
