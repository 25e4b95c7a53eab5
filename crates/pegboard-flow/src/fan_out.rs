//! One parameterized stage under way: items out in batches, outcomes back, in order at the end (specification, section 9.3).
//!
//! Items and results share one vector: an item leaves its slot when it travels, its result takes the same slot. Where items can
//! be tried again a copy of each handle stays with the batch.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::run::ItemCounts;
use pegboard_model::{Argument, Failure, FailureKind, ItemOutcome, Retries, Value};

use crate::batch::BatchSizer;
use crate::retry;

/// Workers that items of one stage may take with them. More deaths are the fault of the code, not of an item.
const MOST_DEATHS: usize = 4;

/// Where one item is.
#[derive(Debug)]
enum Slot {
    Waiting(Value),
    Travelling,
    Done(Value),
    Dropped,
}

/// How a fan-out goes about its items.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Batches that run side by side.
    pub(crate) slots: usize,
    /// Items that one batch has at least, as far as shares stay even.
    pub(crate) least: usize,
    /// The first failure of an item ends the stage.
    pub(crate) stop_on_failure: bool,
    /// Failed items are tried again.
    pub(crate) retries: Option<Retries>,
    /// One item may fail by taking too long: each travels alone, so that a deadline ends that one and no other.
    pub(crate) has_timeout: bool,
}

impl Manner {
    /// An item may travel twice: when it is tried again, or when another took the worker with it.
    fn keeps_items(self) -> bool {
        self.retries.is_some() || !self.stop_on_failure
    }
}

/// Items of one stage.
#[derive(Debug)]
pub(crate) struct FanOut {
    slots: Vec<Slot>,
    next: usize,
    sizer: BatchSizer,
    manner: Manner,
    in_flight: HashMap<u64, Travel>,
    next_batch: u64,
    arguments: Option<Vec<Argument>>,
    counts: ItemCounts,
    /// Groups whose delay is not over, by number.
    delayed: HashMap<u64, Group>,
    next_group: u64,
    /// Groups that go before items that have not travelled.
    ready: VecDeque<Group>,
    /// Workers that died over items.
    deaths: usize,
}

/// Items that travel again together.
#[derive(Debug)]
struct Group {
    items: Vec<(usize, Value)>,
    /// Which attempt is next, from 1.
    attempt: u32,
    /// One of them took a worker with it: each travels by itself, so that it is known which.
    alone: bool,
}

/// A batch on its way: which items, and how many of them have ended.
#[derive(Debug)]
struct Travel {
    /// Index of the first one, as the worker was told.
    first: usize,
    count: usize,
    /// Indices when they are not consecutive.
    indices: Option<Vec<usize>>,
    /// The items, when they may travel again.
    kept: Vec<Value>,
    attempt: u32,
    ended: usize,
    /// Failed, and to be tried again.
    failed: Vec<FailedItem>,
}

impl Travel {
    fn index(&self, position: usize) -> usize {
        self.indices.as_ref().map_or(self.first + position, |indices| indices[position])
    }

    fn item(&self, position: usize) -> Option<(usize, Value)> {
        Some((self.index(position), self.kept.get(position)?.clone()))
    }
}

/// A batch that is to be sent.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) items: Vec<Value>,
    pub(crate) arguments: Option<Vec<Argument>>,
}

/// An item that failed for good.
#[derive(Debug)]
pub(crate) struct FailedItem {
    /// Index within the stage.
    pub(crate) index: u64,
    /// Position within its batch.
    position: usize,
    pub(crate) failure: Failure,
}

/// Items that wait to be tried again.
#[derive(Debug)]
pub(crate) struct Delayed {
    /// To be given back when the delay is over.
    pub(crate) group: u64,
    /// The attempt that failed, from 1.
    pub(crate) attempt: u32,
    pub(crate) items: Vec<usize>,
    /// How the first of them failed.
    pub(crate) failure: Failure,
}

impl FanOut {
    pub(crate) fn new(items: Vec<Value>, arguments: Option<Vec<Argument>>, manner: Manner) -> Self {
        let counts = ItemCounts { total: items.len() as u64, ..ItemCounts::default() };
        Self {
            slots: items.into_iter().map(Slot::Waiting).collect(),
            next: 0,
            sizer: BatchSizer::new(manner.slots, arguments.as_deref().unwrap_or_default()).at_least(manner.least),
            manner,
            in_flight: HashMap::new(),
            next_batch: 0,
            arguments,
            counts,
            delayed: HashMap::new(),
            next_group: 0,
            ready: VecDeque::new(),
            deaths: 0,
        }
    }

    pub(crate) fn counts(&self) -> ItemCounts {
        self.counts
    }

    /// The next batch, when one more may travel.
    pub(crate) fn next_batch(&mut self) -> Option<Batch> {
        if self.in_flight.len() >= self.manner.slots.max(1) {
            return None;
        }
        let (travel, items) = match self.ready.pop_front() {
            Some(group) => self.again(group),
            None => self.fresh()?,
        };
        let number = self.next_batch;
        self.next_batch += 1;
        let first = travel.first as u64;
        self.in_flight.insert(number, travel);
        Some(Batch { number, first, items, arguments: self.arguments.clone() })
    }

    fn fresh(&mut self) -> Option<(Travel, Vec<Value>)> {
        let left = self.slots.len() - self.next;
        if left == 0 {
            return None;
        }
        let waiting = self.slots[self.next..].iter().map_while(|slot| match slot {
            Slot::Waiting(value) => Some(value),
            _ => None,
        });
        let count = if self.manner.has_timeout { 1 } else { self.sizer.next(left, waiting) };
        let first = self.next;
        self.next += count;
        let items: Vec<Value> = self.slots[first..self.next]
            .iter_mut()
            .filter_map(|slot| match std::mem::replace(slot, Slot::Travelling) {
                Slot::Waiting(value) => Some(value),
                _ => None,
            })
            .collect();
        let kept = if self.manner.keeps_items() { items.clone() } else { Vec::new() };
        Some((Travel { first, count, indices: None, kept, attempt: 1, ended: 0, failed: Vec::new() }, items))
    }

    fn again(&mut self, mut group: Group) -> (Travel, Vec<Value>) {
        let values = group.items.iter().map(|(_, value)| value);
        let count = if self.manner.has_timeout || group.alone { 1 } else { self.sizer.next(group.items.len(), values) };
        let rest = group.items.split_off(count);
        if !rest.is_empty() {
            self.ready.push_front(Group { items: rest, ..group });
        }
        let (indices, items): (Vec<usize>, Vec<Value>) = group.items.into_iter().unzip();
        let first = indices.first().copied().unwrap_or_default();
        let kept = items.clone();
        (Travel { first, count, indices: Some(indices), kept, attempt: group.attempt, ended: 0, failed: Vec::new() }, items)
    }

    /// Takes outcomes in; gives back the items that failed for good.
    ///
    /// # Errors
    /// Outcomes that nobody asked for, or that come twice: the worker broke the protocol.
    pub(crate) fn ended(&mut self, batch: u64, first: u64, outcomes: Vec<ItemOutcome>) -> Result<Vec<FailedItem>, Failure> {
        let Some(travel) = self.in_flight.get_mut(&batch) else {
            return Err(broken(format!("outcomes came for batch {batch}, which is not under way")));
        };
        let expected = travel.first + travel.ended;
        if first != expected as u64 || travel.ended + outcomes.len() > travel.count {
            let count = outcomes.len();
            return Err(broken(format!("{count} outcomes came for items from {first} on; the next item was {expected}")));
        }
        let mut failed = Vec::new();
        for outcome in outcomes {
            let position = travel.ended;
            travel.ended += 1;
            let index = travel.index(position);
            match outcome {
                ItemOutcome::Value(value) => {
                    self.counts.done += 1;
                    self.slots[index] = Slot::Done(value);
                }
                ItemOutcome::Failure(failure) => {
                    let item = FailedItem { index: index as u64, position, failure };
                    if retry::is_followed(self.manner.retries.as_ref(), travel.attempt, &item.failure) {
                        travel.failed.push(item);
                    } else {
                        self.counts.failed += 1;
                        self.slots[index] = Slot::Dropped;
                        failed.push(item);
                    }
                }
            }
        }
        Ok(failed)
    }

    /// A batch is over. Gives back its items that are to be tried again.
    ///
    /// # Errors
    /// It ended without an outcome for each of its items.
    pub(crate) fn batch_ended(&mut self, batch: u64, busy: Duration) -> Result<Option<Delayed>, Failure> {
        let Some(mut travel) = self.in_flight.remove(&batch) else {
            return Err(broken(format!("batch {batch} ended, which is not under way")));
        };
        self.sizer.measured(travel.ended, busy);
        let missing = travel.count - travel.ended;
        if missing > 0 {
            let end = travel.index(travel.count - 1) + 1;
            return Err(broken(format!("the worker ended {missing} items short of item {end}")));
        }
        let failed = std::mem::take(&mut travel.failed);
        Ok(self.delay(&travel, failed))
    }

    /// A batch failed as a whole. The item that was on takes the blame, if items can: it is tried again, or has failed for good;
    /// those after it travel again as if they had not. When the worker died, an item that had ended may not have been told: before
    /// one fails for good, each travels by itself. The failure comes back when it is the stage's.
    ///
    /// # Errors
    /// The stage's failure.
    pub(crate) fn batch_failed(
        &mut self,
        batch: u64,
        failure: Failure,
    ) -> Result<(Option<Delayed>, Option<FailedItem>), Failure> {
        let is_late = self.manner.has_timeout && failure.kind == FailureKind::Deadline;
        let Some(travel) = self.in_flight.get(&batch) else { return Err(failure) };
        let is_followed = retry::is_followed(self.manner.retries.as_ref(), travel.attempt, &failure);
        let is_death = matches!(failure.kind, FailureKind::Died | FailureKind::Memory)
            && !(is_followed || self.manner.stop_on_failure)
            && self.deaths < MOST_DEATHS;
        if travel.ended == travel.count || !(is_followed || is_late || is_death) {
            return Err(failure);
        }
        let Some(mut travel) = self.in_flight.remove(&batch) else { return Err(failure) };
        self.deaths += usize::from(is_death);
        let position = travel.ended;
        if is_death && position + 1 < travel.count {
            let items = (position..travel.count).filter_map(|position| travel.item(position)).collect();
            self.ready.push_back(Group { items, attempt: travel.attempt, alone: true });
            let failed = std::mem::take(&mut travel.failed);
            return Ok((self.delay(&travel, failed), None));
        }
        let rest: Vec<_> = (position + 1..travel.count).filter_map(|position| travel.item(position)).collect();
        if !rest.is_empty() {
            self.ready.push_back(Group { items: rest, attempt: travel.attempt, alone: false });
        }
        let mut failed = std::mem::take(&mut travel.failed);
        let blamed = FailedItem { index: travel.index(position) as u64, position, failure };
        let mut dropped = None;
        if is_followed {
            failed.push(blamed);
        } else {
            self.counts.failed += 1;
            self.slots[travel.index(position)] = Slot::Dropped;
            dropped = Some(blamed);
        }
        Ok((self.delay(&travel, failed), dropped))
    }

    fn delay(&mut self, travel: &Travel, failed: Vec<FailedItem>) -> Option<Delayed> {
        let failure = failed.first()?.failure.clone();
        let items: Vec<_> = failed.iter().filter_map(|item| travel.item(item.position)).collect();
        let indices = items.iter().map(|(index, _)| *index).collect();
        let group = self.next_group;
        self.next_group += 1;
        self.delayed.insert(group, Group { items, attempt: travel.attempt + 1, alone: false });
        Some(Delayed { group, attempt: travel.attempt, items: indices, failure })
    }

    /// The delay of a group is over.
    pub(crate) fn delay_over(&mut self, group: u64) {
        self.ready.extend(self.delayed.remove(&group));
    }

    /// Items of a batch that have no outcome, for the story of a worker that died: the first and the last.
    pub(crate) fn unsettled(&self, batch: u64) -> Option<(usize, usize)> {
        let travel = self.in_flight.get(&batch)?;
        (travel.ended < travel.count).then(|| (travel.index(travel.ended), travel.index(travel.count - 1)))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.next == self.slots.len() && self.in_flight.is_empty() && self.ready.is_empty() && self.delayed.is_empty()
    }

    pub(crate) fn manner(&self) -> Manner {
        self.manner
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
