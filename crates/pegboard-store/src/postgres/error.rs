//! What PostgreSQL says, in the words of the store. The driver's errors go no further than this file.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;
use crate::record::Statement;

/// A failure, and whether it is sure that nothing was stored and another try may do better.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Lost connection before the commit, deadlock, database starting: try again.
    WithoutEffect(StoreError),
    /// It stands.
    Final(StoreError),
}

impl Trouble {
    pub(super) fn before_commit(error: &Error) -> Self {
        if is_passing(error) { Self::WithoutEffect(from_postgres(error)) } else { Self::Final(from_postgres(error)) }
    }

    pub(super) fn of_statement(error: &Error, statement: &Statement) -> Self {
        match error.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => Self::Final(StoreError::AlreadyExists(statement.subject())),
            _ => Self::before_commit(error),
        }
    }

    /// A commit that the database answered with an error had no effect; one without an answer, nobody knows.
    pub(super) fn of_commit(error: &Error) -> Self {
        if error.code().is_some() { Self::before_commit(error) } else { Self::Final(from_postgres(error)) }
    }

    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::WithoutEffect(error) | Self::Final(error) => error,
        }
    }
}

/// Without a code the connection broke or was never made, unless it is our own mistake in a parameter or a configuration.
fn is_passing(error: &Error) -> bool {
    match error.code() {
        Some(code) => [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code),
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>()),
    }
}

/// An error that is not about one thing in the database.
pub(super) fn from_postgres(error: &Error) -> StoreError {
    let words = match error.as_db_error() {
        Some(said) => format!("PostgreSQL: {}", said.message()),
        None => match error.source() {
            Some(cause) => format!("PostgreSQL: {error}: {cause}"),
            None => format!("PostgreSQL: {error}"),
        },
    };
    match error.code() {
        Some(&SqlState::DISK_FULL) => StoreError::Full(words),
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::INSUFFICIENT_PRIVILEGE) => {
            StoreError::ReadOnly("the database".into(), words)
        }
        Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED) => StoreError::Corrupt(words),
        _ => StoreError::Unavailable(words),
    }
}
