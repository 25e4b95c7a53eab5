//! The way in: opening, closing, and where each noun's statements go.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::backup::{Pieces, Table};
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::object::Objects;
use crate::options::StoreOptions;
use crate::postgres::PostgresRecords;
use crate::record::{Cell, Counts, Flush, Row, Statement};
use crate::sqlite::SqliteRecords;

/// All durable state. Cheap to clone; all clones are one store.
///
/// Acknowledged means durable: when a method that writes has returned `Ok`, the change is on disk (SQLite: synchronised;
/// PostgreSQL: committed; objects: synchronised, or accepted by the bucket). [`Store::apply`] promises a little less: what happens
/// in runs survives `kill -9` at once, but loss of power only 50 ms later. Dropping the last clone writes what is queued and
/// releases the directory some time later; [`Store::close`] waits for it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    objects: Arc<Objects>,
    counts: Counts,
    lock: Mutex<Option<Arc<DirectoryLock>>>,
}

enum Records {
    Sqlite(SqliteRecords),
    Postgres(PostgresRecords),
}

impl Store {
    /// Takes the data directory for this process, opens the database, and brings it to today's schema.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let directory = options.directory.clone();
        let lock = Arc::new(blocking(move || DirectoryLock::take(&directory)).await?);
        let objects = Objects::open(&options).await?;
        let records = match &options.postgres_url {
            Some(url) => Records::Postgres(PostgresRecords::open(url).await?),
            None => {
                let (path, held) = (options.directory.join("pegboard.db"), Arc::clone(&lock));
                Records::Sqlite(blocking(move || SqliteRecords::open(&path, Some(held))).await?)
            }
        };
        let inner = Inner { records, objects: Arc::new(objects), counts: Counts::default(), lock: Mutex::new(Some(lock)) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until everything accepted is durable and releases the lock. From then on every method answers `Unavailable`.
    pub async fn close(&self) {
        match &self.inner.records {
            Records::Sqlite(records) => records.close().await,
            Records::Postgres(records) => records.close().await,
        }
        self.inner.objects.close();
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Stores the object durably, in place of the one that had this key. A key is parts joined by `/`, one to 900 bytes;
    /// `BadKey` otherwise.
    pub async fn put_object(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.objects.put(key, bytes).await
    }

    /// The object of that key.
    pub async fn object(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner.objects.get(key).await
    }

    /// Fine when there is none.
    pub async fn delete_object(&self, key: &str) -> Result<(), StoreError> {
        self.inner.objects.delete(key).await
    }

    /// All keys that begin with `prefix`, in byte order.
    pub async fn object_keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.objects.keys(prefix).await
    }

    /// Where the object's bytes lie on this machine: a file that is there or not, and is never changed in place. None when they
    /// lie in a bucket.
    pub fn object_file(&self, key: &str) -> Result<Option<PathBuf>, StoreError> {
        self.inner.objects.file(key)
    }

    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.inner.objects
    }

    /// One transaction; the number that its last statement returns, or of the rows that it touched.
    pub(crate) async fn write(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        self.commit(statements, Flush::Now).await
    }

    /// The same for what happens often and by itself. Survives any end of this process at once, and loss of power a moment later.
    pub(crate) async fn write_soon(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        self.commit(statements, Flush::Soon).await
    }

    async fn commit(&self, statements: Vec<Statement>, flush: Flush) -> Result<u64, StoreError> {
        if statements.is_empty() {
            return Ok(0);
        }
        match &self.inner.records {
            Records::Sqlite(records) => records.write(statements, flush).await,
            Records::Postgres(records) => records.write(statements).await,
        }
    }

    /// What was counted of projects; none when other servers write to the same database.
    pub(crate) fn project_counts(&self) -> Option<&Counts> {
        matches!(self.inner.records, Records::Sqlite(_)).then_some(&self.inner.counts)
    }

    /// Says all rows of all tables as they are when this returns.
    pub(crate) async fn export(&self, tables: Arc<Vec<Table>>, pieces: Pieces) -> Result<(), StoreError> {
        match &self.inner.records {
            Records::Sqlite(records) => records.export(tables, pieces).await,
            Records::Postgres(records) => records.export(tables, pieces).await,
        }
    }

    pub(crate) fn record_back_end(&self) -> &'static str {
        match &self.inner.records {
            Records::Sqlite(_) => "SQLite",
            Records::Postgres(_) => "PostgreSQL",
        }
    }

    pub(crate) async fn record_bytes(&self) -> Result<u64, StoreError> {
        match &self.inner.records {
            Records::Sqlite(records) => Ok(records.bytes().await),
            Records::Postgres(records) => {
                let rows = records.read("select pg_database_size(current_database())", Vec::new()).await?;
                rows.first().map_or(Ok(0), |row| row.integer(0).map(|bytes| u64::try_from(bytes).unwrap_or(0)))
            }
        }
    }

    /// All rows of one statement that reads.
    pub(crate) async fn read(&self, sql: &'static str, parameters: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        match &self.inner.records {
            Records::Sqlite(records) => records.read(sql, parameters).await,
            Records::Postgres(records) => records.read(sql, parameters).await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("records", &self.record_back_end()).field("objects", &self.inner.objects).finish()
    }
}

/// Runs a call that waits for the disk away from the tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable(format!("work on the disk ended early: {error}"))),
    }
}
