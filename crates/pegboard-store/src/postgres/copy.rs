//! All rows out of a database as of one instant, and into an empty one.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use deadpool_postgres::Client as Pooled;
use futures::{SinkExt as _, TryStreamExt as _};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls};

use super::error::from_postgres;
use super::migrations::{LOCK, MIGRATIONS, migrate_to};
use super::pool::config;
use super::queries;
use crate::backup::{Pieces, Table, row};
use crate::error::StoreError;
use crate::record::Cell;
use crate::sqlite::known_schema;
use crate::store::blocking;

fn names(table: &Table) -> String {
    table.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// Says all rows from a task of its own; returns when the instant is fixed.
pub(super) async fn export(client: Pooled, tables: Arc<Vec<Table>>, mut pieces: Pieces) -> Result<(), StoreError> {
    let failed = |error: Error| from_postgres(&error);
    client.batch_execute("begin transaction isolation level repeatable read, read only").await.map_err(failed)?;
    // The first look fixes what all later ones see.
    let first = client.query("select count(*) from meta", &[]).await;
    if let Err(error) = first {
        give_up(client).await;
        return Err(from_postgres(&error));
    }
    tokio::spawn(async move {
        let sender = pieces.sender();
        let outcome = say_all(&client, &tables, &mut pieces).await;
        give_up(client).await;
        if let Err(error) = outcome {
            // Whoever listened no more has no use for it.
            let _gone = sender.send(Err(error)).await;
        }
    });
    Ok(())
}

/// A connection goes back without its transaction, or not at all.
async fn give_up(client: Pooled) {
    if client.batch_execute("rollback").await.is_err() {
        drop(Pooled::take(client));
    }
}

async fn say_all(client: &Pooled, tables: &[Table], pieces: &mut Pieces) -> Result<(), StoreError> {
    let failed = |error: Error| from_postgres(&error);
    let sender = pieces.sender();
    for (position, table) in tables.iter().enumerate() {
        let sql = format!("select {} from \"{}\"", names(table), table.name);
        let rows = client.query_raw(&sql, Vec::<Cell>::new()).await.map_err(failed)?;
        futures::pin_mut!(rows);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            if let Some(piece) = pieces.add(position, &queries::row(&row)?)
                && sender.send(Ok(piece)).await.is_err()
            {
                return Ok(());
            }
        }
    }
    if let Some(piece) = pieces.rest() {
        let _gone = sender.send(Ok(piece)).await;
    }
    Ok(())
}

/// A database that is being filled, in one transaction: until its end everybody sees what was there before.
pub(crate) struct RefilledPostgres {
    client: Client,
    connection: JoinHandle<()>,
}

impl RefilledPostgres {
    /// `replace`: tables of ours that are there already go.
    pub(crate) async fn begin(url: &str, schema: u64, replace: bool) -> Result<Self, StoreError> {
        let failed = |error: Error| from_postgres(&error);
        let wanted = usize::try_from(schema).unwrap_or(usize::MAX);
        let (ours, old) = blocking(move || {
            let ours = known_schema(MIGRATIONS.len() as u64)?;
            let mut names: Vec<String> = ours.iter().map(|table| table.name.clone()).collect();
            // Tables that later migrations took away may be there, too.
            for schema in 1..MIGRATIONS.len() as u64 {
                names.extend(known_schema(schema)?.into_iter().map(|table| table.name));
            }
            names.sort();
            names.dedup();
            Ok((known_schema(schema)?, names))
        })
        .await?;
        let (client, connection) = config(url)?.connect(NoTls).await.map_err(failed)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection of a restoration ended");
            }
        });
        client.batch_execute("begin").await.map_err(failed)?;
        client.batch_execute(LOCK).await.map_err(failed)?;
        let there = "select tablename::text from pg_tables where schemaname = current_schema()";
        for found in client.query(there, &[]).await.map_err(failed)? {
            let name: String = found.try_get(0).map_err(failed)?;
            if name != "meta" && !old.contains(&name) {
                continue;
            }
            if !replace {
                return Err(StoreError::NotEmpty(format!("table {name} of the database")));
            }
            client.batch_execute(&format!("drop table if exists \"{name}\" cascade")).await.map_err(failed)?;
        }
        migrate_to(&client, wanted).await.map_err(failed)?;
        for table in ours.iter().rev() {
            client.batch_execute(&format!("delete from \"{}\"", table.name)).await.map_err(failed)?;
        }
        Ok(Self { client, connection })
    }

    pub(crate) async fn add(&mut self, table: &Table, lines: &Bytes) -> Result<(), StoreError> {
        let failed = |error: Error| from_postgres(&error);
        let mut text = BytesMut::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            for (position, cell) in row(line, table.columns.len())?.iter().enumerate() {
                if position > 0 {
                    text.put_u8(b'\t');
                }
                put(&mut text, cell);
            }
            text.put_u8(b'\n');
        }
        // Takes the numbers that are given for identity columns.
        let sql = format!("copy \"{}\" ({}) from stdin", table.name, names(table));
        let sink = self.client.copy_in(&sql).await.map_err(failed)?;
        futures::pin_mut!(sink);
        sink.send(text.freeze()).await.map_err(failed)?;
        sink.finish().await.map(drop).map_err(failed)
    }

    /// Lets numbers go on after the last ones, brings the tables to today's schema, and commits.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        let failed = |error: Error| from_postgres(&error);
        migrate_to(&self.client, MIGRATIONS.len()).await.map_err(failed)?;
        let identities = "select table_name::text, column_name::text from information_schema.columns \
             where table_schema = current_schema() and is_identity = 'YES'";
        for identity in self.client.query(identities, &[]).await.map_err(failed)? {
            let (table, column): (String, String) = (identity.try_get(0).map_err(failed)?, identity.try_get(1).map_err(failed)?);
            let sql = format!(
                "select setval(pg_get_serial_sequence('\"{table}\"', '{column}'), coalesce(max(\"{column}\"), 0) + 1, false) from \"{table}\""
            );
            self.client.batch_execute(&sql).await.map_err(failed)?;
        }
        self.client.batch_execute("commit").await.map_err(failed)?;
        drop(self.client);
        // It ends with its client.
        let _ended = self.connection.await;
        Ok(())
    }
}

/// A value as `copy` reads it.
fn put(text: &mut BytesMut, cell: &Cell) {
    match cell {
        Cell::Null => text.put_slice(b"\\N"),
        Cell::Integer(number) => text.put_slice(number.to_string().as_bytes()),
        other => {
            for character in other.as_text().unwrap_or_default().chars() {
                match character {
                    '\\' => text.put_slice(b"\\\\"),
                    '\t' => text.put_slice(b"\\t"),
                    '\n' => text.put_slice(b"\\n"),
                    '\r' => text.put_slice(b"\\r"),
                    // PostgreSQL has no text with a zero byte.
                    '\0' => text.put_slice("\u{fffd}".as_bytes()),
                    other => text.put_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
        }
    }
}
