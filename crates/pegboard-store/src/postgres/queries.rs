//! Statements and rows of `record` through the driver.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::{Client, Transaction};
use futures::{StreamExt, TryStreamExt};
use tokio_postgres::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::error::{Trouble, from_postgres};
use crate::error::StoreError;
use crate::record::{Cell, Row, Statement};

/// Statements of one batch that are on their way at once: none waits for the answer to the one before.
const ON_THE_WAY: usize = 256;

impl ToSql for Cell {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Integer(number) => out.put_i64(*number),
            text => out.put_slice(text.as_text().unwrap_or_default().as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}

/// All of them in one transaction; the number that the last one returns, or of the rows that it touched.
pub(super) async fn write(client: &mut Client, statements: &[Statement]) -> Result<u64, Trouble> {
    let before = |error| Trouble::before_commit(&error);
    let transaction = client.transaction().await.map_err(before)?;
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in statements {
        // A round trip the first time that a connection sees the text, none after that.
        prepared.push((statement, transaction.prepare_cached(statement.sql).await.map_err(before)?));
    }
    let running: Vec<_> = prepared.iter().map(|(statement, prepared)| one(&transaction, statement, prepared)).collect();
    let running = futures::stream::iter(running).buffered(ON_THE_WAY);
    // In order, so the first error is the one that the others follow from. Dropping the transaction takes it back.
    let last = running.try_fold(0, |_, touched| async move { Ok(touched) }).await?;
    transaction.commit().await.map_err(|error| Trouble::of_commit(&error))?;
    Ok(last)
}

async fn one(transaction: &Transaction<'_>, statement: &Statement, prepared: &tokio_postgres::Statement) -> Result<u64, Trouble> {
    let (touched, number) =
        execute(transaction, statement, prepared).await.map_err(|error| Trouble::of_statement(&error, statement))?;
    statement.check(touched).map_err(Trouble::Final)?;
    Ok(number)
}

/// How many rows it touched, and the number that it returns; the same when it returns none.
async fn execute(
    transaction: &Transaction<'_>,
    statement: &Statement,
    prepared: &tokio_postgres::Statement,
) -> Result<(u64, u64), Error> {
    if prepared.columns().is_empty() {
        let touched = transaction.execute_raw(prepared, &statement.parameters).await?;
        return Ok((touched, touched));
    }
    let rows: Vec<_> = transaction.query_raw(prepared, &statement.parameters).await?.try_collect().await?;
    let number: i64 = rows.last().map_or(Ok(0), |row| row.try_get(0))?;
    Ok((rows.len() as u64, u64::try_from(number).unwrap_or(0)))
}

/// All rows.
pub(super) async fn read(client: &Client, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, Trouble> {
    let before = |error| Trouble::before_commit(&error);
    let prepared = client.prepare_cached(sql).await.map_err(before)?;
    let rows = client.query_raw(&prepared, parameters).await.map_err(before)?;
    let rows: Vec<_> = rows.try_collect().await.map_err(before)?;
    rows.iter().map(row).collect::<Result<_, _>>().map_err(Trouble::Final)
}

pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let cells = row.columns().iter().enumerate().map(|(index, column)| {
        let cell = if *column.type_() == Type::INT8 {
            row.try_get::<_, Option<i64>>(index).map(|number| number.map_or(Cell::Null, Cell::Integer))
        } else {
            row.try_get::<_, Option<String>>(index).map(|text| text.map_or(Cell::Null, Cell::Text))
        };
        cell.map_err(|error| from_postgres(&error))
    });
    cells.collect::<Result<_, _>>().map(Row)
}
