//! Records in a PostgreSQL database.
//!
//! Invariant: a batch is one transaction, and is answered after its commit. A connection that was lost before the commit is
//! replaced and the batch repeated; lost during the commit, nobody knows, and the caller hears `Unavailable`.

mod copy;
mod error;
mod migrations;
mod pool;
mod queries;

pub(crate) use copy::RefilledPostgres;
pub(crate) use pool::PostgresRecords;
