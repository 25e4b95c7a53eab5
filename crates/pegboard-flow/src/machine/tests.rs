//! Every sentence of the specification's section 9 that the server decides.

use std::collections::HashMap;

use bytes::Bytes;
use pegboard_model::{Stage, WorkflowSpec};
use serde_json::{Value as Json, json};

use super::*;
use crate::graph::Graph;
use crate::plan::plan;

fn spec(stages: &Json) -> WorkflowSpec {
    serde_json::from_value(json!({ "stages": stages })).unwrap()
}

fn machine(stages: &Json) -> Machine {
    let plan = plan(Graph::of(&spec(stages))).unwrap();
    let slots = vec![2; plan.nodes.len()];
    Machine::new(Arc::new(plan), slots, || 0.5)
}

fn value(text: &str) -> Value {
    Value::Inline(Bytes::copy_from_slice(text.as_bytes()))
}

fn values(count: usize) -> Vec<Value> {
    (0..count).map(|index| value(&index.to_string())).collect()
}

fn text(argument: &Argument) -> String {
    let single = |value: &Value| match value {
        Value::Inline(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Value::Object(_) => panic!("there are no objects here"),
    };
    match argument {
        Argument::Single(value) => single(value),
        Argument::List(values) => format!("[{}]", values.iter().map(single).collect::<Vec<_>>().join(",")),
    }
}

fn texts(arguments: Option<&Vec<Argument>>) -> String {
    arguments.map_or_else(|| "-".to_owned(), |arguments| arguments.iter().map(text).collect::<Vec<_>>().join(" "))
}

fn raised(class: &str) -> Failure {
    Failure { class: class.to_owned(), ..Failure::noticed(FailureKind::Raised, "no") }
}

/// Commands, one word each, so that tables can be read.
fn words(commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .map(|command| match command {
            Command::Call { stage, operation, .. } => match operation {
                Operation::Stage { arguments, .. } => format!("call {stage} ({})", texts(arguments.as_ref())),
                Operation::Expand { map_on, arguments } => {
                    format!("expand {stage} {} ({})", map_on.as_deref().unwrap_or("-"), texts(arguments.as_ref()))
                }
                Operation::Items { first, items, arguments, stop_on_failure, .. } => {
                    let stop = if *stop_on_failure { " strict" } else { "" };
                    format!("items {stage} {first}+{} ({}){stop}", items.len(), texts(arguments.as_ref()))
                }
                other => panic!("the machine does not call {other:?}"),
            },
            Command::StageStarted { stage } => format!("started {stage}"),
            Command::Counts { stage, counts } => format!("counts {stage} {}/{}/{}", counts.done, counts.failed, counts.total),
            Command::StageEnded { stage, state, .. } => format!("ended {stage} {}", state.as_str()),
            Command::Log { stage, text, .. } => format!("log {stage} {text}"),
            Command::Later { stage, group, delay } => {
                format!("later {stage} {} {}", group.map_or("-".to_owned(), |group| group.to_string()), delay.as_secs_f64())
            }
            Command::Look { stage, arguments } => format!("look {stage} ({})", texts(arguments.as_ref())),
            Command::Keep { stage, argument } => format!("keep {stage} {}", text(argument)),
            Command::Cached { stage } => format!("cached {stage}"),
            Command::CancelStage { stage } => format!("cancel {stage}"),
            Command::CancelAll => "cancel all".to_owned(),
            Command::LetGo => "let go".to_owned(),
            Command::Encode { stage, argument } => format!("encode {stage} {}", text(argument)),
            Command::End { state, failure } => {
                format!(
                    "end {}{}",
                    state.as_str(),
                    failure.as_ref().map(|failure| format!(" {}", failure.class)).unwrap_or_default()
                )
            }
        })
        .collect()
}

/// Steps through events and compares the commands of each.
fn check(name: &str, stages: &Json, steps: Vec<(Event, &[&str])>) {
    let mut machine = machine(stages);
    for (number, (event, expected)) in steps.into_iter().enumerate() {
        let said = format!("{event:?}");
        assert_eq!(words(&machine.step(event)), expected, "{name}, step {number}: {said}");
    }
}

#[test]
fn order_and_arguments() {
    use Event::{Begin, Encoded, Returned, Started};
    check(
        "a stage starts when its own dependencies are done",
        &json!([
            { "name": "a", "target": "t" },
            { "name": "b", "target": "t" },
            { "name": "c", "target": "t", "depends_on": ["a"] },
            { "name": "d", "target": "t", "depends_on": ["b", "a"] },
        ]),
        vec![
            (Begin, &["call 0 (-)", "call 1 (-)"]),
            (Started { stage: 0 }, &["started 0"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "call 2 (A)"]),
            (Returned { stage: 2, value: value("C") }, &["ended 2 finished"]),
            (Returned { stage: 1, value: value("B") }, &["ended 1 finished", "call 3 (B A)"]),
            (Returned { stage: 3, value: value("D") }, &["ended 3 finished", "encode 3 D"]),
            (Encoded, &["end finished"]),
            (Begin, &[]),
        ],
    );
    check(
        "the same dependency twice is passed twice",
        &json!([{ "name": "a", "target": "t" }, { "name": "b", "target": "t", "depends_on": ["a", "a"] }]),
        vec![(Begin, &["call 0 (-)"]), (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "call 1 (A A)"])],
    );
    check(
        "of two stages with one name the later wins; definition order need not be run order",
        &json!([
            { "name": "b", "target": "t", "depends_on": ["a"] },
            { "name": "a", "target": "first" },
            { "name": "a", "target": "second" },
        ]),
        vec![(Begin, &["call 1 (-)"]), (Returned { stage: 1, value: value("A") }, &["ended 1 finished", "call 0 (A)"])],
    );
    check(
        "a stage that is over twice is over once",
        &json!([{ "name": "a", "target": "t" }, { "name": "b", "target": "t", "depends_on": ["a"] }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "call 1 (A)"]),
            (Returned { stage: 0, value: value("A") }, &[]),
        ],
    );
}

#[test]
fn fan_out() {
    use Event::{BatchEnded, Begin, Encoded, Expanded, Items, Returned, Started};
    let busy = Duration::from_secs(1);
    let item = |text: &str| ItemOutcome::Value(value(text));
    let failed = || ItemOutcome::Failure(raised("ValueError"));
    check(
        "first dependency is taken apart, the others go to every item, order is kept, dropped items shift",
        &json!([
            { "name": "a", "target": "t" },
            { "name": "b", "target": "t" },
            { "name": "c", "target": "t", "type": "parameterized", "depends_on": ["a", "b"] },
        ]),
        vec![
            (Begin, &["call 0 (-)", "call 1 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished"]),
            (Returned { stage: 1, value: value("B") }, &["ended 1 finished", "expand 2 - (A)"]),
            (Started { stage: 2 }, &["started 2"]),
            (Expanded { stage: 2, items: values(3) }, &["counts 2 0/0/3", "items 2 0+1 (B)", "items 2 1+1 (B)"]),
            (
                Items { stage: 2, batch: 1, first: 1, outcomes: vec![failed()] },
                &["counts 2 0/1/3", "log 2 item 1 is dropped: ValueError: no"],
            ),
            (BatchEnded { stage: 2, batch: 1, busy }, &["items 2 2+1 (B)"]),
            (Items { stage: 2, batch: 2, first: 2, outcomes: vec![item("z")] }, &["counts 2 1/1/3"]),
            (BatchEnded { stage: 2, batch: 2, busy }, &[]),
            (Items { stage: 2, batch: 0, first: 0, outcomes: vec![item("x")] }, &["counts 2 2/1/3"]),
            (BatchEnded { stage: 2, batch: 0, busy }, &["ended 2 finished", "encode 2 [x,z]"]),
            (Encoded, &["end finished"]),
        ],
    );
    check(
        "map_on without dependencies: the items come from the input, which also fills the rest",
        &json!([{ "name": "a", "target": "t", "type": "parameterized", "options": { "map_on": "k" } }]),
        vec![(Begin, &["expand 0 k (-)"]), (Expanded { stage: 0, items: values(1) }, &["counts 0 0/0/1", "items 0 0+1 (-)"])],
    );
    check(
        "map_on with dependencies: all results go to every item",
        &json!([
            { "name": "a", "target": "t" },
            { "name": "b", "target": "t", "type": "parameterized", "depends_on": ["a"], "options": { "map_on": "k" } },
        ]),
        vec![
            (Begin, &["call 0 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "expand 1 k (-)"]),
            (Expanded { stage: 1, items: values(1) }, &["counts 1 0/0/1", "items 1 0+1 (A)"]),
        ],
    );
    check(
        "an empty iterable gives an empty list, and an empty list behind it another",
        &json!([
            { "name": "a", "target": "t", "type": "parameterized", "options": { "map_on": "k" } },
            { "name": "b", "target": "t", "type": "parameterized", "depends_on": ["a"] },
            { "name": "c", "target": "t", "depends_on": ["b"] },
        ]),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (Started { stage: 0 }, &["started 0"]),
            (
                Expanded { stage: 0, items: Vec::new() },
                &["counts 0 0/0/0", "ended 0 finished", "started 1", "counts 1 0/0/0", "ended 1 finished", "call 2 ([])"],
            ),
        ],
    );
    check(
        "all items failing: an empty list and a finished run",
        &json!([{ "name": "a", "target": "t", "type": "parameterized", "options": { "map_on": "k" } }]),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (Expanded { stage: 0, items: values(1) }, &["counts 0 0/0/1", "items 0 0+1 (-)"]),
            (
                Items { stage: 0, batch: 0, first: 0, outcomes: vec![failed()] },
                &["counts 0 0/1/1", "log 0 item 0 is dropped: ValueError: no"],
            ),
            (
                BatchEnded { stage: 0, batch: 0, busy },
                &["log 0 all 1 items failed; the stage goes on with an empty list", "ended 0 finished", "encode 0 []"],
            ),
        ],
    );
    check(
        "without partial failure the first one fails the run and no more items are sent",
        &json!([{ "name": "a", "target": "t", "type": "parameterized", "options": { "map_on": "k", "allow_partial_failure": "no" } }]),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (Started { stage: 0 }, &["started 0"]),
            (Expanded { stage: 0, items: values(9) }, &["counts 0 0/0/9", "items 0 0+1 (-) strict", "items 0 1+1 (-) strict"]),
            (
                Items { stage: 0, batch: 1, first: 1, outcomes: vec![failed()] },
                &["counts 0 0/1/9", "cancel 0", "ended 0 failed", "let go", "end failed ValueError"],
            ),
            (BatchEnded { stage: 0, batch: 1, busy }, &[]),
            (Items { stage: 0, batch: 0, first: 0, outcomes: vec![item("x")] }, &[]),
        ],
    );
}

#[test]
fn failure() {
    use Event::{Begin, Encoded, Failed, Returned, Started, Stop};
    let three = json!([
        { "name": "a", "target": "t" },
        { "name": "b", "target": "t" },
        { "name": "c", "target": "t", "depends_on": ["a"] },
    ]);
    let note = "log 1 the run failed in another stage; what is under way here goes on to its end, unobserved";
    check(
        "what is under way is let go, what is to come never starts",
        &three,
        vec![
            (Begin, &["call 0 (-)", "call 1 (-)"]),
            (Started { stage: 0 }, &["started 0"]),
            (Started { stage: 1 }, &["started 1"]),
            (
                Failed { stage: 0, batch: None, failure: raised("ValueError") },
                &[
                    "cancel 0",
                    "ended 0 failed",
                    "let go",
                    note,
                    "ended 1 cancelled",
                    "ended 2 cancelled",
                    "end failed ValueError",
                ],
            ),
            (Returned { stage: 1, value: value("B") }, &[]),
        ],
    );
    check(
        "cancelling drops everything",
        &three,
        vec![
            (Begin, &["call 0 (-)", "call 1 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "call 2 (A)"]),
            (
                Stop { state: RunState::Cancelled, failure: None },
                &["cancel all", "ended 1 cancelled", "ended 2 cancelled", "end cancelled"],
            ),
            (Stop { state: RunState::Interrupted, failure: None }, &[]),
        ],
    );
    check(
        "a failure from outside ends stages as cancelled",
        &three,
        vec![
            (Begin, &["call 0 (-)", "call 1 (-)"]),
            (
                Stop { state: RunState::Failed, failure: Some(Failure::noticed(FailureKind::Exhausted, "full")) },
                &[
                    "cancel all",
                    "ended 0 cancelled",
                    "ended 1 cancelled",
                    "ended 2 cancelled",
                    "end failed WorkflowExecutionError",
                ],
            ),
        ],
    );
    check(
        "a run is not over before its result is said",
        &json!([{ "name": "a", "target": "t" }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "encode 0 A"]),
            (Stop { state: RunState::Cancelled, failure: None }, &["cancel all", "end cancelled"]),
            (Encoded, &[]),
        ],
    );
    check(
        "its own result is missing when a stage depends on itself",
        &json!([{ "name": "a", "target": "t" }, { "name": "b", "target": "t", "depends_on": ["a", "b"] }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (
                Returned { stage: 0, value: value("A") },
                &["ended 0 finished", "started 1", "cancel 1", "ended 1 failed", "let go", "end failed KeyError"],
            ),
        ],
    );
    check(
        "nothing to run over",
        &json!([{ "name": "a", "target": "t", "type": "parameterized" }]),
        vec![(Begin, &["started 0", "cancel 0", "ended 0 failed", "let go", "end failed IndexError"])],
    );
}

#[test]
fn values_are_dropped_as_soon_as_nobody_needs_them() {
    let block = Arc::new(());
    let mut machine = machine(&json!([
        { "name": "a", "target": "t" },
        { "name": "b", "target": "t", "depends_on": ["a"] },
        { "name": "c", "target": "t", "depends_on": ["a", "b"] },
        { "name": "unwanted", "target": "t" },
    ]));
    machine.step(Event::Begin);
    let large = Value::Object(pegboard_model::ObjectHandle::new(Arc::clone(&block), 1 << 30));
    let call = machine.step(Event::Returned { stage: 0, value: large.clone() });
    drop(large);
    drop(call);
    assert_eq!(Arc::strong_count(&block), 2, "the value still has a stage to go to");
    let call = machine.step(Event::Returned { stage: 1, value: value("B") });
    assert_eq!(Arc::strong_count(&block), 2, "only the call holds it");
    drop(call);
    assert_eq!(Arc::strong_count(&block), 1);
    let unwanted = Value::Object(pegboard_model::ObjectHandle::new(Arc::clone(&block), 1));
    machine.step(Event::Returned { stage: 3, value: unwanted });
    assert_eq!(Arc::strong_count(&block), 1, "nobody asked for this one");
}

#[test]
fn a_failed_or_cancelled_run_holds_no_values() {
    for event in
        [Event::Stop { state: RunState::Cancelled, failure: None }, Event::Failed { stage: 1, batch: None, failure: raised("X") }]
    {
        let block = Arc::new(());
        let mut machine = machine(&json!([
            { "name": "a", "target": "t" },
            { "name": "b", "target": "t" },
            { "name": "c", "target": "t", "depends_on": ["a", "b"] },
        ]));
        machine.step(Event::Begin);
        machine
            .step(Event::Returned { stage: 0, value: Value::Object(pegboard_model::ObjectHandle::new(Arc::clone(&block), 1)) });
        machine.step(event);
        assert_eq!(Arc::strong_count(&block), 1);
    }
}

/// A small generator: tests need the same dice at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % most.max(1)
    }
}

fn random_stages(dice: &mut Dice) -> Vec<Stage> {
    let count = 1 + dice.below(30);
    let mut stages: Vec<Stage> = (0..count)
        .map(|index| {
            let depends_on: Vec<String> = (0..dice.below(4).min(index)).map(|_| format!("s{}", dice.below(index))).collect();
            let parameterized = dice.below(3) == 0;
            let options = if depends_on.is_empty() || dice.below(2) == 0 { json!({ "map_on": "k" }) } else { json!({}) };
            serde_json::from_value(json!({
                "name": format!("s{index}"),
                "target": format!("t.s{index}"),
                "type": if parameterized { "parameterized" } else { "simple" },
                "depends_on": depends_on,
                "options": options,
            }))
            .unwrap()
        })
        .collect();
    for index in (1..count).rev() {
        stages.swap(index, dice.below(index + 1));
    }
    stages
}

/// The specification's own words: repeatedly take, in definition order, all stages whose dependencies are done.
fn last_of_last_group(stages: &[Stage]) -> usize {
    let mut done: Vec<&str> = Vec::new();
    let mut last = 0;
    while done.len() < stages.len() {
        let ready = |stage: &&Stage| {
            !done.contains(&stage.name.as_str()) && stage.depends_on.iter().all(|name| done.contains(&name.as_str()))
        };
        let group: Vec<&Stage> = stages.iter().filter(ready).collect();
        let name = group.last().unwrap().name.as_str();
        last = stages.iter().position(|stage| stage.name == name).unwrap();
        done.extend(group.into_iter().map(|stage| stage.name.as_str()));
    }
    last
}

#[test]
fn random_graphs_run_in_order_and_every_stage_once() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let stages = random_stages(&mut dice);
        let plan = plan(Graph::of(&WorkflowSpec { stages: stages.clone() })).unwrap();
        let slots = (0..plan.nodes.len()).map(|_| 1 + dice.below(4)).collect();
        let mut machine = Machine::new(Arc::new(plan), slots, || 0.5);
        let mut pending: Vec<Command> = Vec::new();
        let mut ended: HashMap<usize, usize> = HashMap::new();
        let mut result = None;
        let mut events = vec![Event::Begin];
        while let Some(event) = events.pop() {
            for command in machine.step(event) {
                match command {
                    Command::Call { stage, .. } => {
                        for name in &stages[stage].depends_on {
                            let producer = stages.iter().position(|other| other.name == *name).unwrap();
                            assert!(ended.contains_key(&producer), "seed {seed}: {stage} was called before {producer} was over");
                        }
                        pending.push(command);
                    }
                    Command::StageEnded { stage, state, .. } => {
                        assert_eq!(state, RunState::Finished);
                        *ended.entry(stage).or_default() += 1;
                    }
                    Command::Encode { stage, .. } => {
                        result = Some(stage);
                        events.push(Event::Encoded);
                    }
                    Command::End { state, .. } => assert_eq!(state, RunState::Finished),
                    _ => {}
                }
            }
            if events.is_empty() && !pending.is_empty() {
                let Command::Call { stage, batch, operation } = pending.swap_remove(dice.below(pending.len())) else { panic!() };
                match operation {
                    Operation::Stage { arguments, .. } => {
                        let expected: Option<Vec<String>> =
                            (!stages[stage].depends_on.is_empty()).then(|| stages[stage].depends_on.clone());
                        let simple = |argument: &Argument| text(argument);
                        let given: Option<Vec<String>> =
                            arguments.as_ref().map(|arguments| arguments.iter().map(simple).collect());
                        let lengths = (given.as_ref().map(Vec::len), expected.as_ref().map(Vec::len));
                        assert_eq!(lengths.0, lengths.1, "seed {seed}");
                        for (given, expected) in given.iter().flatten().zip(expected.iter().flatten()) {
                            assert!(given == expected || given.starts_with('['), "seed {seed}: {given} is not {expected}");
                        }
                        events.push(Event::Returned { stage, value: value(&stages[stage].name) });
                    }
                    Operation::Expand { .. } => events.push(Event::Expanded { stage, items: values(dice.below(40)) }),
                    Operation::Items { first, items, .. } => {
                        let batch = batch.unwrap();
                        // Popped last in, first out: the outcomes come before the end of the batch.
                        events.push(Event::BatchEnded { stage, batch, busy: Duration::from_millis(dice.below(20) as u64) });
                        let outcomes = items.into_iter().map(ItemOutcome::Value).collect();
                        events.push(Event::Items { stage, batch, first, outcomes });
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(pending.is_empty(), "seed {seed}");
        assert!((0..stages.len()).all(|stage| ended.get(&stage) == Some(&1)), "seed {seed}: {ended:?}");
        assert_eq!(result, Some(last_of_last_group(&stages)), "seed {seed}");
        assert!(machine.stages.iter().all(|stage| stage.value.is_none()), "seed {seed}: a value was kept");
    }
}

mod asked;
