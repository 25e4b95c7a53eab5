//! What was committed without waiting for the disk reaches it soon: a thread that synchronises the log behind the writer.
//!
//! Invariant: a note that something was committed is followed by a synchronisation that begins no later than [`WITHIN`] after it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::error::StoreError;

/// How much loss of power may take with it, and how many commits share one synchronisation.
pub(super) const WITHIN: Duration = Duration::from_millis(50);

/// Handle of the thread, which ends when this is dropped.
pub(super) struct Flusher {
    notes: SyncSender<()>,
}

impl Flusher {
    /// `synchronise` is called on a thread of its own, and says whether it worked.
    pub(super) fn start(synchronise: impl Fn() -> std::io::Result<()> + Send + 'static) -> Result<Self, StoreError> {
        // One note is as good as many: the second waits for the next synchronisation.
        let (notes, noted) = sync_channel(1);
        let thread = std::thread::Builder::new().name("store-flusher".to_owned());
        thread
            .spawn(move || serve(&noted, &synchronise))
            .map_err(|error| StoreError::Unavailable(format!("no thread for synchronising the disk: {error}")))?;
        Ok(Self { notes })
    }

    /// Something was committed that is not on the disk yet.
    pub(super) fn note(&self) {
        // Full: the thread has not looked at the note before this one, so it will synchronise after both.
        let _noted_already = self.notes.try_send(());
    }
}

fn serve(noted: &Receiver<()>, synchronise: &impl Fn() -> std::io::Result<()>) {
    let mut is_failing = false;
    while noted.recv().is_ok() {
        std::thread::sleep(WITHIN);
        // What was noted meanwhile is covered as well.
        while noted.try_recv().is_ok() {}
        match synchronise() {
            Ok(()) => is_failing = false,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::error!(%error, "the database's log could not be synchronised; a loss of power may take recent runs with it");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn many_notes_share_a_synchronisation_and_the_last_has_one_after_it() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let flusher = Flusher::start(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        for _ in 0..1000 {
            flusher.note();
        }
        let begun = Instant::now();
        while count.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing was synchronised");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(4 * WITHIN);
        let after_many = count.load(Ordering::SeqCst);
        assert!(after_many <= 2, "{after_many} for one burst");
        flusher.note();
        while count.load(Ordering::SeqCst) == after_many {
            assert!(begun.elapsed() < Duration::from_secs(20), "the last note was forgotten");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
