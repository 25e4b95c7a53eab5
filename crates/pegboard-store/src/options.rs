//! Where a store keeps its things.

use std::fmt;
use std::path::PathBuf;

/// Where things are kept.
#[derive(Clone)]
pub struct StoreOptions {
    /// The data directory; made when absent. Holds `pegboard.db`, `objects/` and the lock.
    pub directory: PathBuf,
    /// `postgres://…` instead of SQLite. The connection is not encrypted: use a local socket or a network that you trust.
    pub postgres_url: Option<String>,
    /// Objects in a bucket instead of the folder.
    pub s3: Option<S3Options>,
}

impl StoreOptions {
    /// SQLite and objects, both in this directory.
    pub fn local(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), postgres_url: None, s3: None }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreOptions")
            .field("directory", &self.directory)
            .field("postgres_url", &self.postgres_url.as_ref().map(|_| "…"))
            .field("s3", &self.s3)
            .finish()
    }
}

/// A bucket that speaks the S3 protocol.
#[derive(Clone)]
pub struct S3Options {
    /// Its name. It must exist.
    pub bucket: String,
    /// Comes before every key, with a `/` in between; may be empty.
    pub prefix: String,
    /// Address of a service that is not Amazon's; then the bucket is part of the path. Plain `http://` is allowed only when it is said here.
    pub endpoint: Option<String>,
    /// For example `eu-central-1`.
    pub region: String,
    /// Absent: the credentials of the machine's role.
    pub access_key_id: Option<String>,
    /// Goes with `access_key_id`.
    pub secret_access_key: Option<String>,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Options")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
