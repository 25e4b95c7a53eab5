//! All rows out of a file as of one instant, and into a new file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::oneshot;

use super::connection::{open_to_read, open_to_write};
use super::error::from_sqlite;
use super::{migrations, queries};
use crate::backup::{Pieces, Table, row};
use crate::error::StoreError;
use crate::store::blocking;

/// Number of today's schema.
pub(crate) fn schema() -> u64 {
    migrations::MIGRATIONS.len() as u64
}

/// Tables of a schema in an order in which none refers to a later one. Those of PostgreSQL have the same names and columns.
pub(crate) fn known_schema(schema: u64) -> Result<Vec<Table>, StoreError> {
    let path = Path::new(":memory:");
    let mut connection = Connection::open_in_memory().map_err(|error| from_sqlite(path, &error))?;
    migrations::run_to(&mut connection, path, schema)?;
    read_tables(&connection).map_err(|error| from_sqlite(path, &error))
}

fn read_tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let texts = |sql: &str, parameter: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(sql)?;
        statement.query_map([parameter], |row| row.get(0))?.collect()
    };
    let names = texts(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and name <> ?1 order by rowid",
        "meta",
    )?;
    let mut left = Vec::new();
    for name in names {
        let columns = texts("select name from pragma_table_info(?1) order by cid", &name)?;
        let parents = texts("select \"table\" from pragma_foreign_key_list(?1)", &name)?;
        left.push((Table { name, columns }, parents));
    }
    let mut tables: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let is_told = |parent: &String, name: &String| parent == name || tables.iter().any(|table| table.name == *parent);
        let ready = left.iter().position(|(table, parents)| parents.iter().all(|parent| is_told(parent, &table.name)));
        // Tables that refer to each other in a ring have no order; ours do not.
        tables.push(left.remove(ready.unwrap_or(0)).0);
    }
    Ok(tables)
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// Says all rows from a thread of its own; returns when the instant is fixed.
pub(super) async fn export(path: PathBuf, tables: Arc<Vec<Table>>, pieces: Pieces) -> Result<(), StoreError> {
    let (begun, is_begun) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let sender = pieces.sender();
        let mut begun = Some(begun);
        let outcome = say_all(&path, &tables, pieces, &mut || {
            if let Some(begun) = begun.take() {
                let _gone = begun.send(Ok(()));
            }
        });
        if let Err(error) = outcome {
            match begun {
                Some(begun) => drop(begun.send(Err(error))),
                // Whoever listened no more has no use for it.
                None => drop(sender.blocking_send(Err(error))),
            }
        }
    });
    is_begun.await.unwrap_or_else(|_| Err(StoreError::Unavailable("reading all records ended early".to_owned())))
}

fn say_all(path: &Path, tables: &[Table], mut pieces: Pieces, begun: &mut dyn FnMut()) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| from_sqlite(path, &error);
    let connection = open_to_read(path).map_err(failed)?;
    connection.execute_batch("begin").map_err(failed)?;
    // The first look fixes what all later ones see.
    let _first: i64 = connection.query_row("select count(*) from meta", [], |row| row.get(0)).map_err(failed)?;
    begun();
    let sender = pieces.sender();
    for (position, table) in tables.iter().enumerate() {
        let mut statement = connection.prepare(&format!("select {} from \"{}\"", names(table), table.name)).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let row = queries::row(row, table.columns.len()).map_err(failed)?;
            if let Some(piece) = pieces.add(position, &row)
                && sender.blocking_send(Ok(piece)).is_err()
            {
                return Ok(());
            }
        }
    }
    if let Some(piece) = pieces.rest() {
        let _gone = sender.blocking_send(Ok(piece));
    }
    Ok(())
}

/// A new file that is being filled, in one transaction.
pub(crate) struct RefilledSqlite {
    path: PathBuf,
    connection: Option<Connection>,
}

impl RefilledSqlite {
    pub(crate) async fn begin(path: PathBuf, schema: u64) -> Result<Self, StoreError> {
        blocking(move || {
            let failed = |error: rusqlite::Error| from_sqlite(&path, &error);
            let mut connection = open_to_write(&path).map_err(failed)?;
            migrations::run_to(&mut connection, &path, schema)?;
            connection.execute_batch("begin immediate").map_err(failed)?;
            // What migrations put there themselves comes again.
            for table in read_tables(&connection).map_err(failed)?.iter().rev() {
                connection.execute(&format!("delete from \"{}\"", table.name), []).map_err(failed)?;
            }
            Ok(Self { path, connection: Some(connection) })
        })
        .await
    }

    pub(crate) async fn add(&mut self, table: Table, lines: Bytes) -> Result<(), StoreError> {
        let (path, connection) = (self.path.clone(), self.take()?);
        let work = move || {
            let failed = |error: rusqlite::Error| from_sqlite(&path, &error);
            let places = (1..=table.columns.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
            let sql = format!("insert into \"{}\" ({}) values ({places})", table.name, names(&table));
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let cells = row(line, table.columns.len())?;
                let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
                statement.execute(params_from_iter(&cells)).map_err(failed)?;
            }
            Ok(connection)
        };
        self.connection = Some(blocking(work).await?);
        Ok(())
    }

    /// Commits, and brings the file to today's schema.
    pub(crate) async fn finish(mut self) -> Result<(), StoreError> {
        let (path, mut connection) = (self.path.clone(), self.take()?);
        blocking(move || {
            connection.execute_batch("commit").map_err(|error| from_sqlite(&path, &error))?;
            migrations::run(&mut connection, &path)?;
            connection.close().map_err(|(_, error)| from_sqlite(&path, &error))
        })
        .await
    }

    fn take(&mut self) -> Result<Connection, StoreError> {
        self.connection.take().ok_or_else(|| StoreError::Unavailable("the restoration has failed before".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_known_and_parents_come_first() {
        for schema in 1..=schema() {
            let tables = known_schema(schema).unwrap();
            let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
            assert!(place("runs") < place("logs") && place("logs") < place("log_lines"), "{tables:?}");
            assert!(tables.iter().all(|table| !table.columns.is_empty() && table.name != "meta"));
        }
        assert!(matches!(known_schema(schema() + 1), Err(StoreError::Newer { .. })));
    }
}
