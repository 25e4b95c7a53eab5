//! Events: numbered from 1 without gaps in the order in which they become visible, and handled at most once.

use pegboard_model::Event;

use super::{Row, Statement, Untouched, integer};
use crate::change::StoredEvent;
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

/// Locks the counter until the commit (in PostgreSQL; SQLite has one writer anyway): who sees a number sees all before it.
const ADVANCE: &str = "update sequences set last = last + 1 where name = 'events'";
const STORE: &str = "insert into events (sequence, id, handled, document) \
     select last, $1, 0, $2 from sequences where name = 'events' returning sequence";
const HANDLE: &str = "update events set handled = 1 where sequence = $1 and handled = 0";
const PAGE: &str = "select sequence, handled, document from events where sequence > $1 order by sequence limit $2";
const PENDING: &str = "select sequence, handled, document from events where handled = 0 order by sequence limit $1";
const LAST: &str = "select last from sequences where name = 'events'";
const DELETE: &str = "delete from events where sequence <= $1 and handled = 1";

impl Store {
    /// Stores the event as not handled; its sequence. `AlreadyExists` when there is one with this id.
    pub async fn put_event(&self, event: &Event) -> Result<u64, StoreError> {
        let mut statements = Vec::with_capacity(2);
        store(event, &mut statements)?;
        self.write(statements).await
    }

    /// Events with a sequence above `after`, oldest first, at most `limit`.
    pub async fn events(&self, after: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        let parameters = vec![integer(after).into(), integer(limit as u64).into()];
        self.read(PAGE, parameters).await?.iter().map(event).collect()
    }

    /// Events that are not handled yet, oldest first, at most `limit`.
    pub async fn pending_events(&self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(PENDING, vec![integer(limit as u64).into()]).await?.iter().map(event).collect()
    }

    /// Sequence of the event that was stored last, also when it is deleted; 0 before the first.
    pub async fn last_event(&self) -> Result<u64, StoreError> {
        let rows = self.read(LAST, Vec::new()).await?;
        let last = rows.first().ok_or_else(|| StoreError::Corrupt("the counter of events is gone".to_owned()))?;
        sequence(last)
    }

    /// Deletes what is handled up to and including this sequence; how many that were.
    pub async fn delete_events_through(&self, sequence: u64) -> Result<u64, StoreError> {
        self.write(vec![Statement::new(DELETE, vec![integer(sequence).into()])]).await
    }
}

pub(super) fn store(event: &Event, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    let parameters = vec![event.id.to_string().into(), document::write(event)?.into()];
    statements.push(Statement::new(ADVANCE, Vec::new()));
    statements.push(Statement::new(STORE, parameters));
    Ok(())
}

pub(super) fn handle(sequence: u64) -> Statement {
    Statement::new(HANDLE, vec![integer(sequence).into()]).or(Untouched::Handled)
}

fn event(row: &Row) -> Result<StoredEvent, StoreError> {
    let sequence = sequence(row)?;
    let event = document::read(row.text(2)?, &sequence.to_string())?;
    Ok(StoredEvent { sequence, handled: row.integer(1)? != 0, event })
}

fn sequence(row: &Row) -> Result<u64, StoreError> {
    let number = row.integer(0)?;
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("an event has the sequence `{number}`")))
}
