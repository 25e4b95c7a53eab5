//! Who is here. Pure: the time is an argument.
//!
//! Invariant: a plugin is live exactly when at least one of its connections has been heard of within its time to live.

use std::collections::HashMap;
use std::time::Duration;

use pegboard_model::{PluginName, Timestamp};

/// What is known of one connected plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presence {
    /// Connections heard of within their time to live.
    pub connections: usize,
    /// When one of them was heard of last.
    pub heard_at: Timestamp,
}

#[derive(Debug)]
struct Lease {
    plugin: PluginName,
    heard_at: Timestamp,
}

/// All connections with the time they were heard of last.
#[derive(Debug)]
pub struct PresenceBoard {
    time_to_live: Duration,
    leases: HashMap<u64, Lease>,
}

impl PresenceBoard {
    /// A connection that is silent for `time_to_live` counts as gone.
    #[must_use]
    pub fn new(time_to_live: Duration) -> Self {
        Self { time_to_live, leases: HashMap::new() }
    }

    /// A connection was opened.
    pub fn arrived(&mut self, connection: u64, plugin: PluginName, now: Timestamp) {
        self.leases.insert(connection, Lease { plugin, heard_at: now });
    }

    /// A connection said something. Unknown ones are not brought back to life.
    pub fn heard(&mut self, connection: u64, now: Timestamp) {
        if let Some(lease) = self.leases.get_mut(&connection) {
            lease.heard_at = lease.heard_at.max(now);
        }
    }

    /// A connection was closed.
    pub fn left(&mut self, connection: u64) {
        self.leases.remove(&connection);
    }

    /// Whether one connection counts as here.
    #[must_use]
    pub fn is_live(&self, connection: u64, now: Timestamp) -> bool {
        self.leases.get(&connection).is_some_and(|lease| self.fresh(lease, now))
    }

    /// The plugin's presence; none when it is not live.
    #[must_use]
    pub fn of(&self, plugin: &PluginName, now: Timestamp) -> Option<Presence> {
        let fresh: Vec<_> = self.leases.values().filter(|lease| lease.plugin == *plugin && self.fresh(lease, now)).collect();
        let heard_at = fresh.iter().map(|lease| lease.heard_at).max()?;
        Some(Presence { connections: fresh.len(), heard_at })
    }

    fn fresh(&self, lease: &Lease, now: Timestamp) -> bool {
        u128::from(now.milliseconds_since(lease.heard_at)) < self.time_to_live.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_lives_as_long_as_one_connection_is_heard() {
        let second = |s: i64| Timestamp(s * 1_000_000);
        let name: PluginName = "detector".parse().unwrap();
        let mut board = PresenceBoard::new(Duration::from_secs(10));
        assert_eq!(board.of(&name, second(0)), None);
        board.arrived(1, name.clone(), second(0));
        board.arrived(2, name.clone(), second(5));
        assert_eq!(board.of(&name, second(9)), Some(Presence { connections: 2, heard_at: second(5) }));
        assert_eq!(board.of(&name, second(10)), Some(Presence { connections: 1, heard_at: second(5) }));
        board.heard(1, second(14));
        assert_eq!(board.of(&name, second(20)), Some(Presence { connections: 1, heard_at: second(14) }));
        board.left(1);
        assert_eq!(board.of(&name, second(20)), None);
        board.heard(1, second(21));
        assert_eq!(board.of(&name, second(21)), None, "a connection that left does not come back by being heard");
    }

    #[test]
    fn a_clock_set_back_kills_nobody() {
        let name: PluginName = "detector".parse().unwrap();
        let mut board = PresenceBoard::new(Duration::from_secs(10));
        board.arrived(1, name.clone(), Timestamp(100_000_000));
        board.heard(1, Timestamp(50_000_000));
        assert!(board.is_live(1, Timestamp(60_000_000)));
    }
}
