//! Every durable byte of Pegboard: records in SQLite or PostgreSQL, objects in a folder or a bucket.
//!
//! [`Store`] is the way in. What it has acknowledged survives `kill -9` and loss of power (what happens in runs: 50 ms later).
//! Nothing here knows what a run is for: the crate keeps documents, pages through them and appends to logs. It starts no process
//! and opens no port, and never asks for the time. Large values belong among the objects, not among the records.
//!
//! Reading order: [`options`], [`store`], [`change`], `record` (one file per noun, over rows and statements alone),
//! `document` (the stored JSON and its versions), then the back ends `sqlite`, `postgres` and `object`.

#![forbid(unsafe_code)]

pub mod backup;
pub mod change;
pub mod error;
pub mod labelling;
pub mod options;
pub mod store;

mod audit;
mod document;
mod lock;
mod object;
mod postgres;
mod presets;
mod record;
mod sessions;
mod sqlite;

pub use audit::{AuditPage, StoredAuditEntry};
pub use backup::{Holdings, Piece, Restoration, Snapshot, Table};
pub use change::{Change, LogFilter, RunFilter, StoredEvent, StoredLine};
pub use error::StoreError;
pub use labelling::{AssetQuery, LabelChange, Placed};
pub use object::{Bucket, ObjectWriter, RemoteFolder, probe};
pub use options::{S3Options, StoreOptions};
pub use presets::Replaces;
pub use sessions::{SessionFilter, StoredSessionLine};
pub use store::Store;
