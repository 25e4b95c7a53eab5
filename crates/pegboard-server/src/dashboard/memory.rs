//! Memory of the workers, for people: looked at when somebody asks, and not again for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pegboard_engine::own_memory;

/// How long a figure is good enough.
const GOOD: Duration = Duration::from_secs(5);
/// Longest wait for new figures: the kernel walks page tables for them, a millisecond for each worker.
const PATIENCE: Duration = Duration::from_millis(30);

/// What is known, by process.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<BTreeMap<u32, Known>>>);

#[derive(Clone, Copy)]
struct Known {
    bytes: Option<u64>,
    when: Instant,
}

impl Memory {
    /// Bytes of each of these processes. None for one that is gone, and for those that the look has not come to yet: it goes on, and
    /// the next who asks has them.
    pub(crate) async fn of(&self, processes: &[u32]) -> BTreeMap<u32, u64> {
        let due: Vec<u32> = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|process, known| processes.contains(process) || known.when.elapsed() < GOOD);
            let is_good = |process: &u32| known.get(process).is_some_and(|known| known.when.elapsed() < GOOD);
            processes.iter().filter(|process| !is_good(process)).copied().collect()
        };
        if !due.is_empty() {
            let known = Arc::clone(&self.0);
            let look = move || {
                for process in due {
                    let one = Known { bytes: own_memory(process), when: Instant::now() };
                    known.lock().unwrap_or_else(PoisonError::into_inner).insert(process, one);
                }
            };
            // Too slow: what is known serves meanwhile.
            let _ = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await;
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        processes.iter().filter_map(|process| Some((*process, known.get(process)?.bytes?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_living_are_known_and_the_gone_are_forgotten() {
        let memory = Memory::default();
        let own = std::process::id();
        let seen = memory.of(&[own, u32::MAX]).await;
        assert!(seen[&own] > 0 && seen.len() == 1, "{seen:?}");
        assert_eq!(memory.of(&[own]).await, seen, "not looked at again");
        assert!(memory.of(&[]).await.is_empty());
    }
}
