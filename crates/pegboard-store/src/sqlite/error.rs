//! What SQLite says, in the words of the store. The driver's errors go no further than this file.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::StoreError;
use crate::record::Statement;

/// An error that is not about one thing in the database.
pub(super) fn from_sqlite(path: &Path, error: &Error) -> StoreError {
    let words = || error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(format!("`{}`: {error}", path.display())),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly(path.to_owned(), words())
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Corrupt(format!("`{}`: {error}", path.display()))
        }
        None if matches!(error, Error::InvalidColumnType(..)) => StoreError::Corrupt(words()),
        _ => StoreError::Unavailable(words()),
    }
}

/// An error while a statement wrote.
pub(super) fn from_statement(path: &Path, error: &Error, statement: &Statement) -> StoreError {
    match error.sqlite_extended_error_code() {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => StoreError::AlreadyExists(statement.subject()),
        _ => from_sqlite(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        let path = Path::new("/data/pegboard.db");
        let from = |code| from_sqlite(path, &Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(from(ffi::SQLITE_FULL), StoreError::Full(_)));
        assert!(matches!(from(ffi::SQLITE_READONLY_DIRECTORY), StoreError::ReadOnly(named, _) if named == path));
        assert!(matches!(from(ffi::SQLITE_CANTOPEN), StoreError::ReadOnly(..)));
        assert!(matches!(from(ffi::SQLITE_NOTADB), StoreError::Corrupt(_)));
        assert!(matches!(from(ffi::SQLITE_IOERR), StoreError::Unavailable(_)));
        let statement = Statement::new("", vec!["u".into(), "name".into()]).about(1);
        let unique = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CONSTRAINT_UNIQUE), None);
        assert_eq!(from_statement(path, &unique, &statement), StoreError::AlreadyExists("name".into()));
    }
}
