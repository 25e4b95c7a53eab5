//! Who is here.

use pegboard_model::Timestamp;

/// How a plugin is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// Runs can be sent: a connection was heard of within its time to live, or closed a moment ago.
    pub live: bool,
    /// Connections heard of within their time to live.
    pub connections: usize,
    /// When one of them was heard of last.
    pub heard_at: Option<Timestamp>,
    /// Sessions that the plugin has.
    pub busy: usize,
    /// Sessions that wait for it.
    pub queued: usize,
    /// Heartbeats with this plugin's id and a wrong secret, since the server started.
    pub refused: u64,
}
