//! Runs: one row each with the document of its head, and one row per stage.

use pegboard_model::{Run, RunId, RunState, StageRun, Timestamp};

use super::change::{change_run, change_stage};
use super::{Cell, Row, Statement, integer};
use crate::change::RunFilter;
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

/// Head first (position -1), then the stages, as one statement: one moment of the run, never a mixture of two.
const ONE: &str = "select -1 as position, document from runs where uid = $1 union all \
     select position, document from stage_runs where run = (select ordinal from runs where uid = $1) order by position";
const BY_NAME: &str = "select -1 as position, document from runs where name = $1 union all \
     select position, document from stage_runs where run = (select ordinal from runs where name = $1) order by position";
const UNFINISHED: &str = "select uid, -1 as position, document, ordinal from runs where state in ('pending', 'running') union all \
     select runs.uid, stage_runs.position, stage_runs.document, ordinal from runs join stage_runs on stage_runs.run = runs.ordinal \
     where runs.state in ('pending', 'running') order by ordinal, position";
/// The last runs of each stored workflow, `$1` and one more: for each its end of the index, and no other run.
const RECENT: &str = "select runs.document, runs.uid from resources join runs on runs.workflow = resources.name \
     and runs.ordinal >= coalesce((select older.ordinal from runs as older where older.workflow = resources.name \
     order by older.ordinal desc limit 1 offset $1), 0) where resources.kind = 'workflow' order by runs.ordinal desc";
const EXISTS: &str = "select uid from runs where uid = $1";
const ENDED: &str = "select uid from runs where finished_at < $1 order by finished_at, ordinal limit $2";
const DELETE: [&str; 4] = [
    "delete from log_lines where run = (select ordinal from runs where uid = $1)",
    "delete from logs where run = (select ordinal from runs where uid = $1)",
    "delete from stage_runs where run = (select ordinal from runs where uid = $1)",
    "delete from runs where uid = $1",
];

impl Store {
    /// The run with its stages.
    pub async fn run(&self, uid: RunId) -> Result<Option<Run>, StoreError> {
        let uid = uid.to_string();
        whole(&self.read(ONE, vec![uid.as_str().into()]).await?, &uid)
    }

    /// The run of that name with its stages.
    pub async fn run_by_name(&self, name: &str) -> Result<Option<Run>, StoreError> {
        whole(&self.read(BY_NAME, vec![name.into()]).await?, name)
    }

    /// Without their stages (empty vectors): a list is O(rows listed).
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let (sql, parameters) = list(filter);
        let rows = self.read(sql, parameters).await?;
        if let (true, Some(before)) = (rows.is_empty(), filter.before) {
            let uid = before.to_string();
            if self.read(EXISTS, vec![uid.as_str().into()]).await?.is_empty() {
                return Err(StoreError::NotFound(uid));
            }
        }
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// The last runs of each stored workflow, at most so many of each, newest first, without their stages.
    pub async fn recent_runs(&self, of_each: usize) -> Result<Vec<Run>, StoreError> {
        if of_each == 0 {
            return Ok(Vec::new());
        }
        let rows = self.read(RECENT, vec![integer(of_each as u64 - 1).into()]).await?;
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// Whether there was one. Takes its stages and its log along; the object of its result is the caller's to delete.
    pub async fn delete_run(&self, uid: RunId) -> Result<bool, StoreError> {
        let uid = uid.to_string();
        Ok(self.write(deletion(&uid).into()).await? > 0)
    }

    /// Deletes runs that ended before this instant, with their stages and logs, those that ended first before others, at most
    /// `limit`, in one transaction; which ones. Runs under way stay. The objects of their results are the caller's to delete.
    pub async fn delete_runs_ended_before(&self, instant: Timestamp, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let rows = self.read(ENDED, vec![instant.0.into(), integer(limit as u64).into()]).await?;
        let mut statements = Vec::with_capacity(rows.len() * DELETE.len());
        let mut deleted = Vec::with_capacity(rows.len());
        for row in &rows {
            statements.extend(deletion(row.text(0)?));
            deleted.push(identity(row.text(0)?)?);
        }
        self.write(statements).await?;
        Ok(deleted)
    }

    /// Ends every pending and running run, and its pending and running stages, as interrupted, in one transaction; returns the
    /// runs, oldest first. For the start of the only server on this database: it does not know whose runs they are.
    pub async fn interrupt_unfinished(&self, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
        let rows = self.read(UNFINISHED, Vec::new()).await?;
        let mut statements = Vec::with_capacity(rows.len());
        let mut ended = Vec::new();
        for row in &rows {
            let (uid, position) = (row.text(0)?, row.integer(1)?);
            let run = identity(uid)?;
            if let Ok(position) = usize::try_from(position) {
                let mut stage: StageRun = document::read(row.text(2)?, uid)?;
                if !stage.state.is_final() {
                    (stage.state, stage.finished_at) = (RunState::Interrupted, Some(now));
                    statements.push(change_stage(run, position, &stage)?);
                }
            } else {
                let mut head: Run = document::read(row.text(2)?, uid)?;
                (head.state, head.finished_at) = (RunState::Interrupted, Some(now));
                statements.push(change_run(head)?);
                ended.push(run);
            }
        }
        self.write(statements).await?;
        Ok(ended)
    }
}

fn deletion(uid: &str) -> [Statement; 4] {
    DELETE.map(|sql| Statement::new(sql, vec![uid.into()]))
}

fn identity(uid: &str) -> Result<RunId, StoreError> {
    uid.parse().map_err(|error| StoreError::Corrupt(format!("run: {error}")))
}

fn whole(rows: &[Row], subject: &str) -> Result<Option<Run>, StoreError> {
    let Some((head, stages)) = rows.split_first() else { return Ok(None) };
    let mut run: Run = document::read(head.text(1)?, subject)?;
    run.stages = stages.iter().map(|row| document::read(row.text(1)?, subject)).collect::<Result<_, _>>()?;
    Ok(Some(run))
}

/// Each combination of filters has an index that ends in `ordinal`, so the page is read from there and nothing else is.
fn list(filter: &RunFilter) -> (&'static str, Vec<Cell>) {
    let limit = if filter.limit == 0 { i64::MAX } else { integer(filter.limit as u64) };
    let mut parameters: Vec<Cell> = Vec::with_capacity(4);
    parameters.extend(filter.workflow.clone().map(Cell::Text));
    parameters.extend(filter.state.map(|state| Cell::Word(state.as_str())));
    parameters.extend(filter.before.map(|before| Cell::Text(before.to_string())));
    parameters.push(limit.into());
    (
        LISTS[usize::from(filter.workflow.is_some()) * 4
            + usize::from(filter.state.is_some()) * 2
            + usize::from(filter.before.is_some())],
        parameters,
    )
}

/// By workflow (4), state (2), before (1).
const LISTS: [&str; 8] = [
    "select document, uid from runs order by ordinal desc limit $1",
    "select document, uid from runs where ordinal < (select ordinal from runs where uid = $1) order by ordinal desc limit $2",
    "select document, uid from runs where state = $1 order by ordinal desc limit $2",
    "select document, uid from runs where state = $1 and ordinal < (select ordinal from runs where uid = $2) \
     order by ordinal desc limit $3",
    "select document, uid from runs where workflow = $1 order by ordinal desc limit $2",
    "select document, uid from runs where workflow = $1 and ordinal < (select ordinal from runs where uid = $2) \
     order by ordinal desc limit $3",
    "select document, uid from runs where workflow = $1 and state = $2 order by ordinal desc limit $3",
    "select document, uid from runs where workflow = $1 and state = $2 \
     and ordinal < (select ordinal from runs where uid = $3) order by ordinal desc limit $4",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteRecords;

    /// A list reads the rows that it lists: from an index that is in order already, without a sort.
    #[tokio::test]
    async fn lists_are_read_from_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let records = SqliteRecords::open(&directory.path().join("pegboard.db"), None).unwrap();
        for (number, sql) in LISTS.into_iter().enumerate() {
            let explain: &'static str = format!("explain query plan {sql}").leak();
            let parameters = vec![Cell::Null; sql.matches('$').count()];
            let plan = records.read(explain, parameters).await.unwrap();
            let plan: Vec<_> = plan.iter().map(|row| row.text(3).unwrap()).collect();
            let expected = match number {
                0 => "SCAN runs",
                1 => "SEARCH runs USING INTEGER PRIMARY KEY (rowid<?)",
                2 => "SEARCH runs USING INDEX runs_by_state (state=?)",
                3 => "SEARCH runs USING INDEX runs_by_state (state=? AND ordinal<?)",
                4 => "SEARCH runs USING INDEX runs_by_workflow (workflow=?)",
                5 => "SEARCH runs USING INDEX runs_by_workflow (workflow=? AND ordinal<?)",
                6 => "SEARCH runs USING INDEX runs_by_workflow_and_state (workflow=? AND state=?)",
                _ => "SEARCH runs USING INDEX runs_by_workflow_and_state (workflow=? AND state=? AND ordinal<?)",
            };
            assert_eq!(plan[0], expected, "{sql}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
        let explain: &'static str = format!("explain query plan {ENDED}").leak();
        let plan = records.read(explain, vec![Cell::Null; 2]).await.unwrap();
        assert_eq!(plan[0].text(3).unwrap(), "SEARCH runs USING INDEX runs_by_end (finished_at<?)");
        assert_eq!(plan.len(), 1, "{plan:?}");
        let explain: &'static str = format!("explain query plan {RECENT}").leak();
        let plan = records.read(explain, vec![Cell::Null]).await.unwrap();
        let plan: Vec<_> = plan.iter().map(|row| row.text(3).unwrap()).collect();
        assert!(plan.contains(&"SEARCH runs USING INDEX runs_by_workflow (workflow=? AND ordinal>?)"), "{plan:?}");
        assert!(plan.iter().any(|step| step.contains("SEARCH older USING COVERING INDEX runs_by_workflow")), "{plan:?}");
    }
}
