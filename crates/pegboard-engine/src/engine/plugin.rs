//! One installed plugin: its record, its workers, its turns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use pegboard_model::{Call, CallEvent, Error, Failure, Operation, PluginRecord, PluginState, Timestamp};

use crate::pool::Pool;
use crate::supervisor::{History, Standing, refusal};

/// An installed plugin.
pub(super) struct Plugin {
    record: Mutex<PluginRecord>,
    pub(super) pool: Arc<Pool>,
    /// Modules whose targets were called with success: new code must be able to import them before it serves.
    called: Mutex<BTreeSet<String>>,
}

/// How a reload ended.
pub(super) type Reloaded = Result<PluginRecord, Error>;

impl Plugin {
    pub(super) fn new(record: PluginRecord, pool: Arc<Pool>) -> Self {
        Self { record: Mutex::new(record), pool, called: Mutex::default() }
    }

    /// Passes a call on.
    pub(super) fn call(self: &Arc<Self>, call: Call) -> BoxStream<'static, CallEvent> {
        let module = match &call.operation {
            Operation::Stage { target, .. } | Operation::Items { target, .. } => {
                target.trim().rsplit_once('.').map(|(module, _)| module)
            }
            _ => None,
        };
        let first = module.filter(|module| !self.called.lock().unwrap_or_else(PoisonError::into_inner).contains(*module));
        let Some(module) = first.map(str::to_owned) else { return self.pool.call(call).boxed() };
        let plugin = Arc::clone(self);
        let note = move |event: &CallEvent| {
            if matches!(event, CallEvent::Finished { .. }) {
                plugin.called.lock().unwrap_or_else(PoisonError::into_inner).insert(module.clone());
            }
        };
        self.pool.call(call).inspect(note).boxed()
    }

    /// Modules that calls named so far.
    pub(super) fn called(&self) -> Vec<String> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
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
                Standing::Parked(..) => PluginState::Parked,
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
        PluginState::Parked => History::restored(Standing::Parked(failure("crashed too often"), Duration::ZERO)),
    }
}

/// Now, for records.
pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}
