//! Opening the file, and the two ways into it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::from_sqlite;
use super::readers::Readers;
use super::writer::Writer;
use super::{migrations, queries};
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::record::{Cell, Row, Statement};

/// The writer and the readers of one file.
pub(crate) struct SqliteRecords {
    writer: Writer,
    readers: Readers,
}

impl SqliteRecords {
    /// Opens or makes the file and migrates it. `lock` is held until the writer has written its last. Blocking.
    pub(crate) fn open(path: &Path, lock: Option<Arc<DirectoryLock>>) -> Result<Self, StoreError> {
        let mut connection = open_to_write(path).map_err(|error| from_sqlite(path, &error))?;
        migrations::run(&mut connection, path)?;
        let readers = Readers::open(path)?;
        Ok(Self { writer: Writer::start(connection, path.to_owned(), lock)?, readers })
    }

    pub(crate) async fn write(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        self.writer.write(statements).await
    }

    pub(crate) async fn read(&self, sql: &'static str, parameters: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        self.readers.run(move |connection| queries::read(connection, sql, &parameters)).await
    }

    /// Readers first, so that the writer's connection is the last and folds the log back into the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Full: a commit is synchronised before it is acknowledged; with groups of callers that costs one synchronisation for all.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}
