//! Why the store could not do it. Errors of the drivers stop at `sqlite/error.rs`, `postgres/error.rs` and `object/mod.rs`.

use std::path::PathBuf;

use pegboard_model::{Error, ErrorKind};

/// Why the store could not do it. Becomes a [`pegboard_model::Error`] with a stable code and a hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The name or the identity is taken.
    #[error("`{0}` exists already")]
    AlreadyExists(String),
    /// There is no such thing, or no longer.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// The caller saw an older version than the stored one.
    #[error("somebody changed `{0}` meanwhile")]
    ChangedMeanwhile(String),
    /// The event was handled before, or is not there (any more). Its sequence.
    #[error("event `{0}` is handled already")]
    AlreadyHandled(String),
    /// Another server has this data directory.
    #[error("data directory `{}` is locked by another server{}", directory.display(), holder(*process_id))]
    Locked {
        /// The data directory.
        directory: PathBuf,
        /// Process id of the holder, when it could be read.
        process_id: Option<u32>,
    },
    /// Permissions, or a medium that takes no writes. The path and the system's words.
    #[error("cannot write to `{0}`: {1}")]
    ReadOnly(PathBuf, String),
    /// No room left. The system's words.
    #[error("disk full: {0}")]
    Full(String),
    /// The database or the bucket does not answer, or the store is closed. The driver's words.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// A document does not have the shape that its version says, or the database file is damaged.
    #[error("stored document unreadable: {0}")]
    Corrupt(String),
    /// A newer Pegboard wrote this database.
    #[error("the database has schema {found}, this Pegboard knows up to {known}")]
    Newer {
        /// Number of the last migration that the database has seen.
        found: i64,
        /// Number of the last migration of this binary.
        known: i64,
    },
    /// There is data already where other data shall go. What was found first.
    #[error("there is data already: `{0}`")]
    NotEmpty(String),
    /// The caller gave an object a key that cannot be one.
    #[error("`{0}` cannot be the key of an object")]
    BadKey(String),
}

fn holder(process_id: Option<u32>) -> String {
    process_id.map_or_else(String::new, |id| format!(" (process {id})"))
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::AlreadyExists(_) => Self::conflict("already-exists", message).hint("choose another name"),
            StoreError::NotFound(_) => Self::not_found("not-found", message),
            StoreError::ChangedMeanwhile(_) => {
                Self::conflict("changed-meanwhile", message).hint("read it again and repeat the change")
            }
            StoreError::AlreadyHandled(_) => Self::conflict("already-handled", message)
                .hint("nothing is left to do for it; `pegboard events` lists what happened"),
            StoreError::Locked { .. } => Self::unavailable("data-directory-locked", message)
                .hint("stop the other server, or give this one a directory of its own with `--data`"),
            StoreError::ReadOnly(..) => Self::new(ErrorKind::Exhausted, "data-directory-read-only", message)
                .hint("make the directory writable for this user, or choose another one with `--data`"),
            StoreError::Full(_) => Self::new(ErrorKind::Exhausted, "disk-full", message).hint("free some space, then repeat it"),
            StoreError::Unavailable(_) => Self::unavailable("store-unavailable", message)
                .hint("see that the database and the bucket can be reached from this machine"),
            StoreError::Corrupt(_) => Self::internal("store-corrupt", message).hint("restore the data directory from a backup"),
            StoreError::Newer { .. } => Self::unavailable("database-newer", message)
                .hint("start a Pegboard at least as new as the one that ran here last"),
            StoreError::NotEmpty(_) => {
                Self::conflict("not-empty", message).hint("restore into an empty place, or say `--replace`")
            }
            StoreError::BadKey(_) => {
                Self::invalid("object-key", message).hint("a key is one to 900 bytes, parts between `/` are not empty")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_matters() {
        let locked = StoreError::Locked { directory: "/srv/data".into(), process_id: Some(17) };
        assert_eq!(locked.to_string(), "data directory `/srv/data` is locked by another server (process 17)");
        let locked = StoreError::Locked { directory: "/srv/data".into(), process_id: None };
        assert_eq!(locked.to_string(), "data directory `/srv/data` is locked by another server");
        assert_eq!(StoreError::ReadOnly("/srv".into(), "no".into()).to_string(), "cannot write to `/srv`: no");
        let error = Error::from(StoreError::Newer { found: 9, known: 1 });
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unavailable, "database-newer"));
    }
}
