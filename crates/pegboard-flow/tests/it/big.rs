//! Ten thousand stages, a million items, and what our own part of a stage costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use pegboard_flow::Flow;
use pegboard_model::{Argument, Call, CallEvent, ItemOutcome, Operation, PluginName, PluginRunner, RunCause, RunState, Value};
use serde_json::{Value as Json, json};

use crate::fake::FakeRunner;
use crate::world::{World, mapped, object, options, simple, within, workflow_document, world};

/// Answers everything at once and looks at nothing.
struct Instantly {
    items: usize,
}

impl PluginRunner for Instantly {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let value = || Value::Inline(Bytes::from_static(b"1"));
        let busy = Duration::from_micros(1);
        let mut events = vec![CallEvent::Started { process_id: None }];
        let values = match call.operation {
            Operation::Expand { .. } => vec![value(); self.items],
            Operation::Items { first, items, .. } => {
                events.push(CallEvent::Items { first, outcomes: items.into_iter().map(ItemOutcome::Value).collect() });
                Vec::new()
            }
            Operation::Encode { argument: Argument::List(values) } => vec![Value::Inline(Bytes::from(values.len().to_string()))],
            _ => vec![value()],
        };
        events.push(CallEvent::Finished { values, busy });
        stream::iter(events).boxed()
    }

    fn slots(&self, _plugin: &PluginName) -> usize {
        2
    }

    fn owner(&self, _target: &str) -> PluginName {
        PluginName::base()
    }
}

async fn instantly(items: usize) -> (Flow, World) {
    let world = world(FakeRunner::new()).await;
    let flow = Flow::start(options(), world.store.clone(), Arc::new(Instantly { items })).await.unwrap();
    (flow, world)
}

async fn timed(flow: &Flow, world: &World, stages: &[Json]) -> (pegboard_model::Run, Duration) {
    let workflow = world.workflow(stages).await;
    let begin = Instant::now();
    let uid = flow.run(&workflow, object(json!({})), None, RunCause::Manual).await.unwrap().uid;
    let run = within(flow.wait(uid)).await.unwrap();
    (run, begin.elapsed())
}

/// Most memory that this process ever had, in MiB.
fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes / 1024)
}

#[tokio::test]
async fn ten_thousand_stages_run_as_chain_and_as_fan() {
    let (flow, world) = instantly(0).await;
    let name = |index: usize| format!("s{index}");
    let link = |index: usize| match index {
        0 => simple(&name(0), &[]),
        _ => simple(&name(index), &[&name(index - 1)]),
    };
    let chain: Vec<Json> = (0..10_000).map(link).collect();
    let names: Vec<String> = (0..9_998).map(name).collect();
    let mut fan: Vec<Json> = names.iter().map(|name| simple(name, &["root"])).collect();
    fan.insert(0, simple("root", &[]));
    fan.push(simple("end", &names.iter().map(String::as_str).collect::<Vec<_>>()));
    for (shape, stages) in [("chain", chain), ("fan", fan)] {
        let (run, elapsed) = timed(&flow, &world, &stages).await;
        assert_eq!((run.state, run.stages.len(), &run.result), (RunState::Finished, 10_000, &json!(1)));
        assert!(run.stages.iter().all(|stage| stage.state == RunState::Finished));
        println!("{shape} of 10,000 stages: {elapsed:?}, {:?} per stage", elapsed / 10_000);
        assert!(elapsed < Duration::from_secs(30), "{shape}: {elapsed:?}");
    }
}

#[test]
fn a_thousand_stages_are_read_in_a_moment() {
    let mut text = String::from("metadata: {name: large}\nspec:\n  stages:\n");
    for index in 0..1_000 {
        let previous = index.max(1) - 1;
        text.push_str(&format!(
            "  - name: s{index}\n    type: simple\n    target: plugin.module.function_{index}\n    description: ''\n    version: ''\n"
        ));
        text.push_str(&format!(
            "    depends_on: [s{previous}]\n    options: {{}}\n    resources: {{cpus: 1}}\n    priority: null\n"
        ));
    }
    let begin = Instant::now();
    let document = workflow_document(&text);
    println!("{} bytes of YAML with 1,000 stages: {:?}", text.len(), begin.elapsed());
    assert_eq!(document.spec.stages.len(), 1_000);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_million_items_take_seconds() {
    const ITEMS: usize = 1_000_000;
    let (flow, world) = instantly(ITEMS).await;
    let stages = [mapped("each", &[], json!({ "map_on": "k" })), mapped("again", &["each"], json!({}))];
    let (run, elapsed) = timed(&flow, &world, &stages).await;
    assert_eq!((run.state, &run.result), (RunState::Finished, &json!(ITEMS)));
    for stage in &run.stages {
        let counts = stage.items.unwrap();
        assert_eq!((counts.total, counts.done, counts.failed), (ITEMS as u64, ITEMS as u64, 0));
    }
    let rate = 2.0 * ITEMS as f64 / elapsed.as_secs_f64();
    println!("2 × 1,000,000 items: {elapsed:?}, {rate:.0} items/s, peak memory {:?} MiB", peak_mebibytes());
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_a_hundred_stages_costs_little_beside_its_plugins() {
    let (flow, world) = instantly(0).await;
    let stages: Vec<Json> = (0..100)
        .map(|index| match index {
            0 => simple("s0", &[]),
            _ => simple(&format!("s{index}"), &[&format!("s{}", index - 1)]),
        })
        .collect();
    let mut times = Vec::new();
    for _ in 0..9 {
        let (run, elapsed) = timed(&flow, &world, &stages).await;
        assert_eq!(run.state, RunState::Finished);
        times.push(elapsed);
    }
    times.sort_unstable();
    println!(
        "chain of 100 stages: median {:?} ({:?} per stage), best {:?}, worst {:?}",
        times[4],
        times[4] / 100,
        times[0],
        times[8]
    );
    assert!(times[4] < Duration::from_millis(500), "{times:?}");
}

#[tokio::test]
async fn many_runs_share_commits() {
    let (flow, world) = instantly(0).await;
    let workflow = world.workflow(&[simple("a", &[]), simple("b", &["a"])]).await;
    let begin = Instant::now();
    let runs = (0..200).map(|_| {
        let (flow, workflow) = (flow.clone(), workflow.clone());
        async move {
            let uid = flow.run(&workflow, object(json!({})), None, RunCause::Manual).await.unwrap().uid;
            flow.wait(uid).await.unwrap().state
        }
    });
    let states = within(futures::future::join_all(runs)).await;
    assert!(states.iter().all(|state| *state == RunState::Finished));
    println!("200 runs of 2 stages at once: {:?}", begin.elapsed());
}
