//! Draining: nothing new begins, everything else is served (Flowdapt specification, section 14.3).
//!
//! Runs that were asked for are refused. Schedules miss their instants. Events wait: what they start begins when draining ends,
//! or when the server is started again.

use std::sync::atomic::Ordering;

use pegboard_model::Error;

use crate::flow::{Flow, Shared};

impl Flow {
    /// Begins to drain, or ends it. Runs under way are left alone.
    pub fn set_draining(&self, draining: bool) {
        if self.shared.draining.swap(draining, Ordering::SeqCst) != draining {
            tracing::info!(draining, "draining was switched");
        }
    }

    /// Whether new runs are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }
}

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(crate) fn refuse_when_draining(&self) -> Result<(), Error> {
        if !self.is_draining() {
            return Ok(());
        }
        // The dialect's own sentence.
        let refused = Error::unavailable("draining", "Service is draining, no new workflow runs accepted");
        Err(refused.hint("ask another server, or repeat it when draining has ended"))
    }
}
