//! How many items of a fan-out go into one call.
//!
//! Pure: sizes follow from what workers report, never from a clock of ours. A batch is never empty, never longer than an even
//! share of what is left, and never heavier than one frame to a worker may be.

use std::time::Duration;

use pegboard_model::{Argument, Value};

/// Time that one batch should keep a worker busy: long against a round trip (tens of microseconds), short against a person's
/// patience with cancelling and with progress.
const AIM: Duration = Duration::from_millis(50);
/// A batch is at most this many times as long as the longest that has ended: one slow item must not hide in a huge batch.
const GROWTH: usize = 8;
/// Most bytes of inline items in one batch.
const MAX_BYTES: u64 = 4 << 20;
/// Most items that live in shared memory: each costs a descriptor, and a frame carries 200.
const MAX_OBJECTS: usize = 200;
/// Most items: bounds what a dying worker takes with it.
const MAX_ITEMS: usize = 1 << 16;

/// Learns what an item costs and says how long the next batch is.
#[derive(Debug)]
pub(crate) struct BatchSizer {
    slots: usize,
    least: usize,
    longest: usize,
    seconds_per_item: f64,
    objects: usize,
}

impl BatchSizer {
    /// `slots`: batches that run side by side. `arguments` travel with every batch and use up descriptors of its frame.
    pub(crate) fn new(slots: usize, arguments: &[Argument]) -> Self {
        let taken: usize = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Single(value) => usize::from(is_object(value)),
                Argument::List(values) => values.iter().filter(|value| is_object(value)).count(),
            })
            .sum();
        let objects = MAX_OBJECTS.saturating_sub(taken).max(1);
        Self { slots: slots.max(1), least: 1, longest: 0, seconds_per_item: 0.0, objects }
    }

    /// A worker that hands items on to a cluster takes many at once: it needs them to keep the cluster busy.
    pub(crate) fn at_least(self, least: usize) -> Self {
        Self { least: least.max(1), ..self }
    }

    /// A batch of `items` kept its worker busy for `busy`.
    pub(crate) fn measured(&mut self, items: usize, busy: Duration) {
        if items == 0 {
            return;
        }
        let sample = busy.as_secs_f64() / items as f64;
        // Slower than thought is believed at once, faster than thought by halves.
        self.seconds_per_item =
            if sample >= self.seconds_per_item { sample } else { f64::midpoint(self.seconds_per_item, sample) };
        self.longest = self.longest.max(items);
    }

    /// How many of the next items to take; `waiting` yields them in order, `left` says how many there are.
    pub(crate) fn next<'a>(&self, left: usize, waiting: impl Iterator<Item = &'a Value>) -> usize {
        let by_time = if self.seconds_per_item > 0.0 { (AIM.as_secs_f64() / self.seconds_per_item) as usize } else { MAX_ITEMS };
        let by_growth = (self.longest * GROWTH).max(1);
        let by_share = left.div_ceil(self.slots);
        let most = by_time.min(by_growth).max(self.least).min(by_share).clamp(1, MAX_ITEMS);
        let (mut bytes, mut objects, mut count) = (0, 0, 0);
        for value in waiting.take(most) {
            match value {
                Value::Inline(pickle) => bytes += pickle.len() as u64,
                Value::Object(_) => objects += 1,
            }
            if count > 0 && (bytes > MAX_BYTES || objects > self.objects) {
                break;
            }
            count += 1;
        }
        count
    }
}

fn is_object(value: &Value) -> bool {
    matches!(value, Value::Object(_))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use pegboard_model::ObjectHandle;

    use super::*;

    fn small(count: usize) -> Vec<Value> {
        vec![Value::Inline(Bytes::from_static(b"N.")); count]
    }

    fn objects(count: usize) -> Vec<Value> {
        vec![Value::Object(ObjectHandle::new(Arc::new(()), 1 << 30)); count]
    }

    /// Sizes of the batches of a fan-out over one slot after another, each item costing `cost`.
    fn sizes(items: usize, slots: usize, cost: Duration) -> Vec<usize> {
        let values = small(items);
        let mut sizer = BatchSizer::new(slots, &[]);
        let (mut at, mut sizes) = (0, Vec::new());
        while at < items {
            let size = sizer.next(items - at, values[at..].iter());
            sizer.measured(size, cost * size as u32);
            sizes.push(size);
            at += size;
        }
        sizes
    }

    #[test]
    fn starts_with_one_and_grows_eightfold() {
        assert_eq!(sizes(100_000, 1, Duration::ZERO)[..4], [1, 8, 64, 512]);
    }

    #[test]
    fn settles_at_the_aim() {
        let sizes = sizes(10_000, 2, Duration::from_millis(1));
        assert!(sizes.iter().all(|size| *size <= 50), "{sizes:?}");
        assert!(sizes.iter().filter(|size| **size >= 49).count() > 190, "{sizes:?}");
    }

    #[test]
    fn slow_items_travel_alone() {
        assert_eq!(sizes(20, 4, Duration::from_secs(1)), vec![1; 20]);
    }

    #[test]
    fn a_cluster_gets_many_at_once_and_still_shares_are_even() {
        let values = small(1000);
        let mut sizer = BatchSizer::new(2, &[]).at_least(256);
        assert_eq!(sizer.next(1000, values.iter()), 256);
        sizer.measured(256, Duration::from_secs(600));
        assert_eq!(sizer.next(1000, values.iter()), 256);
        assert_eq!(sizer.next(10, values.iter().take(10)), 5);
    }

    #[test]
    fn shares_are_even() {
        let values = small(100);
        let mut sizer = BatchSizer::new(4, &[]);
        sizer.measured(1000, Duration::ZERO);
        assert_eq!(sizer.next(100, values.iter()), 25);
        assert_eq!(sizer.next(3, values.iter().take(3)), 1);
    }

    #[test]
    fn a_million_items_take_few_batches() {
        assert!(sizes(1_000_000, 2, Duration::ZERO).len() < 60);
    }

    #[test]
    fn weight_is_bounded_but_one_item_always_goes() {
        let mut sizer = BatchSizer::new(1, &[]);
        sizer.measured(10_000, Duration::ZERO);
        let megabyte = Bytes::from(vec![0; 1 << 20]);
        let heavy = vec![Value::Inline(megabyte); 10];
        assert_eq!(sizer.next(10, heavy.iter()), 4);
        let huge = vec![Value::Inline(Bytes::from(vec![0; 5 << 20])); 2];
        assert_eq!(sizer.next(2, huge.iter()), 1);
        let shared = objects(1000);
        assert_eq!(sizer.next(1000, shared.iter()), 200);
    }

    #[test]
    fn arguments_use_up_descriptors() {
        let arguments = [Argument::Single(objects(1).remove(0)), Argument::List(Arc::new(objects(50)))];
        let mut sizer = BatchSizer::new(1, &arguments);
        sizer.measured(10_000, Duration::ZERO);
        assert_eq!(sizer.next(1000, objects(1000).iter()), 149);
        let arguments = [Argument::List(Arc::new(objects(500)))];
        let mut sizer = BatchSizer::new(1, &arguments);
        sizer.measured(10_000, Duration::ZERO);
        assert_eq!(sizer.next(1000, objects(1000).iter()), 1);
    }

    #[test]
    fn a_slower_stretch_is_believed_at_once() {
        let values = small(100_000);
        let mut sizer = BatchSizer::new(1, &[]);
        sizer.measured(10_000, Duration::from_millis(10));
        assert!(sizer.next(100_000, values.iter()) > 40_000);
        sizer.measured(10, Duration::from_secs(1));
        assert_eq!(sizer.next(100_000, values.iter()), 1);
    }
}
