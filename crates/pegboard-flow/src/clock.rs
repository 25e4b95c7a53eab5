//! Where the time comes from. Schedules and retention go by it; tests set it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use pegboard_model::Timestamp;

/// A source of the time of day, in UTC. It may jump, both ways: the clock of a machine does.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that shows what the closure says.
    pub fn new(show: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    /// The machine's.
    fn default() -> Self {
        Self::new(|| Timestamp::from(SystemTime::now()))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Clock").field(&self.now()).finish()
    }
}
