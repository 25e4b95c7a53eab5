//! The schema, step by step. Same numbers and names as in `sqlite/migrations/`.

use deadpool_postgres::Client;
use tokio_postgres::Error;

use super::error::from_postgres;
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

/// Any number that nobody else uses: two servers that start at once migrate one after the other.
const LOCK: &str = "select pg_advisory_xact_lock(7307199745)";

/// Brings the schema to the last migration, all in one transaction. A database that has seen more is refused untouched.
pub(super) async fn run(client: &mut Client) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    let found = migrate(client).await.map_err(|error| from_postgres(&error))?;
    if found > known { Err(StoreError::Newer { found: found as i64, known: known as i64 }) } else { Ok(()) }
}

/// Returns the number of the migration that the database had seen.
async fn migrate(client: &mut Client) -> Result<usize, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    transaction.batch_execute("create table if not exists meta (key text primary key, value text not null)").await?;
    let found = transaction.query_opt("select cast(value as bigint) from meta where key = 'schema'", &[]).await?;
    let found: i64 = found.map_or(Ok(0), |row| row.try_get(0))?;
    let found = usize::try_from(found).unwrap_or(0);
    if found < MIGRATIONS.len() {
        for (_, sql) in &MIGRATIONS[found..] {
            transaction.batch_execute(sql).await?;
        }
        let upsert = "insert into meta (key, value) values ('schema', $1) on conflict (key) do update set value = excluded.value";
        transaction.execute(upsert, &[&MIGRATIONS.len().to_string()]).await?;
        transaction.commit().await?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn numbers_and_names_are_those_of_sqlite() {
        let names = |list: &[(&'static str, &'static str)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names(MIGRATIONS), names(crate::sqlite::MIGRATIONS));
        for (index, name) in names(MIGRATIONS).iter().enumerate() {
            assert!(name.starts_with(&format!("{:04}_", index + 1)), "{name}");
        }
    }
}
