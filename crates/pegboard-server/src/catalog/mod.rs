//! The catalog: what artifacts consist of, and the tables in them.
//!
//! Invariants: a published version is whole: its files are stored before its record; tables are read, written and asked by workers
//! of the server's own, never in this process; no answer holds a whole table.

pub(crate) mod place;
pub(crate) mod publish;
pub(crate) mod tables;
