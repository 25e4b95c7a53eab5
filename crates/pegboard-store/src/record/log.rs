//! Lines of a run's log.
//!
//! The length of every log is a row of its own: adding to it takes the lock of that log (in PostgreSQL; SQLite has one writer
//! anyway), so numbers have no gap and no line is counted to find the next.

use std::sync::Arc;

use pegboard_model::{LogLevel, LogLine, LogStream, RunId, Timestamp};

use super::{Cell, Row, Statement, Untouched, integer};
use crate::change::{LogFilter, StoredLine};
use crate::error::StoreError;
use crate::store::Store;

const EXTEND: &str = "update logs set length = length + $1 where run = (select ordinal from runs where uid = $2)";
/// `$1`: how many lines of the same batch come after this one.
const APPEND: &str = "insert into log_lines (run, sequence, time, stage, stream, level, text) \
     select run, length - $1, $2, $3, $4, $5, $6 from logs where run = (select ordinal from runs where uid = $7)";
const PAGE: &str = "select sequence, time, stage, stream, level, text from log_lines \
     where run = (select ordinal from runs where uid = $1) and sequence > $2 order by sequence limit $3";

/// `$4`: the stage, or null for all. Levels that are not asked for twice are asked for once more.
const SELECTED: &str = "select sequence, time, stage, stream, level, text from log_lines \
     where run = (select ordinal from runs where uid = $1) and sequence > $2 and sequence < $3 \
     and (cast($4 as text) is null or stage = $4) and level in ($5, $6, $7, $8) order by sequence limit $9";
const SELECTED_LAST: &str = "select sequence, time, stage, stream, level, text from log_lines \
     where run = (select ordinal from runs where uid = $1) and sequence > $2 and sequence < $3 \
     and (cast($4 as text) is null or stage = $4) and level in ($5, $6, $7, $8) order by sequence desc limit $9";

impl Store {
    /// Lines that a filter lets through, oldest first. None for a run that does not exist.
    pub async fn log_selected(&self, run: RunId, filter: &LogFilter) -> Result<Vec<StoredLine>, StoreError> {
        let lowest = filter.level.and_then(|level| LEVELS.iter().position(|one| *one == level)).unwrap_or(0);
        let mut parameters = vec![
            run.to_string().into(),
            integer(filter.after).into(),
            integer(filter.before.unwrap_or(u64::MAX)).into(),
            filter.stage.as_deref().map_or(Cell::Null, Cell::from),
        ];
        parameters.extend((0..LEVELS.len()).map(|position| Cell::Word(level_word(LEVELS[position.max(lowest)]))));
        parameters.push(integer(filter.limit as u64).into());
        let sql = if filter.last { SELECTED_LAST } else { SELECTED };
        let mut lines = self.read(sql, parameters).await?.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        if filter.last {
            lines.reverse();
        }
        Ok(lines)
    }

    /// Lines with a sequence above `after`, oldest first, at most `limit`. None for a run that does not exist.
    pub async fn log(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<StoredLine>, StoreError> {
        let parameters = vec![run.to_string().into(), integer(after).into(), integer(limit as u64).into()];
        self.read(PAGE, parameters).await?.iter().map(line).collect()
    }
}

pub(super) fn push(run: RunId, lines: Vec<LogLine>, statements: &mut Vec<Statement>) {
    let uid: Arc<str> = run.to_string().into();
    let count = integer(lines.len() as u64);
    let extend = vec![count.into(), Cell::Shared(Arc::clone(&uid))];
    statements.push(Statement::new(EXTEND, extend).about(1).or(Untouched::Missing));
    for (line, after) in lines.into_iter().zip((0..count).rev()) {
        let parameters = vec![
            after.into(),
            line.time.0.into(),
            line.stage.map_or(Cell::Null, Cell::Text),
            Cell::Word(stream_word(line.stream)),
            Cell::Word(level_word(line.level)),
            storable(line.text).into(),
            Cell::Shared(Arc::clone(&uid)),
        ];
        statements.push(Statement::new(APPEND, parameters).about(6).or(Untouched::Missing));
    }
}

/// PostgreSQL has no text with a zero byte; so that all back ends keep the same, no log has.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn line(row: &Row) -> Result<StoredLine, StoreError> {
    let sequence = u64::try_from(row.integer(0)?).unwrap_or(0);
    let stage = if row.0.get(2) == Some(&Cell::Null) { None } else { Some(row.text(2)?.to_owned()) };
    let stream = word(&STREAMS, stream_word, row.text(3)?)?;
    let level = word(&LEVELS, level_word, row.text(4)?)?;
    let line = LogLine { time: Timestamp(row.integer(1)?), stage, stream, level, text: row.text(5)?.to_owned() };
    Ok(StoredLine { sequence, line })
}

const STREAMS: [LogStream; 4] = [LogStream::Stdout, LogStream::Stderr, LogStream::Logger, LogStream::Pegboard];
pub(super) const LEVELS: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];

fn stream_word(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
        LogStream::Logger => "logger",
        LogStream::Pegboard => "pegboard",
    }
}

pub(super) fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

pub(super) fn word<T: Copy>(all: &[T], say: fn(T) -> &'static str, text: &str) -> Result<T, StoreError> {
    all.iter().copied().find(|one| say(*one) == text).ok_or_else(|| StoreError::Corrupt(format!("log line: `{text}` is unknown")))
}
