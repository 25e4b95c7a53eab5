//! Sessions of remote plugins with their logs.
//!
//! Like what happens in runs, what happens in sessions survives any end of this process at once, and loss of power a moment later:
//! see [`Store::apply`]. Invariant: a session that has ended is never changed again. Every change asks the database for it, so that of two ends that
//! race, from two servers or before and after a restart, exactly one is kept.

use std::sync::{Arc, LazyLock};

use pegboard_model::{Event, HubId, LogLevel, Session, SessionLine, SessionState, Timestamp};

use super::hub::identity;
use super::log::{LEVELS, level_word, storable, word};
use super::{Cell, Row, Statement, Untouched, events, integer};
use crate::document;
use crate::error::StoreError;
use crate::sessions::{SessionFilter, StoredSessionLine};
use crate::store::Store;

const CREATE: &str = "insert into hub_sessions (id, plugin, project, state, finished_at, log_length, document, organization) \
     values ($1, $2, $3, $4, $5, 0, $6, $7)";
const CHANGE: &str = "update hub_sessions set state = $1, finished_at = $2, document = $3 \
     where id = $4 and state in ('queued', 'running')";
const ONE: &str = "select document, id from hub_sessions where id = $1";
const EXISTS: &str = "select id from hub_sessions where id = $1";
const UNFINISHED: &str = "select document, id from hub_sessions where state in ('queued', 'running') order by ordinal";
const ENDED: &str = "select id, document from hub_sessions where finished_at < $1 order by finished_at, ordinal limit $2";
const DELETE: [&str; 2] = [
    "delete from hub_log_lines where session = (select ordinal from hub_sessions where id = $1)",
    "delete from hub_sessions where id = $1",
];
const EXTEND: &str = "update hub_sessions set log_length = log_length + $1 where id = $2";
/// `$1`: how many lines of the same batch come after this one.
const APPEND: &str = "insert into hub_log_lines (session, sequence, time, level, text, more) \
     select ordinal, log_length - $1, $2, $3, $4, $5 from hub_sessions where id = $6";
const LOG: &str = "select sequence, time, level, text, more from hub_log_lines \
     where session = (select ordinal from hub_sessions where id = $1) and sequence > $2 order by sequence limit $3";
const LOG_END: &str = "select sequence, time, level, text, more from hub_log_lines \
     where session = (select ordinal from hub_sessions where id = $1) and sequence < $2 order by sequence desc limit $3";

impl Store {
    /// Fails with `AlreadyExists` when the id is taken.
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let parameters = vec![
            session.id.to_string().into(),
            session.plugin.to_string().into(),
            session.project.map_or(Cell::Null, |project| project.to_string().into()),
            Cell::Word(session.state.as_str()),
            end(session),
            document::write(session)?.into(),
            session.organization.to_string().into(),
        ];
        self.write_soon(vec![Statement::new(CREATE, parameters)]).await.map(drop)
    }

    /// Appends the lines and stores the session's document, with an event that tells of it, as one transaction.
    /// `ChangedMeanwhile` when the session has ended before (or is not there): then nothing is stored.
    pub async fn change_session(
        &self,
        session: &Session,
        lines: Vec<SessionLine>,
        event: Option<&Event>,
    ) -> Result<(), StoreError> {
        let mut statements = Vec::with_capacity(lines.len() + 4);
        append(session.id, lines, &mut statements);
        let parameters = vec![
            Cell::Word(session.state.as_str()),
            end(session),
            document::write(session)?.into(),
            session.id.to_string().into(),
        ];
        statements.push(Statement::new(CHANGE, parameters).about(3).or(Untouched::Changed));
        if let Some(event) = event {
            events::store(event, &mut statements)?;
        }
        self.write_soon(statements).await.map(drop)
    }

    /// Appends lines to the session's log, also after its end; sequence numbers are given from 1, without gaps. `NotFound` when
    /// there is no such session.
    pub async fn log_session(&self, session: HubId, lines: Vec<SessionLine>) -> Result<(), StoreError> {
        let mut statements = Vec::with_capacity(lines.len() + 1);
        append(session, lines, &mut statements);
        self.write_soon(statements).await.map(drop)
    }

    /// The session of that id.
    pub async fn session(&self, id: HubId) -> Result<Option<Session>, StoreError> {
        let rows = self.read(ONE, vec![id.to_string().into()]).await?;
        rows.first().map(read).transpose()
    }

    /// A page of sessions, newest first.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<Session>, StoreError> {
        let (sql, parameters) = list(filter);
        let rows = self.read(sql, parameters).await?;
        if let (true, Some(before)) = (rows.is_empty(), filter.before) {
            let id = before.to_string();
            if self.read(EXISTS, vec![id.as_str().into()]).await?.is_empty() {
                return Err(StoreError::NotFound(id));
            }
        }
        rows.iter().map(read).collect()
    }

    /// Sessions that are queued or running, oldest first.
    pub async fn unfinished_sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.read(UNFINISHED, Vec::new()).await?.iter().map(read).collect()
    }

    /// Lines with a sequence above `after`, oldest first, at most `limit`. None for a session that does not exist.
    pub async fn session_log(&self, id: HubId, after: u64, limit: usize) -> Result<Vec<StoredSessionLine>, StoreError> {
        let parameters = vec![id.to_string().into(), integer(after).into(), integer(limit as u64).into()];
        self.read(LOG, parameters).await?.iter().map(line).collect()
    }

    /// The last `limit` lines with a sequence below `before`, or of all; oldest first. None for a session that does not exist.
    pub async fn session_log_end(
        &self,
        id: HubId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredSessionLine>, StoreError> {
        let before = integer(before.unwrap_or(u64::MAX));
        let parameters = vec![id.to_string().into(), before.into(), integer(limit as u64).into()];
        let mut lines = self.read(LOG_END, parameters).await?.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        lines.reverse();
        Ok(lines)
    }

    /// Deletes sessions that ended before this instant with their logs, those that ended first before others, at most `limit`;
    /// as they were. The objects of their results are the caller's to delete.
    pub async fn delete_sessions_ended_before(&self, instant: Timestamp, limit: usize) -> Result<Vec<Session>, StoreError> {
        let rows = self.read(ENDED, vec![instant.0.into(), integer(limit as u64).into()]).await?;
        let mut deleted = Vec::with_capacity(rows.len());
        let mut statements = Vec::with_capacity(rows.len() * DELETE.len());
        for row in &rows {
            let id = identity(row, 0)?.to_string();
            statements.extend(DELETE.map(|sql| Statement::new(sql, vec![id.as_str().into()])));
            deleted.push(document::read(row.text(1)?, &id)?);
        }
        self.write(statements).await?;
        Ok(deleted)
    }
}

/// What retention goes by: only what has ended has an end.
fn end(session: &Session) -> Cell {
    session.finished_at.filter(|_| session.state.is_final()).map_or(Cell::Null, |time| time.0.into())
}

fn append(session: HubId, lines: Vec<SessionLine>, statements: &mut Vec<Statement>) {
    if lines.is_empty() {
        return;
    }
    let id: Arc<str> = session.to_string().into();
    let count = integer(lines.len() as u64);
    statements.push(Statement::new(EXTEND, vec![count.into(), Cell::Shared(Arc::clone(&id))]).about(1).or(Untouched::Missing));
    for (line, after) in lines.into_iter().zip((0..count).rev()) {
        let more = if line.more.is_empty() { Cell::Null } else { serde_json::Value::Object(line.more).to_string().into() };
        let parameters = vec![
            after.into(),
            line.time.0.into(),
            Cell::Word(level_word(line.level)),
            storable(line.text).into(),
            more,
            Cell::Shared(Arc::clone(&id)),
        ];
        statements.push(Statement::new(APPEND, parameters).about(5).or(Untouched::Missing));
    }
}

fn read(row: &Row) -> Result<Session, StoreError> {
    document::read(row.text(0)?, row.text(1)?)
}

fn line(row: &Row) -> Result<StoredSessionLine, StoreError> {
    let sequence = u64::try_from(row.integer(0)?).unwrap_or(0);
    let level: LogLevel = word(&LEVELS, level_word, row.text(2)?)?;
    let more = match row.0.get(4) {
        None | Some(Cell::Null) => serde_json::Map::new(),
        _ => serde_json::from_str(row.text(4)?).map_err(|error| StoreError::Corrupt(format!("session line: {error}")))?,
    };
    Ok(StoredSessionLine {
        sequence,
        line: SessionLine { time: Timestamp(row.integer(1)?), level, text: row.text(3)?.to_owned(), more },
    })
}

fn list(filter: &SessionFilter) -> (&'static str, Vec<Cell>) {
    let limit = if filter.limit == 0 { i64::MAX } else { integer(filter.limit as u64) };
    let text = |id: HubId| Cell::Text(id.to_string());
    let given = [
        filter.organization.map(text),
        filter.plugin.map(text),
        filter.project.map(text),
        filter.state.map(|state: SessionState| Cell::Word(state.as_str())),
        filter.before.map(text),
    ];
    let number = given.iter().fold(0, |number, cell| number * 2 + usize::from(cell.is_some()));
    let parameters = given.into_iter().flatten().chain([limit.into()]).collect();
    (&LISTS[number], parameters)
}

/// What each part of a filter says; `$` is its parameter.
const CONDITIONS: [&str; 5] =
    ["organization = $", "plugin = $", "project = $", "state = $", "ordinal < (select ordinal from hub_sessions where id = $)"];

/// One statement for each choice of conditions: organization (16), plugin (8), project (4), state (2), before (1).
static LISTS: LazyLock<Vec<String>> = LazyLock::new(|| (0..1 << CONDITIONS.len()).map(statement).collect());

fn statement(choice: usize) -> String {
    let chosen = CONDITIONS.iter().enumerate().filter(|(place, _)| choice >> (CONDITIONS.len() - 1 - place) & 1 == 1);
    let numbered: Vec<String> =
        chosen.enumerate().map(|(before, (_, condition))| condition.replace('$', &format!("${}", before + 1))).collect();
    let conditions = if numbered.is_empty() { String::new() } else { format!("where {} ", numbered.join(" and ")) };
    format!("select document, id from hub_sessions {conditions}order by ordinal desc limit ${}", numbered.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_number_their_parameters() {
        assert_eq!(LISTS[0], "select document, id from hub_sessions order by ordinal desc limit $1");
        assert_eq!(
            LISTS[16 + 4 + 1],
            "select document, id from hub_sessions where organization = $1 and project = $2 and \
             ordinal < (select ordinal from hub_sessions where id = $3) order by ordinal desc limit $4"
        );
    }
}
