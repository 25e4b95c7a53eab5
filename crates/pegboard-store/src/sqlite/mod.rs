//! Records in one SQLite file.
//!
//! Invariant: one thread writes and nobody else, and it answers only after its commit: with `Flush::Now` synchronised to disk,
//! with `Flush::Soon` in the hands of the system, which outlives any end of this process. Readers have connections of their
//! own, see the last commit, and never wait for the writer.

mod connection;
mod copy;
mod error;
mod flusher;
mod migrations;
mod queries;
mod readers;
mod writer;

pub(crate) use connection::SqliteRecords;
pub(crate) use copy::{RefilledSqlite, known_schema, schema};
#[cfg(test)]
pub(crate) use migrations::MIGRATIONS;
