//! One change of a plugin at a time, and no change twice.
//!
//! Invariant: install, upgrade, reload and removal of one plugin never overlap. Whoever asks for a reload while another waits
//! for its turn shares that one's outcome: it begins after both have asked, so it sees the code that both have seen.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// The turns of one plugin; `T` is the outcome of a reload.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    asked: AtomicU64,
    /// How many of those who asked the last reload served, and its outcome.
    last: Mutex<Option<(u64, T)>>,
}

/// A turn; it ends when this is dropped.
pub(crate) struct Turn<'a, T> {
    _last: MutexGuard<'a, Option<(u64, T)>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> Turns<T> {
    /// Waits for a turn of one's own.
    pub(crate) async fn own(&self) -> Turn<'_, T> {
        Turn { _last: self.last.lock().await }
    }

    /// Runs `reload` in a turn, unless somebody else's began after this was asked for.
    pub(crate) async fn shared(&self, reload: impl Future<Output = T>) -> T {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((served, outcome)) = &*last
            && *served > mine
        {
            return outcome.clone();
        }
        let served = self.asked.load(Ordering::SeqCst);
        let outcome = reload.await;
        *last = Some((served, outcome.clone()));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_reloads_is_two() {
        let turns = Arc::new(Turns::<u64>::default());
        let begun = Arc::new(AtomicU64::new(0));
        let running = Arc::new(AtomicU64::new(0));
        let ask = || {
            let (turns, begun, running) = (Arc::clone(&turns), Arc::clone(&begun), Arc::clone(&running));
            tokio::spawn(async move {
                let reload = async {
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    number
                };
                turns.shared(reload).await
            })
        };
        let first = ask();
        tokio::time::sleep(Duration::from_millis(10)).await;
        // All of these ask while the first is under way: it may have read old code, so they need one more, and only one.
        let storm: Vec<_> = (0..50).map(|_| ask()).collect();
        assert_eq!(first.await.unwrap(), 1);
        for asked in storm {
            assert_eq!(asked.await.unwrap(), 2);
        }
        assert_eq!(ask().await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn other_changes_take_turns_with_reloads() {
        let turns = Arc::new(Turns::<&str>::default());
        let turn = turns.own().await;
        let reload = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.shared(async { "done" }).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!reload.is_finished());
        drop(turn);
        assert_eq!(reload.await.unwrap(), "done");
    }
}
