//! How long the hub waits, and how much it takes.

use std::time::Duration;

use pegboard_model::PluginType;

/// How long the hub waits, and how much it takes. The defaults fit the released clients, which beat once a minute.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// A connection that is silent for so long counts as gone.
    pub time_to_live: Duration,
    /// A plugin whose last connection closed stays live for so long: clients come back within milliseconds.
    pub grace: Duration,
    /// A session whose plugin went away fails when the plugin is not back after so long.
    pub orphan_grace: Duration,
    /// After the start of a server that kept its listening socket: who connects within this is taken for the process of before.
    /// None: the socket is new, so the clients of before have ended.
    pub reunion: Option<Duration>,
    /// Sessions at once on one connection, for plugins that say nothing else.
    pub sessions_per_connection: u32,
    /// Longest time of a session that waits for its turn.
    pub queue_limit: Duration,
    /// Longest time of a session of each type.
    pub limits: SessionLimits,
    /// Lines kept per session.
    pub log_lines: u64,
    /// Bytes of lines kept per session.
    pub log_bytes: u64,
    /// Results whose JSON is longer are kept as an object, not in the session's record.
    pub result_limit: usize,
    /// How often a REST plugin is asked whether it is there.
    pub poll: Duration,
    /// How long sessions are kept after their end; none: for ever.
    pub retention: Option<Duration>,
}

/// Longest time of one session, by what it does.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Somebody waits for the answer: a listing, an open asset.
    pub interactive: Duration,
    /// One task of a workflow.
    pub task: Duration,
    /// Everything else.
    pub long: Duration,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            time_to_live: Duration::from_secs(150),
            grace: Duration::from_secs(3),
            orphan_grace: Duration::from_secs(30),
            reunion: None,
            sessions_per_connection: 8,
            queue_limit: Duration::from_secs(24 * 3600),
            limits: SessionLimits {
                interactive: Duration::from_secs(120),
                task: Duration::from_secs(600),
                long: Duration::from_secs(6 * 3600),
            },
            log_lines: 10_000,
            log_bytes: 8 << 20,
            result_limit: 64 << 10,
            poll: Duration::from_secs(10),
            retention: None,
        }
    }
}

impl SessionLimits {
    /// For a session of this type; `waits`: somebody looks at a spinner, `task`: a workflow's.
    pub(crate) fn of(&self, plugin_type: PluginType, waits: bool, task: bool) -> Duration {
        match plugin_type {
            PluginType::Model if task => self.task,
            PluginType::Model => self.interactive,
            PluginType::FileExplorer if waits => self.interactive,
            _ => self.long,
        }
    }
}
