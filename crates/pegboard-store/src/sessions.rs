//! What can be asked about many sessions, and what is read of their logs.

use pegboard_model::{HubId, SessionLine, SessionState};

/// Which sessions to list; newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionFilter {
    /// Only sessions of this organization.
    pub organization: Option<HubId>,
    /// Only sessions of this plugin.
    pub plugin: Option<HubId>,
    /// Only sessions on this project.
    pub project: Option<HubId>,
    /// Only sessions in this state.
    pub state: Option<SessionState>,
    /// Only sessions made before this one (paging). `NotFound` when it does not exist any more.
    pub before: Option<HubId>,
    /// 0: all.
    pub limit: usize,
}

/// A line and its place in the session's log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSessionLine {
    /// From 1, without gaps.
    pub sequence: u64,
    /// What was said.
    pub line: SessionLine,
}
