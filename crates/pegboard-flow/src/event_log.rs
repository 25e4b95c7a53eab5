//! Events: stored first, told to followers, then handled exactly once.

use pegboard_model::{Error, Event};
use pegboard_store::{Change, StoredEvent};
use tokio::sync::broadcast;

use crate::flow::Flow;

impl Flow {
    /// Stores an event; durable when this returns. Triggers and followers see it soon after.
    ///
    /// # Errors
    /// The store's; `already-exists` when there is an event with this id.
    pub async fn publish(&self, event: Event) -> Result<(), Error> {
        Ok(self.shared.recorder.record(vec![Change::EventStored(event)]).await?)
    }

    /// Events from now on, in order. Subscribe first, then read the store: nothing is missed.
    #[must_use]
    pub fn stored_events(&self) -> broadcast::Receiver<StoredEvent> {
        self.shared.told.subscribe()
    }
}
