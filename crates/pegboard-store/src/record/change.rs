//! Changes as statements. The documents are written here, in the caller's task, so that the writer only writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use pegboard_model::{Run, RunId, StageRun, Timestamp};
use uuid::Uuid;

use super::{Cell, Statement, Untouched, events, log};
use crate::change::Change;
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const CREATE_RUN: &str = "insert into runs (uid, name, workflow, state, finished_at, document) values ($1, $2, $3, $4, $5, $6)";
const CREATE_LOG: &str = "insert into logs (run, length) select ordinal, 0 from runs where uid = $1";
const CREATE_STAGE: &str = "insert into stage_runs (document, position, run) select $1, $2, ordinal from runs where uid = $3";
const CHANGE_RUN: &str = "update runs set name = $1, workflow = $2, state = $3, finished_at = $4, document = $5 where uid = $6";
const CHANGE_STAGE: &str =
    "update stage_runs set document = $1 where position = $2 and run = (select ordinal from runs where uid = $3)";

impl Store {
    /// One transaction; when it returns, the change survives any end of this process. The disk is synchronised within 50 ms, so that
    /// a run need not wait for it several times: loss of power may take what was said in that time, in whole transactions, the
    /// latest first. PostgreSQL: committed. Batches of concurrent callers are committed together; one bad batch does not
    /// fail the others. `NotFound` when a run does not exist (any more), has no stage at that position, or when a trigger does
    /// not exist; `AlreadyExists` when a new run's name or uid, or an event's id, is taken; `AlreadyHandled` for an event that is
    /// handled or unknown. Dropping the future does not take the batch back once it is queued.
    pub async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut batch = Batch { statements: Vec::with_capacity(changes.len()), fired: BTreeMap::new() };
        for change in changes {
            batch.push(change)?;
        }
        if batch.fired.is_empty() {
            return self.write_soon(batch.statements).await.map(drop);
        }
        loop {
            let mut statements = batch.statements.clone();
            for (&trigger, &at) in &batch.fired {
                statements.push(self.fire(trigger, at).await?);
            }
            match self.write_soon(statements).await {
                // Somebody changed a trigger between the reading and the writing: nobody's change is lost, so look again.
                Err(StoreError::ChangedMeanwhile(_)) => {}
                other => return other.map(drop),
            }
        }
    }
}

struct Batch {
    statements: Vec<Statement>,
    /// When each trigger fired last; in the same order in all batches, so that no two wait for each other.
    fired: BTreeMap<Uuid, Timestamp>,
}

impl Batch {
    fn push(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::RunCreated(run) => create_run(run, &mut self.statements)?,
            Change::RunChanged(run) => self.statements.push(change_run(run)?),
            Change::StageChanged { run, position, stage } => self.statements.push(change_stage(run, position, &stage)?),
            Change::Logged { run, lines } => log::push(run, lines, &mut self.statements),
            Change::EventStored(event) => events::store(&event, &mut self.statements)?,
            Change::EventHandled { sequence } => self.statements.push(events::handle(sequence)),
            Change::TriggerFired { trigger, at } => {
                let last = self.fired.entry(trigger).or_insert(at);
                *last = at.max(*last);
            }
        }
        Ok(())
    }
}

fn create_run(mut run: Run, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    let stages = std::mem::take(&mut run.stages);
    let uid: Arc<str> = run.uid.to_string().into();
    let document = document::write(&run)?;
    let (state, end) = (Cell::Word(run.state.as_str()), end(&run));
    let parameters = vec![Cell::Shared(Arc::clone(&uid)), run.name.into(), run.workflow.into(), state, end, document.into()];
    statements.push(Statement::new(CREATE_RUN, parameters).about(1));
    statements.push(Statement::new(CREATE_LOG, vec![Cell::Shared(Arc::clone(&uid))]));
    for (position, stage) in stages.iter().enumerate() {
        statements.push(stage_statement(CREATE_STAGE, &uid, position, stage)?);
    }
    Ok(())
}

pub(super) fn change_run(mut run: Run) -> Result<Statement, StoreError> {
    run.stages = Vec::new();
    let document = document::write(&run)?;
    let (state, end, uid) = (Cell::Word(run.state.as_str()), end(&run), run.uid.to_string());
    let parameters = vec![run.name.into(), run.workflow.into(), state, end, document.into(), uid.into()];
    Ok(Statement::new(CHANGE_RUN, parameters).about(5).or(Untouched::Missing))
}

/// What retention goes by: only what has ended has an end.
fn end(run: &Run) -> Cell {
    run.finished_at.filter(|_| run.state.is_final()).map_or(Cell::Null, |time| time.0.into())
}

pub(super) fn change_stage(run: RunId, position: usize, stage: &StageRun) -> Result<Statement, StoreError> {
    stage_statement(CHANGE_STAGE, &run.to_string().into(), position, stage)
}

fn stage_statement(sql: &'static str, uid: &Arc<str>, position: usize, stage: &StageRun) -> Result<Statement, StoreError> {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    let parameters = vec![document::write(stage)?.into(), position.into(), Cell::Shared(Arc::clone(uid))];
    Ok(Statement::new(sql, parameters).about(2).or(Untouched::Missing))
}
