//! Everything out, and everything in again, between any two back ends.
//!
//! Invariants: the records of a [`Snapshot`] are those of one instant, whatever is written meanwhile, and an object that they name
//! stays until the snapshot is dropped; a [`Restoration`] touches nothing that is there before [`Restoration::finish`].
//!
//! A row is a JSON array of texts, whole numbers and nulls on a line of its own, in the order of its table's columns. Tables are
//! those of the schema, so nobody has to remember a new one here; what a database has besides is not ours.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::lock::{DirectoryLock, from_io};
use crate::object::{ObjectWriter, Objects};
use crate::options::StoreOptions;
use crate::postgres::RefilledPostgres;
use crate::record::{Cell, Row};
use crate::sqlite::{RefilledSqlite, known_schema};
use crate::store::{Store, blocking};

/// Bytes of rows that travel as one piece, more or less.
const PIECE: usize = 256 << 10;
/// Pieces that may wait for their reader.
const PIECES: usize = 4;
/// What a data directory may hold and still be empty: our lock, and settings.
const NOT_DATA: [&str; 2] = ["pegboard.lock", "pegboard.toml"];

/// A table: its name and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As in both back ends.
    pub name: String,
    /// In the order in which rows are written.
    pub columns: Vec<String>,
}

/// All tables of a schema, those that others refer to first. The schema's numbers are those of its migrations, from 1.
///
/// # Errors
/// [`StoreError::Newer`] when this Pegboard does not know it.
pub async fn tables(schema: u64) -> Result<Vec<Table>, StoreError> {
    blocking(move || known_schema(schema)).await
}

/// Some rows of one table.
#[derive(Debug)]
pub struct Piece {
    /// Position of the table in [`Snapshot::tables`].
    pub table: usize,
    /// How many.
    pub rows: u64,
    /// One line each.
    pub lines: Bytes,
}

/// All records of one instant, and the objects that they name.
pub struct Snapshot {
    schema: u64,
    tables: Arc<Vec<Table>>,
    pieces: mpsc::Receiver<Result<Piece, StoreError>>,
    store: Store,
    _kept: Kept,
}

impl Snapshot {
    /// Number of the schema that the records have.
    #[must_use]
    pub fn schema(&self) -> u64 {
        self.schema
    }

    /// Tables in the order in which their rows come.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The next rows; none when all were told. Table by table.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next(&mut self) -> Result<Option<Piece>, StoreError> {
        self.pieces.recv().await.transpose()
    }

    /// Keys of all objects: those that the records name, and some that came later.
    ///
    /// # Errors
    /// What the folder or the bucket says.
    pub async fn objects(&self) -> Result<Vec<String>, StoreError> {
        self.store.objects().all_keys().await
    }

    /// An object in pieces, and its length in bytes. None when it was never acknowledged.
    ///
    /// # Errors
    /// What the folder or the bucket says.
    pub async fn object(&self, key: &str) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, StoreError>>)>, StoreError> {
        self.store.objects().stream(key).await
    }
}

impl Store {
    /// Everything as it is now. Nobody waits for it: writers go on, and what they delete meanwhile is deleted when it is dropped.
    ///
    /// # Errors
    /// What the database says.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        // Before the instant of the records: an object whose record is in it is not deleted any more.
        let kept = Kept::new(self.clone());
        let (schema, tables) = blocking(|| {
            let schema = crate::sqlite::schema();
            Ok((schema, Arc::new(known_schema(schema)?)))
        })
        .await?;
        let (sender, pieces) = mpsc::channel(PIECES);
        self.export(Arc::clone(&tables), Pieces::new(sender)).await?;
        Ok(Snapshot { schema, tables, pieces, store: self.clone(), _kept: kept })
    }
}

/// Keeps objects while it lives.
struct Kept(Option<Store>);

impl Kept {
    fn new(store: Store) -> Self {
        store.objects().keeping.lock().unwrap_or_else(PoisonError::into_inner).snapshots += 1;
        Self(Some(store))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(store) = self.0.take() else { return };
        let gone = {
            let mut keeping = store.objects().keeping.lock().unwrap_or_else(PoisonError::into_inner);
            keeping.snapshots -= 1;
            if keeping.snapshots > 0 { HashSet::new() } else { std::mem::take(&mut keeping.deleted) }
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for key in gone {
                if let Err(error) = store.delete_object(&key).await {
                    tracing::warn!(%error, key, "an object that is not needed any more stays");
                }
            }
        });
    }
}

/// Objects that a snapshot needs though somebody has deleted them.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    snapshots: usize,
    deleted: HashSet<String>,
}

impl Keeping {
    /// Whether the deletion has to wait; then it is noted.
    pub(crate) fn puts_off(&mut self, key: &str) -> bool {
        let keeps = self.snapshots > 0;
        if keeps {
            self.deleted.insert(key.to_owned());
        }
        keeps
    }

    pub(crate) fn is_deleted(&self, key: &str) -> bool {
        self.deleted.contains(key)
    }

    /// There is one of that key again.
    pub(crate) fn put(&mut self, key: &str) {
        self.deleted.remove(key);
    }
}

/// Where a back end says its rows.
pub(crate) struct Pieces {
    sender: mpsc::Sender<Result<Piece, StoreError>>,
    table: usize,
    rows: u64,
    lines: Vec<u8>,
}

impl Pieces {
    fn new(sender: mpsc::Sender<Result<Piece, StoreError>>) -> Self {
        Self { sender, table: 0, rows: 0, lines: Vec::new() }
    }

    /// Adds a row of the table at this position; what is to be sent now, if it is time to.
    pub(crate) fn add(&mut self, table: usize, row: &Row) -> Option<Piece> {
        let before = if table == self.table { None } else { self.rest() };
        self.table = table;
        let cells: Vec<Json> = row.0.iter().map(json).collect();
        self.lines.extend(Json::from(cells).to_string().as_bytes());
        self.lines.push(b'\n');
        self.rows += 1;
        before.or_else(|| if self.lines.len() < PIECE { None } else { self.rest() })
    }

    /// What was not sent yet.
    pub(crate) fn rest(&mut self) -> Option<Piece> {
        let (lines, rows) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.rows));
        (rows > 0).then(|| Piece { table: self.table, rows, lines: lines.into() })
    }

    /// To whom.
    pub(crate) fn sender(&self) -> mpsc::Sender<Result<Piece, StoreError>> {
        self.sender.clone()
    }
}

fn json(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Integer(number) => Json::from(*number),
        text => Json::from(text.as_text().unwrap_or_default()),
    }
}

/// A row from its line.
pub(crate) fn row(line: &[u8], columns: usize) -> Result<Vec<Cell>, StoreError> {
    let odd = |why: String| StoreError::Corrupt(format!("a row of the backup: {why}"));
    let cells: Vec<Json> = serde_json::from_slice(line).map_err(|error| odd(error.to_string()))?;
    if cells.len() != columns {
        return Err(odd(format!("{} values for {columns} columns", cells.len())));
    }
    let cell = |cell: Json| match cell {
        Json::Null => Ok(Cell::Null),
        Json::String(text) => Ok(Cell::Text(text)),
        Json::Number(number) => number.as_i64().map(Cell::Integer).ok_or_else(|| odd(format!("`{number}` is no whole number"))),
        other => Err(odd(format!("`{other}` is neither text nor number"))),
    };
    cells.into_iter().map(cell).collect()
}

/// A store that is being filled with what another one held.
pub struct Restoration {
    directory: PathBuf,
    /// Everything new, until it takes its place.
    staging: PathBuf,
    tables: Vec<Table>,
    records: Records,
    objects: Arc<Objects>,
    _lock: DirectoryLock,
}

enum Records {
    Sqlite(RefilledSqlite),
    Postgres(RefilledPostgres),
}

impl Restoration {
    /// Takes the data directory and prepares tables of that schema. `replace`: what is there makes room in the end.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a server runs there, [`StoreError::NotEmpty`], [`StoreError::Newer`], what the database says.
    pub async fn begin(options: &StoreOptions, schema: u64, replace: bool) -> Result<Self, StoreError> {
        let directory = options.directory.clone();
        let tables = tables(schema).await?;
        let staging = directory.join(format!("restoring-{}", uuid::Uuid::new_v4().simple()));
        let (place, made) = (directory.clone(), staging.clone());
        let lock = blocking(move || {
            let lock = DirectoryLock::take(&place)?;
            let held = contents(&place)?;
            if !replace && let Some(first) = held.iter().find(|name| !NOT_DATA.contains(&name.as_str())) {
                return Err(StoreError::NotEmpty(place.join(first).display().to_string()));
            }
            std::fs::create_dir(&made).map_err(|error| from_io(&made, &error))?;
            Ok(lock)
        })
        .await?;
        let begun = async {
            let staged = StoreOptions { directory: staging.clone(), ..options.clone() };
            let objects = Arc::new(Objects::open(&staged).await?);
            if !replace
                && options.s3.is_some()
                && let Some(first) = objects.all_keys().await?.first()
            {
                return Err(StoreError::NotEmpty(format!("object {first} of the bucket")));
            }
            let records = match &options.postgres_url {
                Some(url) => Records::Postgres(RefilledPostgres::begin(url, schema, replace).await?),
                None => Records::Sqlite(RefilledSqlite::begin(staging.join("pegboard.db"), schema).await?),
            };
            Ok((objects, records))
        };
        match begun.await {
            Ok((objects, records)) => Ok(Self { directory, staging, tables, records, objects, _lock: lock }),
            Err(error) => {
                remove(&staging).await;
                Err(error)
            }
        }
    }

    /// Where files go that shall lie in the data directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.staging
    }

    /// Adds rows, one per line, to the table of that name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are not the table's; what the database says.
    pub async fn add(&mut self, table: &str, lines: Bytes) -> Result<(), StoreError> {
        let unknown = || StoreError::Corrupt(format!("the schema has no table `{table}`"));
        let table = self.tables.iter().find(|known| known.name == table).ok_or_else(unknown)?.clone();
        match &mut self.records {
            Records::Sqlite(records) => records.add(table, lines).await,
            Records::Postgres(records) => records.add(&table, &lines).await,
        }
    }

    /// Begins an object.
    ///
    /// # Errors
    /// [`StoreError::BadKey`]; what the folder or the bucket says.
    pub async fn object(&self, key: &str) -> Result<ObjectWriter, StoreError> {
        ObjectWriter::begin(Arc::clone(&self.objects), key).await
    }

    /// Brings the records to today's schema and everything to its place. What was there before lies in the folder that this
    /// answers, if there was something; a settings file stays where it is.
    ///
    /// # Errors
    /// What the database or the system says; then what was there before is still there.
    pub async fn finish(self) -> Result<Option<PathBuf>, StoreError> {
        match self.records {
            Records::Sqlite(records) => records.finish().await?,
            Records::Postgres(records) => records.finish().await?,
        }
        let (directory, staging) = (self.directory, self.staging);
        let _lock = self._lock;
        blocking(move || take_place(&directory, &staging)).await
    }

    /// Leaves everything as it was.
    pub async fn abandon(self) {
        drop(self.records);
        remove(&self.staging).await;
    }
}

async fn remove(staging: &Path) {
    if let Err(error) = tokio::fs::remove_dir_all(staging).await {
        tracing::warn!(%error, folder = %staging.display(), "an unfinished restoration stays");
    }
}

/// Names in a folder; none when there is no folder.
fn contents(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(from_io(folder, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|error| from_io(folder, &error))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Renames only: the folders are on one file system.
fn take_place(directory: &Path, staging: &Path) -> Result<Option<PathBuf>, StoreError> {
    let mut new = contents(staging)?;
    let held = contents(directory)?;
    if held.iter().any(|name| name == "pegboard.toml") {
        new.retain(|name| name != "pegboard.toml");
    }
    // A database's log and index belong to it.
    let is_replaced =
        |name: &&String| new.contains(name) || (name.starts_with("pegboard.db") && new.iter().any(|name| name == "pegboard.db"));
    let old: Vec<&String> = held.iter().filter(is_replaced).collect();
    let rename = |from: PathBuf, to: PathBuf| std::fs::rename(&from, to).map_err(|error| from_io(&from, &error));
    let mut former = None;
    if !old.is_empty() {
        let aside = (1..).map(|number| directory.join(format!("before-restore-{number}"))).find(|path| !path.exists());
        let aside = aside.unwrap_or_else(|| directory.join("before-restore"));
        std::fs::create_dir(&aside).map_err(|error| from_io(&aside, &error))?;
        for name in old {
            rename(directory.join(name), aside.join(name))?;
        }
        former = Some(aside);
    }
    for name in &new {
        rename(staging.join(name), directory.join(name))?;
    }
    std::fs::remove_dir_all(staging).map_err(|error| from_io(staging, &error))?;
    let synchronised = std::fs::File::open(directory).and_then(|folder| folder.sync_all());
    synchronised.map_err(|error| from_io(directory, &error))?;
    Ok(former)
}

/// What the folder or the bucket holds, for whoever keeps the count of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Holdings {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Bytes of the database.
    pub record_bytes: u64,
}

impl Store {
    /// What the back ends are: `SQLite` or `PostgreSQL`, `folder` or `S3`.
    #[must_use]
    pub fn back_ends(&self) -> (&'static str, &'static str) {
        (self.record_back_end(), if self.objects().is_folder() { "folder" } else { "S3" })
    }

    /// Counts what is stored. Looks at each object, so nothing for every request.
    ///
    /// # Errors
    /// What the back ends say.
    pub async fn holdings(&self) -> Result<Holdings, StoreError> {
        let (objects, object_bytes) = self.objects().count().await?;
        Ok(Holdings { objects, object_bytes, record_bytes: self.record_bytes().await? })
    }
}

pub(crate) type SharedKeeping = Mutex<Keeping>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_there_and_back() {
        let cells = vec![Cell::Null, Cell::Integer(i64::MIN), Cell::Text("a\n\"ü\0".to_owned())];
        let (sender, _receiver) = mpsc::channel(1);
        let mut pieces = Pieces::new(sender);
        assert!(pieces.add(0, &Row(cells.clone())).is_none());
        let first = pieces.add(1, &Row(cells.clone())).unwrap();
        assert_eq!((first.table, first.rows), (0, 1));
        let lines: Vec<_> = first.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(row(lines[0], 3).unwrap(), cells);
        assert!(pieces.rest().is_some() && pieces.rest().is_none());
        for wrong in ["", "[1]", "[1,2,3,4]", "[1,2,[]]", "[1,2,0.5]", "{}"] {
            assert!(matches!(row(wrong.as_bytes(), 3), Err(StoreError::Corrupt(_))), "{wrong}");
        }
    }

    #[test]
    fn what_takes_the_place_leaves_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["pegboard.db", "pegboard.db-wal", "pegboard.toml", "other"] {
            std::fs::write(path(name), "old").unwrap();
        }
        std::fs::create_dir(path("restoring-1")).unwrap();
        for name in ["pegboard.db", "pegboard.toml", "hub.key"] {
            std::fs::write(path("restoring-1").join(name), "new").unwrap();
        }
        let former = take_place(directory.path(), &path("restoring-1")).unwrap().unwrap();
        assert_eq!(contents(&former).unwrap(), ["pegboard.db", "pegboard.db-wal"]);
        assert_eq!(contents(directory.path()).unwrap(), ["before-restore-1", "hub.key", "other", "pegboard.db", "pegboard.toml"]);
        assert_eq!(std::fs::read_to_string(path("pegboard.toml")).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(path("pegboard.db")).unwrap(), "new");
    }
}
