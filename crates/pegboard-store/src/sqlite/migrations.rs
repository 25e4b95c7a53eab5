//! The schema, step by step. Same numbers and names as in `postgres/migrations/`.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::error::from_sqlite;
use crate::error::StoreError;

/// Numbered from 1 without gaps; a released one is never changed.
pub(crate) const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_records", include_str!("migrations/0001_records.sql")),
    ("0002_resources_and_events", include_str!("migrations/0002_resources_and_events.sql")),
    ("0003_hub", include_str!("migrations/0003_hub.sql")),
    ("0004_labelling", include_str!("migrations/0004_labelling.sql")),
    ("0005_catalog", include_str!("migrations/0005_catalog.sql")),
    ("0006_access", include_str!("migrations/0006_access.sql")),
];

/// Brings the schema to the last migration, all in one transaction. A database that has seen more is refused untouched.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    let found = migrate(connection).map_err(|error| from_sqlite(path, &error))?;
    if found > known { Err(StoreError::Newer { found: found as i64, known: known as i64 }) } else { Ok(()) }
}

/// Returns the number of the migration that the database had seen.
fn migrate(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "create table if not exists meta (key text primary key not null, value text not null) strict, without rowid",
    )?;
    let found: Option<i64> =
        transaction.query_row("select cast(value as integer) from meta where key = 'schema'", [], |row| row.get(0)).optional()?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    if found < MIGRATIONS.len() {
        for (_, sql) in &MIGRATIONS[found..] {
            transaction.execute_batch(sql)?;
        }
        transaction.execute("insert or replace into meta (key, value) values ('schema', ?1)", [MIGRATIONS.len().to_string()])?;
        transaction.commit()?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_from_the_future() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new(":memory:");
        run(&mut connection, path).unwrap();
        run(&mut connection, path).unwrap();
        connection.execute("update meta set value = '99' where key = 'schema'", []).unwrap();
        let known = MIGRATIONS.len() as i64;
        assert_eq!(run(&mut connection, path), Err(StoreError::Newer { found: 99, known }));
    }
}
