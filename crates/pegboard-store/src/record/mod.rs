//! Records: what is asked of a database, one file per noun, in SQL that SQLite and PostgreSQL both read.
//!
//! Invariant: a noun knows statements and rows, never a driver; a back end knows statements and rows, never a noun. The shared
//! subset: `$1` placeholders in order of first appearance, TEXT, BIGINT, `insert … select`, `on conflict`, `returning` one number.

mod access;
mod catalog;
mod change;
mod events;
mod hub;
mod labelling;
mod log;
mod plugins;
mod resources;
mod runs;
mod sessions;

use std::sync::Arc;

use crate::error::StoreError;

/// What a commit waits for before it is acknowledged; a later one of these is a greater promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flush {
    /// The system has it: any end of this process leaves it there, loss of power may take the last moments.
    Soon,
    /// The disk has it.
    Now,
}

/// A parameter, or a value in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    /// The same text in many statements.
    Shared(Arc<str>),
    /// One of our own words.
    Word(&'static str),
}

impl Cell {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Shared(text) => Some(text),
            Self::Word(text) => Some(text),
            Self::Null | Self::Integer(_) => None,
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// One row of an answer.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

impl Row {
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.0.get(column).and_then(Cell::as_text).ok_or_else(|| self.odd(column, "text"))
    }

    pub(crate) fn integer(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Cell::Integer(number)) => Ok(*number),
            _ => Err(self.odd(column, "a number")),
        }
    }

    fn odd(&self, column: usize, wanted: &str) -> StoreError {
        StoreError::Corrupt(format!("column {column} is not {wanted}: {:?}", self.0.get(column)))
    }
}

/// What it means when a statement touches no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untouched {
    /// Nothing.
    Fine,
    /// The subject does not exist.
    Missing,
    /// The subject is not as the caller saw it.
    Changed,
    /// The subject was handled before, or never existed.
    Handled,
}

/// One statement that writes. Its last parameter but those named by the SQL does not exist: parameters match placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) parameters: Vec<Cell>,
    /// Index of the parameter that names the thing in messages.
    pub(crate) subject: usize,
    pub(crate) untouched: Untouched,
}

impl Statement {
    pub(crate) fn new(sql: &'static str, parameters: Vec<Cell>) -> Self {
        Self { sql, parameters, subject: 0, untouched: Untouched::Fine }
    }

    /// The parameter that names the thing in messages; the first one unless said otherwise.
    pub(crate) fn about(mut self, parameter: usize) -> Self {
        self.subject = parameter;
        self
    }

    pub(crate) fn or(mut self, untouched: Untouched) -> Self {
        self.untouched = untouched;
        self
    }

    pub(crate) fn subject(&self) -> String {
        match self.parameters.get(self.subject) {
            Some(Cell::Integer(number)) => number.to_string(),
            other => other.and_then(Cell::as_text).unwrap_or("record").to_owned(),
        }
    }

    /// Judges the number of rows that it touched.
    pub(crate) fn check(&self, touched: u64) -> Result<(), StoreError> {
        match (touched, self.untouched) {
            (0, Untouched::Missing) => Err(StoreError::NotFound(self.subject())),
            (0, Untouched::Changed) => Err(StoreError::ChangedMeanwhile(self.subject())),
            (0, Untouched::Handled) => Err(StoreError::AlreadyHandled(self.subject())),
            _ => Ok(()),
        }
    }
}

/// As databases know numbers; far beyond what is ever counted.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
