//! What can be asked about the record of who did what.

use pegboard_model::AuditEntry;

/// A line of the record, and its number in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAuditEntry {
    /// Grows; others may lie between two of one organization.
    pub sequence: u64,
    /// What happened.
    pub entry: AuditEntry,
}

/// Which lines of the record; newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditPage {
    /// The newest.
    Newest,
    /// Those older than this one.
    Before(u64),
    /// The newest of those that came after this one.
    Since(u64),
}
