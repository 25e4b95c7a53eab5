//! One installed plugin: its record, its workers, its turns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pegboard_model::{Error, Failure, PluginRecord, PluginState, Timestamp};

use crate::pool::Pool;
use crate::supervisor::{History, Standing, refusal};

/// An installed plugin.
pub(super) struct Plugin {
    record: Mutex<PluginRecord>,
    pub(super) pool: Arc<Pool>,
}

/// How a reload ended.
pub(super) type Reloaded = Result<PluginRecord, Error>;

impl Plugin {
    pub(super) fn new(record: PluginRecord, pool: Arc<Pool>) -> Self {
        Self { record: Mutex::new(record), pool }
    }

    pub(super) fn record(&self) -> PluginRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the record; returns it when that made a difference.
    pub(super) fn change(&self, change: impl FnOnce(&mut PluginRecord)) -> Option<PluginRecord> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let former = record.clone();
        change(&mut record);
        if *record == former {
            return None;
        }
        record.updated_at = now();
        Some(record.clone())
    }

    /// Brings the record in line with how the pool stands.
    pub(super) fn follow_pool(&self) -> Option<PluginRecord> {
        self.change(|record| {
            let standing = self.pool.standing();
            record.state = match standing {
                Standing::Serving => PluginState::Ready,
                Standing::Broken(_) => PluginState::Broken,
                Standing::Parked(_) => PluginState::Parked,
            };
            record.failure = (standing != Standing::Serving).then(|| refusal(record.name.as_str(), &standing));
        })
    }
}

/// What a record says of a former server's experience. A first call may try again.
pub(super) fn history(record: &PluginRecord) -> History {
    let failure = |what: &str| {
        let unknown = || Failure::noticed(pegboard_model::FailureKind::Unavailable, format!("plugin `{}` {what}", record.name));
        record.failure.clone().unwrap_or_else(unknown)
    };
    match record.state {
        PluginState::Ready | PluginState::Installing => History::default(),
        PluginState::Broken => History::restored(Standing::Broken(failure("did not load"))),
        PluginState::Parked => History::restored(Standing::Parked(failure("crashed too often"))),
    }
}

/// Now, for records.
pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}
