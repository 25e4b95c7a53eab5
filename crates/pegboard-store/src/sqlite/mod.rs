//! Records in one SQLite file.
//!
//! Invariant: one thread writes and nobody else, and it answers only after its commit is synchronised to disk. Readers have
//! connections of their own, see the last commit, and never wait for the writer.

mod connection;
mod error;
mod migrations;
mod queries;
mod readers;
mod writer;

pub(crate) use connection::SqliteRecords;
#[cfg(test)]
pub(crate) use migrations::MIGRATIONS;
