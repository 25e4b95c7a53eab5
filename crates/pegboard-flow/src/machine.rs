//! A run as a state machine: events in, commands out.
//!
//! No clock, no channel, no store: everything that the dialect says about order, failure and results is decided here and
//! nowhere else. A stage starts when its own dependencies are done; what must look as if groups ran one after the other
//! (which failure ends the run, which value is the result) follows the definition order of the plan.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::run::ItemCounts;
use pegboard_model::{Argument, Failure, FailureKind, ItemOutcome, LogLevel, Operation, RunState, StageType, Value};

use crate::asks::Asks;
use crate::fan_out::{Delayed, FailedItem, FanOut, Manner};
use crate::graph::Dependency;
use crate::plan::{Plan, has_nothing_to_map};
use crate::retry;

mod progress;

use progress::{StageProgress, Work};

/// Dropped items that are logged one by one; the rest is counted.
const DROPPED_TOLD: u64 = 20;
/// Lines of the first dropped item's traceback that are logged.
const TRACEBACK_LINES: usize = 60;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The run may start.
    Begin,
    /// A worker took a call of the stage.
    Started { stage: usize },
    /// A simple stage returned.
    Returned { stage: usize, value: Value },
    /// The iterable of a parameterized stage was taken apart.
    Expanded { stage: usize, items: Vec<Value> },
    /// Items of a batch ended.
    Items { stage: usize, batch: u64, first: u64, outcomes: Vec<ItemOutcome> },
    /// A batch ended.
    BatchEnded { stage: usize, batch: u64, busy: Duration },
    /// A call failed as a whole.
    Failed { stage: usize, batch: Option<u64>, failure: Failure },
    /// The delay before another attempt is over; of a group of items, or of the stage's one call.
    Again { stage: usize, group: Option<u64> },
    /// Whether an earlier result of the stage was kept.
    Looked { stage: usize, found: Option<Argument> },
    /// The result was said, or could not be.
    Encoded,
    /// Somebody ends the run: cancelled, interrupted, or failed for a reason outside of the workflow.
    Stop { state: RunState, failure: Option<Failure> },
}

/// Something is to be done, in this order.
#[derive(Debug)]
pub(crate) enum Command {
    /// Call the plugin that owns the stage's target.
    Call { stage: usize, batch: Option<u64>, operation: Operation },
    /// The stage is under way.
    StageStarted { stage: usize },
    /// How far a fan-out is.
    Counts { stage: usize, counts: ItemCounts },
    /// The stage is over.
    StageEnded { stage: usize, state: RunState, failure: Option<Failure> },
    /// Say something in the run's log.
    Log { stage: usize, level: LogLevel, text: String },
    /// Say `Again` after a while.
    Later { stage: usize, group: Option<u64>, delay: Duration },
    /// Look for an earlier result of the stage, called with these.
    Look { stage: usize, arguments: Option<Vec<Argument>> },
    /// Keep the stage's result for later runs.
    Keep { stage: usize, argument: Argument },
    /// The stage's result is an earlier one.
    Cached { stage: usize },
    /// Drop the calls of one stage.
    CancelStage { stage: usize },
    /// Drop all calls.
    CancelAll,
    /// Drop calls that no worker has taken; the others go on to their end, unobserved (section 9.4).
    LetGo,
    /// Say the run's result as JSON.
    Encode { stage: usize, argument: Argument },
    /// The run is over.
    End { state: RunState, failure: Option<Failure> },
}

/// One run.
#[derive(Debug)]
pub(crate) struct Machine {
    plan: Arc<Plan>,
    slots: Vec<usize>,
    /// Items of a batch.
    least_batch: usize,
    stages: Vec<StageProgress>,
    unfinished: usize,
    ended: bool,
    /// A random number from 0 to below 1.
    chance: fn() -> f64,
}

impl Machine {
    /// `slots`: how many calls of each stage's plugin run side by side; `chance` gives numbers from 0 to below 1.
    pub(crate) fn new(plan: Arc<Plan>, slots: Vec<usize>, chance: fn() -> f64) -> Self {
        let stages = StageProgress::all(&plan);
        Self { unfinished: plan.nodes.len(), plan, slots, least_batch: 1, stages, ended: false, chance }
    }

    /// Workers hand items on to a cluster: each of them takes this many at once.
    pub(crate) fn least_batch(self, least_batch: usize) -> Self {
        Self { least_batch, ..self }
    }

    /// Takes one event in. After `End` there are no more commands.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.ended {
            return commands;
        }
        let step = match event {
            Event::Begin => {
                let roots = (0..self.stages.len()).filter(|stage| self.stages[*stage].waiting == 0).collect();
                self.start(roots, &mut commands)
            }
            Event::Started { stage } => {
                self.mark_started(stage, &mut commands);
                Ok(())
            }
            Event::Returned { stage, value } => self.returned(stage, value, &mut commands),
            Event::Expanded { stage, items } => self.expanded(stage, items, &mut commands),
            Event::Items { stage, batch, first, outcomes } => self.items(stage, batch, first, outcomes, &mut commands),
            Event::BatchEnded { stage, batch, busy } => self.batch_ended(stage, batch, busy, &mut commands),
            Event::Failed { stage, batch: Some(batch), failure } => self.batch_failed(stage, batch, failure, &mut commands),
            Event::Failed { stage, batch: None, failure } => self.call_failed(stage, failure, &mut commands),
            Event::Again { stage, group } => {
                self.again(stage, group, &mut commands);
                Ok(())
            }
            Event::Looked { stage, found } => self.looked(stage, found, &mut commands),
            Event::Encoded => {
                self.ended = true;
                commands.push(Command::End { state: RunState::Finished, failure: None });
                Ok(())
            }
            Event::Stop { state, failure } => {
                commands.push(Command::CancelAll);
                self.end_others(if state == RunState::Failed { RunState::Cancelled } else { state }, &mut commands);
                commands.push(Command::End { state, failure });
                Ok(())
            }
        };
        if let Err((stage, failure)) = step {
            self.fail(stage, failure, &mut commands);
        }
        commands
    }

    /// Starts stages, and in turn those that become ready because a started one is over at once.
    fn start(&mut self, ready: VecDeque<usize>, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        let mut ready = ready;
        while let Some(stage) = ready.pop_front() {
            let over = self.start_one(stage, commands).map_err(|failure| (stage, failure))?;
            if over {
                ready.extend(self.complete(stage, commands));
            }
        }
        if self.unfinished == 0 {
            let result = self.plan.result;
            if let Some(argument) = self.stages[result].value.take() {
                commands.push(Command::Encode { stage: result, argument });
            }
        }
        Ok(())
    }

    /// Sends a stage's first calls. True when it is over already: there was nothing to run over.
    fn start_one(&mut self, stage: usize, commands: &mut Vec<Command>) -> Result<bool, Failure> {
        let plan = Arc::clone(&self.plan);
        let node = &plan.nodes[stage];
        if node.dependencies.contains(&Dependency::Itself) {
            let missing =
                Failure { class: "KeyError".to_owned(), ..Failure::noticed(FailureKind::Target, format!("'{}'", node.name)) };
            return Err(missing.hint(format!("stage `{}` depends on itself; take it out of its own `depends_on`", node.name)));
        }
        if has_nothing_to_map(node) {
            let empty =
                Failure { class: "IndexError".to_owned(), ..Failure::noticed(FailureKind::Target, "pop from empty list") };
            return Err(empty.hint(format!("give stage `{}` a dependency or `options.map_on`", node.name)));
        }
        let arguments = (!node.dependencies.is_empty()).then(|| self.take_arguments(&node.dependencies));
        if node.asks.cache {
            commands.push(Command::Look { stage, arguments: arguments.clone() });
            self.stages[stage].work = Work::Looking(arguments);
            return Ok(false);
        }
        Ok(self.send(stage, arguments, commands))
    }

    /// Sends the first calls. True when there was nothing to run over.
    fn send(&mut self, stage: usize, arguments: Option<Vec<Argument>>, commands: &mut Vec<Command>) -> bool {
        let plan = Arc::clone(&self.plan);
        let node = &plan.nodes[stage];
        match node.stage_type {
            StageType::Simple => {
                let operation = Operation::Stage { target: node.target.clone(), arguments };
                let again = node.asks.retries.map(|_| operation.clone());
                self.stages[stage].work = Work::Call { again, attempt: 1 };
                commands.push(Command::Call { stage, batch: None, operation });
                false
            }
            StageType::Parameterized => self.start_fan_out(stage, node.map_on.clone(), arguments, commands),
        }
    }

    fn start_fan_out(
        &mut self,
        stage: usize,
        map_on: Option<String>,
        arguments: Option<Vec<Argument>>,
        commands: &mut Vec<Command>,
    ) -> bool {
        if map_on.is_some() {
            // The iterable is in the run's input, which the worker has; what the dependencies gave goes to every item.
            self.stages[stage].work = Work::Expanding(arguments);
            commands.push(Command::Call { stage, batch: None, operation: Operation::Expand { map_on, arguments: None } });
            return false;
        }
        let mut arguments = arguments.unwrap_or_default().into_iter();
        let iterable = arguments.next();
        let others = Some(arguments.collect());
        match iterable {
            // A list of ours comes apart without help from Python.
            Some(Argument::List(items)) => {
                self.mark_started(stage, commands);
                let items = Arc::try_unwrap(items).unwrap_or_else(|shared| shared.to_vec());
                self.fan_out(stage, items, others, commands)
            }
            iterable => {
                self.stages[stage].work = Work::Expanding(others);
                let operation = Operation::Expand { map_on: None, arguments: Some(iterable.into_iter().collect()) };
                commands.push(Command::Call { stage, batch: None, operation });
                false
            }
        }
    }

    /// The results of dependencies in order; each is forgotten here when nobody else will ask for it.
    fn take_arguments(&mut self, dependencies: &[Dependency]) -> Vec<Argument> {
        let take = |dependency: &Dependency| match dependency {
            Dependency::On(producer) => {
                let producer = &mut self.stages[*producer];
                producer.wanted -= 1;
                if producer.wanted == 0 { producer.value.take() } else { producer.value.clone() }
            }
            Dependency::Itself | Dependency::Unknown(_) => None,
        };
        dependencies.iter().filter_map(take).collect()
    }

    fn mark_started(&mut self, stage: usize, commands: &mut Vec<Command>) {
        if self.stages[stage].state == RunState::Pending {
            self.stages[stage].state = RunState::Running;
            commands.push(Command::StageStarted { stage });
        }
    }

    fn returned(&mut self, stage: usize, value: Value, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        if !matches!(self.stages[stage].work, Work::Call { .. }) {
            return Ok(());
        }
        self.stages[stage].value = Some(Argument::Single(value));
        let ready = self.complete(stage, commands);
        self.start(ready, commands)
    }

    fn looked(&mut self, stage: usize, found: Option<Argument>, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        let Work::Looking(arguments) = std::mem::replace(&mut self.stages[stage].work, Work::None) else { return Ok(()) };
        let over = match found {
            Some(value) => {
                self.mark_started(stage, commands);
                self.stages[stage].value = Some(value);
                let text = "its result is that of an earlier call with the same inputs".to_owned();
                commands.push(Command::Log { stage, level: LogLevel::Info, text });
                commands.push(Command::Cached { stage });
                self.stages[stage].is_cached = true;
                true
            }
            None => self.send(stage, arguments, commands),
        };
        if over {
            let ready = self.complete(stage, commands);
            return self.start(ready, commands);
        }
        Ok(())
    }

    /// The delay of an attempt is over.
    fn again(&mut self, stage: usize, group: Option<u64>, commands: &mut Vec<Command>) {
        match (&mut self.stages[stage].work, group) {
            (Work::Call { again: Some(operation), .. }, None) => {
                let operation = operation.clone();
                commands.push(Command::Call { stage, batch: None, operation });
            }
            (Work::Items(fan_out), Some(group)) => {
                fan_out.delay_over(group);
                self.send_batches(stage, commands);
            }
            _ => {}
        }
    }

    /// A call that is not about items failed.
    fn call_failed(&mut self, stage: usize, failure: Failure, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        let asks = &self.plan.nodes[stage].asks;
        let Work::Call { attempt, .. } = &mut self.stages[stage].work else { return Err((stage, failure)) };
        let failure = late(asks, failure);
        match asks.retries.filter(|policy| retry::is_followed(Some(policy), *attempt, &failure)) {
            Some(policy) => {
                let delay = retry::delay(&policy, *attempt, (self.chance)());
                let text = retry::story(&policy, *attempt, delay, &failure);
                *attempt += 1;
                commands.push(Command::Log { stage, level: LogLevel::Warning, text });
                commands.push(Command::Later { stage, group: None, delay });
                Ok(())
            }
            None => Err((stage, failure)),
        }
    }

    /// A call about items failed as a whole.
    fn batch_failed(
        &mut self,
        stage: usize,
        batch: u64,
        failure: Failure,
        commands: &mut Vec<Command>,
    ) -> Result<(), (usize, Failure)> {
        let failure = late(&self.plan.nodes[stage].asks, self.explained(stage, batch, failure));
        let Work::Items(fan_out) = &mut self.stages[stage].work else { return Err((stage, failure)) };
        let before = fan_out.counts().failed;
        let (unsettled, words) = (fan_out.unsettled(batch), format!("{}: {}", failure.class, failure.message));
        let (delayed, dropped) = fan_out.batch_failed(batch, failure).map_err(|failure| (stage, failure))?;
        if let (Some((first, last)), None, None) = (unsettled, &delayed, &dropped) {
            let text = format!("items {first} to {last} were on when it ended, and are run again one by one: {words}");
            commands.push(Command::Log { stage, level: LogLevel::Warning, text });
        }
        commands.push(Command::Counts { stage, counts: fan_out.counts() });
        let stops = fan_out.manner().stop_on_failure;
        if let Some(item) = dropped {
            if stops {
                return Err((stage, item.failure));
            }
            tell_dropped(stage, before, vec![item], commands);
        }
        self.delay(stage, delayed, commands);
        self.go_on(stage, commands)
    }

    /// Items are to be tried again.
    fn delay(&mut self, stage: usize, delayed: Option<Delayed>, commands: &mut Vec<Command>) {
        let (Some(Delayed { group, attempt, items, failure }), Some(policy)) = (delayed, self.plan.nodes[stage].asks.retries)
        else {
            return;
        };
        let delay = retry::delay(&policy, attempt, (self.chance)());
        let text = retry::story_of_items(&policy, attempt, delay, &items, &failure);
        commands.push(Command::Log { stage, level: LogLevel::Warning, text });
        commands.push(Command::Later { stage, group: Some(group), delay });
    }

    fn expanded(&mut self, stage: usize, items: Vec<Value>, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        let Work::Expanding(arguments) = std::mem::replace(&mut self.stages[stage].work, Work::None) else { return Ok(()) };
        if self.fan_out(stage, items, arguments, commands) {
            let ready = self.complete(stage, commands);
            return self.start(ready, commands);
        }
        Ok(())
    }

    /// Sends the first batches. True when there are no items.
    fn fan_out(
        &mut self,
        stage: usize,
        items: Vec<Value>,
        arguments: Option<Vec<Argument>>,
        commands: &mut Vec<Command>,
    ) -> bool {
        let node = &self.plan.nodes[stage];
        let manner = Manner {
            slots: self.slots[stage],
            least: self.least_batch,
            stop_on_failure: !node.allow_partial_failure,
            retries: node.asks.retries,
            has_timeout: node.asks.timeout.is_some(),
        };
        let fan_out = FanOut::new(items, arguments, manner);
        commands.push(Command::Counts { stage, counts: fan_out.counts() });
        if fan_out.is_over() {
            self.stages[stage].value = Some(fan_out.results());
            return true;
        }
        self.stages[stage].work = Work::Items(Box::new(fan_out));
        self.send_batches(stage, commands);
        false
    }

    fn send_batches(&mut self, stage: usize, commands: &mut Vec<Command>) {
        let node = &self.plan.nodes[stage];
        let Work::Items(fan_out) = &mut self.stages[stage].work else { return };
        while let Some(batch) = fan_out.next_batch() {
            let operation = Operation::Items {
                target: node.target.clone(),
                map_on: node.map_on.clone(),
                arguments: if node.dependencies.is_empty() { None } else { batch.arguments },
                first: batch.first,
                items: batch.items,
                // An item that may be tried again ends nothing.
                stop_on_failure: fan_out.manner().stop_on_failure && fan_out.manner().retries.is_none(),
            };
            commands.push(Command::Call { stage, batch: Some(batch.number), operation });
        }
    }

    fn items(
        &mut self,
        stage: usize,
        batch: u64,
        first: u64,
        outcomes: Vec<ItemOutcome>,
        commands: &mut Vec<Command>,
    ) -> Result<(), (usize, Failure)> {
        let Work::Items(fan_out) = &mut self.stages[stage].work else { return Ok(()) };
        let before = fan_out.counts().failed;
        let failed = fan_out.ended(batch, first, outcomes).map_err(|failure| (stage, failure))?;
        commands.push(Command::Counts { stage, counts: fan_out.counts() });
        if fan_out.manner().stop_on_failure {
            return match failed.into_iter().next() {
                Some(item) => Err((stage, item.failure)),
                None => Ok(()),
            };
        }
        tell_dropped(stage, before, failed, commands);
        Ok(())
    }

    fn batch_ended(
        &mut self,
        stage: usize,
        batch: u64,
        busy: Duration,
        commands: &mut Vec<Command>,
    ) -> Result<(), (usize, Failure)> {
        let Work::Items(fan_out) = &mut self.stages[stage].work else { return Ok(()) };
        let delayed = fan_out.batch_ended(batch, busy).map_err(|failure| (stage, failure))?;
        self.delay(stage, delayed, commands);
        self.go_on(stage, commands)
    }

    /// Sends more batches, or ends the stage.
    fn go_on(&mut self, stage: usize, commands: &mut Vec<Command>) -> Result<(), (usize, Failure)> {
        let Work::Items(fan_out) = &mut self.stages[stage].work else { return Ok(()) };
        if !fan_out.is_over() {
            self.send_batches(stage, commands);
            return Ok(());
        }
        let Work::Items(fan_out) = std::mem::replace(&mut self.stages[stage].work, Work::None) else { return Ok(()) };
        let ItemCounts { total, done, failed } = fan_out.counts();
        if failed > DROPPED_TOLD {
            let text = format!("{} more items are dropped; {done} of {total} remain", failed - DROPPED_TOLD);
            commands.push(Command::Log { stage, level: LogLevel::Warning, text });
        }
        if done == 0 && failed > 0 {
            let text = format!("all {total} items failed; the stage goes on with an empty list");
            commands.push(Command::Log { stage, level: LogLevel::Warning, text });
        }
        self.stages[stage].value = Some(fan_out.results());
        let ready = self.complete(stage, commands);
        self.start(ready, commands)
    }

    /// A stage is done. Gives back who is ready now, in definition order.
    fn complete(&mut self, stage: usize, commands: &mut Vec<Command>) -> VecDeque<usize> {
        let progress = &mut self.stages[stage];
        progress.work = Work::None;
        progress.state = RunState::Finished;
        if let Some(argument) = progress.value.clone().filter(|_| self.plan.nodes[stage].asks.cache && !progress.is_cached) {
            commands.push(Command::Keep { stage, argument });
        }
        if progress.wanted == 0 {
            progress.value = None;
        }
        self.unfinished -= 1;
        commands.push(Command::StageEnded { stage, state: RunState::Finished, failure: None });
        let plan = Arc::clone(&self.plan);
        let mut ready = VecDeque::new();
        for consumer in &plan.consumers[stage] {
            let waiting = &mut self.stages[*consumer].waiting;
            *waiting -= 1;
            if *waiting == 0 {
                ready.push_back(*consumer);
            }
        }
        ready
    }

    /// Says which items a worker took with it.
    fn explained(&self, stage: usize, batch: u64, failure: Failure) -> Failure {
        let Work::Items(fan_out) = &self.stages[stage].work else { return failure };
        match fan_out.unsettled(batch) {
            Some((first, last)) if failure.hint.is_none() => failure.hint(match last {
                last if last == first => format!("item {first} was on"),
                last => format!("items {first} to {last} were on; the first of them is the likely cause"),
            }),
            _ => failure,
        }
    }

    /// A failed stage ends the run.
    fn fail(&mut self, stage: usize, failure: Failure, commands: &mut Vec<Command>) {
        if self.stages[stage].state.is_final() {
            return;
        }
        self.mark_started(stage, commands);
        self.stages[stage].state = RunState::Failed;
        commands.push(Command::CancelStage { stage });
        commands.push(Command::StageEnded { stage, state: RunState::Failed, failure: Some(failure.clone()) });
        commands.push(Command::LetGo);
        for other in 0..self.stages.len() {
            if self.stages[other].state == RunState::Running {
                let text = "the run failed in another stage; what is under way here goes on to its end, unobserved".to_owned();
                commands.push(Command::Log { stage: other, level: LogLevel::Warning, text });
            }
        }
        self.end_others(RunState::Cancelled, commands);
        commands.push(Command::End { state: RunState::Failed, failure: Some(failure) });
    }

    /// Ends every stage that is not over, and lets go of all values.
    fn end_others(&mut self, state: RunState, commands: &mut Vec<Command>) {
        for (stage, progress) in self.stages.iter_mut().enumerate() {
            if !progress.state.is_final() {
                progress.state = state;
                commands.push(Command::StageEnded { stage, state, failure: None });
            }
            progress.work = Work::None;
            progress.value = None;
        }
        self.ended = true;
    }
}

/// A stage that says itself how long it may take fails with the name that Python has for it.
fn late(asks: &Asks, failure: Failure) -> Failure {
    match asks.timeout.filter(|_| failure.kind == FailureKind::Deadline) {
        Some(timeout) => {
            let message = format!("it took longer than its `timeout` of {} s", timeout.as_secs_f64());
            Failure { class: "TimeoutError".to_owned(), message, ..failure }
        }
        None => failure,
    }
}

/// Says which items are dropped; `before` that many were already.
fn tell_dropped(stage: usize, before: u64, failed: Vec<FailedItem>, commands: &mut Vec<Command>) {
    let told = usize::try_from(DROPPED_TOLD.saturating_sub(before)).unwrap_or_default();
    for (number, FailedItem { index, failure, .. }) in (before..).zip(failed.into_iter().take(told)) {
        let text = format!("item {index} is dropped: {}: {}", failure.class, failure.message);
        commands.push(Command::Log { stage, level: LogLevel::Warning, text });
        // One traceback is enough to find the fault; the others are likely the same.
        let lines = failure.traceback.iter().filter(|_| number == 0).flat_map(|traceback| traceback.lines());
        let log = |line: &str| Command::Log { stage, level: LogLevel::Warning, text: line.to_owned() };
        commands.extend(lines.take(TRACEBACK_LINES).map(log));
    }
}

#[cfg(test)]
mod tests;
