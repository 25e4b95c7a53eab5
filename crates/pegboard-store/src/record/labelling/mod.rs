//! The nouns of labelling. Identities are unique; everything else that must be is said in the schema.

mod access;
mod assets;
mod change;
mod counts;
mod issues;
mod projects;
mod tasks;

use pegboard_model::HubId;

use super::{Cell, Row, integer};
use crate::document::{self, Document};
use crate::error::StoreError;
use crate::labelling::Placed;

pub(crate) use counts::Counts;

/// Characters of a text that its index holds: PostgreSQL's takes some 2,700 bytes.
const START: usize = 200;

/// As much of a text as an index takes.
fn start(text: &str) -> Cell {
    let end = text.char_indices().nth(START).map_or(text.len(), |(position, _)| position);
    storable(&text[..end]).into()
}

/// PostgreSQL has no text with a zero byte.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn cell(id: HubId) -> Cell {
    id.to_string().into()
}

/// The first row's document in column 0.
fn one<T: Document>(rows: &[Row], subject: &str) -> Result<Option<T>, StoreError> {
    rows.first().map(|row| document::read(row.text(0)?, subject)).transpose()
}

/// Documents in column 0, identities in column 1.
fn all<T: Document>(rows: &[Row]) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
}

/// Documents in column 0, identities in column 1, ordinals in column 2.
fn placed<T: Document>(rows: &[Row]) -> Result<Vec<Placed<T>>, StoreError> {
    rows.iter().map(|row| Ok(Placed { ordinal: ordinal(row, 2)?, record: document::read(row.text(0)?, row.text(1)?)? })).collect()
}

fn ordinal(row: &Row, column: usize) -> Result<u64, StoreError> {
    row.integer(column).map(|number| u64::try_from(number).unwrap_or(0))
}

fn count(rows: &[Row]) -> Result<u64, StoreError> {
    rows.first().map_or(Ok(0), |row| ordinal(row, 0))
}

fn limit(limit: usize) -> Cell {
    integer(limit as u64).into()
}
