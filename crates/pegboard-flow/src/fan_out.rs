//! One parameterized stage under way: items out in batches, outcomes back, in order at the end (specification, section 9.3).
//!
//! Items and results share one vector: an item leaves its slot when it travels, its result takes the same slot.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::run::ItemCounts;
use pegboard_model::{Argument, Failure, FailureKind, ItemOutcome, Value};

use crate::batch::BatchSizer;

/// Where one item is.
#[derive(Debug)]
enum Slot {
    Waiting(Value),
    Travelling,
    Done(Value),
    Dropped,
}

/// Items of one stage.
#[derive(Debug)]
pub(crate) struct FanOut {
    slots: Vec<Slot>,
    next: usize,
    sizer: BatchSizer,
    most_in_flight: usize,
    in_flight: HashMap<u64, Travel>,
    next_batch: u64,
    arguments: Option<Vec<Argument>>,
    stop_on_failure: bool,
    counts: ItemCounts,
}

/// A batch on its way: which items, and how many of them have ended.
#[derive(Debug)]
struct Travel {
    items: Range<usize>,
    ended: usize,
}

/// A batch that is to be sent.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) items: Vec<Value>,
    pub(crate) arguments: Option<Vec<Argument>>,
}

/// An item that raised.
#[derive(Debug)]
pub(crate) struct FailedItem {
    pub(crate) index: u64,
    pub(crate) failure: Failure,
}

impl FanOut {
    /// `slots`: batches that run side by side.
    pub(crate) fn new(items: Vec<Value>, arguments: Option<Vec<Argument>>, slots: usize, stop_on_failure: bool) -> Self {
        let counts = ItemCounts { total: items.len() as u64, ..ItemCounts::default() };
        Self {
            slots: items.into_iter().map(Slot::Waiting).collect(),
            next: 0,
            sizer: BatchSizer::new(slots, arguments.as_deref().unwrap_or_default()),
            most_in_flight: slots.max(1),
            in_flight: HashMap::new(),
            next_batch: 0,
            arguments,
            stop_on_failure,
            counts,
        }
    }

    pub(crate) fn counts(&self) -> ItemCounts {
        self.counts
    }

    /// The next batch, when one more may travel.
    pub(crate) fn next_batch(&mut self) -> Option<Batch> {
        let left = self.slots.len() - self.next;
        if left == 0 || self.in_flight.len() >= self.most_in_flight {
            return None;
        }
        let waiting = self.slots[self.next..].iter().map_while(|slot| match slot {
            Slot::Waiting(value) => Some(value),
            _ => None,
        });
        let size = self.sizer.next(left, waiting);
        let range = self.next..self.next + size;
        let items = self.slots[range.clone()]
            .iter_mut()
            .filter_map(|slot| match std::mem::replace(slot, Slot::Travelling) {
                Slot::Waiting(value) => Some(value),
                _ => None,
            })
            .collect();
        let number = self.next_batch;
        self.next_batch += 1;
        self.next = range.end;
        let first = range.start as u64;
        self.in_flight.insert(number, Travel { items: range, ended: 0 });
        Some(Batch { number, first, items, arguments: self.arguments.clone() })
    }

    /// Takes outcomes in; gives back the items that raised.
    ///
    /// # Errors
    /// Outcomes that nobody asked for, or that come twice: the worker broke the protocol.
    pub(crate) fn ended(&mut self, batch: u64, first: u64, outcomes: Vec<ItemOutcome>) -> Result<Vec<FailedItem>, Failure> {
        let Some(travel) = self.in_flight.get_mut(&batch) else {
            return Err(broken(format!("outcomes came for batch {batch}, which is not under way")));
        };
        let expected = travel.items.start + travel.ended;
        if first != expected as u64 || expected + outcomes.len() > travel.items.end {
            let count = outcomes.len();
            return Err(broken(format!("{count} outcomes came for items from {first} on; the next item was {expected}")));
        }
        travel.ended += outcomes.len();
        let mut failed = Vec::new();
        for (index, outcome) in (expected..).zip(outcomes) {
            self.slots[index] = match outcome {
                ItemOutcome::Value(value) => {
                    self.counts.done += 1;
                    Slot::Done(value)
                }
                ItemOutcome::Failure(failure) => {
                    self.counts.failed += 1;
                    failed.push(FailedItem { index: index as u64, failure });
                    Slot::Dropped
                }
            };
        }
        Ok(failed)
    }

    /// A batch is over.
    ///
    /// # Errors
    /// It ended without an outcome for each of its items.
    pub(crate) fn batch_ended(&mut self, batch: u64, busy: Duration) -> Result<(), Failure> {
        let Some(travel) = self.in_flight.remove(&batch) else {
            return Err(broken(format!("batch {batch} ended, which is not under way")));
        };
        self.sizer.measured(travel.ended, busy);
        let missing = travel.items.len() - travel.ended;
        if missing > 0 {
            return Err(broken(format!("the worker ended {missing} items short of item {}", travel.items.end)));
        }
        Ok(())
    }

    /// Items of a batch that have no outcome, for the story of a worker that died: the first and the last.
    pub(crate) fn unsettled(&self, batch: u64) -> Option<(usize, usize)> {
        let travel = self.in_flight.get(&batch)?;
        let first = travel.items.start + travel.ended;
        (first < travel.items.end).then(|| (first, travel.items.end - 1))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.next == self.slots.len() && self.in_flight.is_empty()
    }

    pub(crate) fn stops_on_failure(&self) -> bool {
        self.stop_on_failure
    }

    /// The results in item order, without those of dropped items.
    pub(crate) fn results(self) -> Argument {
        let values = self.slots.into_iter().filter_map(|slot| match slot {
            Slot::Done(value) => Some(value),
            _ => None,
        });
        Argument::List(Arc::new(values.collect()))
    }
}

fn broken(message: String) -> Failure {
    Failure::noticed(FailureKind::Protocol, message)
        .hint("this is a fault of Pegboard's worker, not of the plugin; please report it")
}
