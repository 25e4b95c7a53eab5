//! Statements and rows of `record` through the driver.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::error::{from_sqlite, from_statement};
use crate::error::StoreError;
use crate::record::{Cell, Row, Statement};

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Shared(text) => ValueRef::Text(text.as_bytes()),
            Self::Word(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// All of them, in order, up to the first that fails; the number that the last one returns, or of the rows that it touched.
/// Within the caller's transaction or savepoint.
pub(super) fn write(connection: &Connection, path: &Path, statements: &[Statement]) -> Result<u64, StoreError> {
    let mut last = 0;
    for statement in statements {
        let (touched, number) = execute(connection, statement).map_err(|error| from_statement(path, &error, statement))?;
        statement.check(touched)?;
        last = number;
    }
    Ok(last)
}

/// How many rows it touched, and the number that it returns; the same when it returns none.
fn execute(connection: &Connection, statement: &Statement) -> rusqlite::Result<(u64, u64)> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    let parameters = params_from_iter(&statement.parameters);
    if prepared.column_count() == 0 {
        let touched = prepared.execute(parameters)? as u64;
        return Ok((touched, touched));
    }
    let (mut touched, mut number) = (0, 0_i64);
    let mut rows = prepared.query(parameters)?;
    while let Some(row) = rows.next()? {
        (touched, number) = (touched + 1, row.get(0)?);
    }
    Ok((touched, u64::try_from(number).unwrap_or(0)))
}

/// All rows.
pub(super) fn read(connection: &Connection, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, StoreError> {
    rows(connection, sql, parameters).map_err(|error| from_sqlite(Path::new(connection.path().unwrap_or_default()), &error))
}

fn rows(connection: &Connection, sql: &str, parameters: &[Cell]) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(sql)?;
    let columns = prepared.column_count();
    prepared.query_map(params_from_iter(parameters), |one| row(one, columns))?.collect()
}

/// One row with so many columns.
pub(super) fn row(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    (0..columns).map(|column| cell(row, column)).collect::<Result<_, _>>().map(Row)
}

fn cell(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Cell> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Integer(number)),
        value => value.as_str().map(Cell::from).map_err(|_| {
            rusqlite::Error::InvalidColumnType(
                column,
                row.as_ref().column_name(column).unwrap_or("?").to_owned(),
                value.data_type(),
            )
        }),
    }
}
