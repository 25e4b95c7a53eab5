//! Opening the file, and the two ways into it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::from_sqlite;
use super::flusher::Flusher;
use super::readers::Readers;
use super::writer::Writer;
use super::{copy, migrations, queries};
use crate::backup::{Pieces, Table};
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::record::{Cell, Flush, Row, Statement};

/// The writer and the readers of one file.
pub(crate) struct SqliteRecords {
    writer: Writer,
    readers: Readers,
    path: PathBuf,
}

impl SqliteRecords {
    /// Opens or makes the file and migrates it. `lock` is held until the writer has written its last. Blocking.
    pub(crate) fn open(path: &Path, lock: Option<Arc<DirectoryLock>>) -> Result<Self, StoreError> {
        let mut connection = open_to_write(path).map_err(|error| from_sqlite(path, &error))?;
        migrations::run(&mut connection, path)?;
        let readers = Readers::open(path)?;
        let log = log_of(path);
        // Opened each time: whoever checkpoints may have made a new one. The file is gone when the database is closed.
        let flusher = Flusher::start(move || match File::open(&log) {
            Ok(log) => log.sync_data(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        })?;
        Ok(Self { writer: Writer::start(connection, path.to_owned(), lock, flusher)?, readers, path: path.to_owned() })
    }

    pub(crate) async fn write(&self, statements: Vec<Statement>, flush: Flush) -> Result<u64, StoreError> {
        self.writer.write(statements, flush).await
    }

    pub(crate) async fn read(&self, sql: &'static str, parameters: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        self.readers.run(move |connection| queries::read(connection, sql, &parameters)).await
    }

    /// Says all rows of all tables as they are when this returns.
    pub(crate) async fn export(&self, tables: Arc<Vec<Table>>, pieces: Pieces) -> Result<(), StoreError> {
        copy::export(self.path.clone(), tables, pieces).await
    }

    /// Bytes of the file and its log.
    pub(crate) async fn bytes(&self) -> u64 {
        let length = async |path: &Path| tokio::fs::metadata(path).await.map_or(0, |file| file.len());
        length(&self.path).await + length(&log_of(&self.path)).await
    }

    /// Readers first, so that the writer's connection is the last and folds the log back into the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

pub(super) fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    synchronise_commits(&connection, Flush::Now)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// What a commit waits for. With groups of callers a synchronisation costs one wait for all.
pub(super) fn synchronise_commits(connection: &Connection, flush: Flush) -> rusqlite::Result<()> {
    // Normal: the log is written, and synchronised only before it is folded back into the file.
    let mode = match flush {
        Flush::Now => "full",
        Flush::Soon => "normal",
    };
    connection.pragma_update(None, "synchronous", mode)
}

/// SQLite's write-ahead log lies beside the database.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    // In KiB: the system keeps the file's pages, once for all connections; SQLite's 2 MiB per connection would be the second copy.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}
