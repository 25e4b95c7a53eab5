//! What stages ask beyond the dialect, with a real store and a scripted plugin.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use pegboard_flow::{Flow, FlowOptions, Resources};
use pegboard_model::{FailureKind, ItemOutcome, PluginRunner, RunCause, RunState};
use serde_json::{Value as Json, json};

use crate::fake::{FakeRunner, failed, finished, ok, pickle, raised, started};
use crate::world::{World, mapped, object, options, simple, stage, within, workflow_document, world};

#[tokio::test]
async fn a_stage_is_tried_again_until_it_returns() {
    let attempts = AtomicUsize::new(0);
    let runner = FakeRunner::new().script("fake.a", move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => failed(raised("ValueError", "not yet")),
        _ => ok(json!("done")),
    });
    let world = world(runner).await;
    let run = world.run(&[stage("a", &[], json!({ "retries": { "count": 3, "delay": 0.01, "factor": 1 } }))], json!({})).await;
    assert_eq!((run.state, &run.result), (RunState::Finished, &json!("done")));
    let log = world.log(run.uid).await;
    let expected = ["attempt 2 of 4 in 0.0 s: ValueError: not yet", "attempt 3 of 4 in 0.0 s: ValueError: not yet"];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn items_are_tried_again_and_keep_their_order() {
    let seen = Mutex::new(std::collections::HashMap::<u64, u32>::new());
    let runner = FakeRunner::new().item("fake.each", move |_, item| {
        let number = item.as_u64().unwrap();
        let mut seen = seen.lock().unwrap();
        let attempt = seen.entry(number).or_default();
        *attempt += 1;
        if number % 10 == 3 && *attempt < 3 || number == 50 {
            return ItemOutcome::Failure(raised("ValueError", "no"));
        }
        ItemOutcome::Value(pickle(&item))
    });
    let world = world(runner).await;
    let asks = json!({ "map_on": "k", "retries": { "count": 2, "delay": 0.01 } });
    let numbers: Vec<u64> = (0..200).collect();
    let run = world.run(&[mapped("each", &[], asks)], json!({ "k": numbers })).await;
    let expected: Vec<u64> = numbers.into_iter().filter(|number| *number != 50).collect();
    assert_eq!((run.state, &run.result), (RunState::Finished, &json!(expected)));
    let counts = run.stages[0].items.unwrap();
    assert_eq!((counts.total, counts.done, counts.failed), (200, 199, 1));
}

#[tokio::test]
async fn a_cancelled_run_tries_nothing_again() {
    let world = world(FakeRunner::new().raises("fake.a", "ValueError", "no")).await;
    let uid =
        world.start(&[stage("a", &[], json!({ "retries": { "count": 9, "delay": 3600, "longest": 3600 } }))], json!({})).await;
    within(async {
        while world.log(uid).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let run = within(world.flow.cancel(uid)).await.unwrap();
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(world.runner.calls(), ["fake.a"]);
}

/// Counts how many calls are on at the same time.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Crowd {
    fn script(&self, runner: FakeRunner, target: &str) -> FakeRunner {
        let crowd = self.clone();
        runner.script(target, move |_| {
            let crowd = crowd.clone();
            let call = async move {
                let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
                crowd.most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                crowd.now.fetch_sub(1, Ordering::SeqCst);
                finished(&json!(1))
            };
            started().chain(stream::once(call)).boxed()
        })
    }
}

async fn limited(world: &World, resources: &[(&str, f64)]) -> Flow {
    let configured = resources.iter().map(|(label, amount)| ((*label).to_owned(), *amount)).collect();
    let options = FlowOptions { resources: Resources { configured, ..Resources::default() }, ..options() };
    Flow::start(options, world.store.clone(), Arc::clone(&world.runner) as Arc<dyn PluginRunner>).await.unwrap()
}

#[tokio::test]
async fn a_stage_limits_itself_over_all_runs() {
    let crowd = Crowd::default();
    let world = world(crowd.script(FakeRunner::new(), "fake.a")).await;
    let workflow = world.workflow(&[stage("a", &[], json!({ "concurrency": 2 }))]).await;
    let runs = (0..6).map(|_| async {
        let uid = world.flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid;
        within(world.flow.wait(uid)).await.unwrap().state
    });
    assert_eq!(futures::future::join_all(runs).await, [RunState::Finished; 6]);
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn stages_that_need_the_whole_machine_run_one_after_the_other() {
    let crowd = Crowd::default();
    let runner =
        ["fake.a", "fake.b", "fake.c"].into_iter().fold(FakeRunner::new(), |runner, target| crowd.script(runner, target));
    let world = world(runner).await;
    let flow = limited(&world, &[("cpus", 2.0), ("memory", 1e9)]).await;
    let needs = json!({ "resources": { "cpus": 2, "memory": "0.5 GB" } });
    let stages = [stage("a", &[], needs.clone()), stage("b", &[], needs.clone()), stage("c", &[], needs)];
    let workflow = world.workflow(&stages).await;
    let uid = flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid;
    assert_eq!(within(flow.wait(uid)).await.unwrap().state, RunState::Finished);
    assert_eq!(crowd.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn requests_beyond_the_limits_or_unreadable_fail_before_anything_runs() {
    let world = world(FakeRunner::new().returns("fake.first", |_| json!(1))).await;
    let flow = limited(&world, &[("cpus", 2.0)]).await;
    let cases = [
        (
            json!({ "cpus": 64 }),
            "WorkflowExecutionError",
            "Insufficient resources to run stage `a`. Required 64.0 CPU but only 2.0 available.",
        ),
        (json!({ "memory": "1 foos" }), "ValidationError", "Could not interpret 'foos' as a byte unit"),
    ];
    for (resources, class, message) in cases {
        let workflow = world.workflow(&[simple("first", &[]), stage("a", &["first"], json!({ "resources": resources }))]).await;
        let uid = flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid;
        let failure = within(flow.wait(uid)).await.unwrap().failure.unwrap();
        assert_eq!((failure.class.as_str(), failure.message.as_str()), (class, message));
    }
    assert!(world.runner.calls().is_empty());
}

#[tokio::test]
async fn waiting_calls_go_by_priority() {
    let names = ["s0", "s1", "s2", "s3", "low", "middle", "high", "later"];
    let runner =
        names.into_iter().fold(FakeRunner::new(), |runner, name| Crowd::default().script(runner, &format!("fake.{name}")));
    let world = world(runner).await;
    let priority = |name: &str| json!({ "low": -1, "middle": 1, "high": 9 })[name].clone();
    let stages: Vec<Json> = names.into_iter().map(|name| stage(name, &[], json!({ "priority": priority(name) }))).collect();
    assert_eq!(world.run(&stages, json!({})).await.state, RunState::Finished);
    let calls = world.runner.calls();
    assert_eq!(calls[4..8], ["fake.high", "fake.middle", "fake.later", "fake.low"], "after those that there was room for");
}

#[tokio::test]
async fn a_result_is_taken_from_an_earlier_run_with_the_same_inputs() {
    let runner = FakeRunner::new()
        .returns("fake.a", |_| json!("A"))
        .item("fake.each", |_, item| ItemOutcome::Value(pickle(&json!([item]))));
    let world = world(runner).await;
    let stages = [stage("a", &[], json!({ "cache": true })), mapped("each", &["a"], json!({ "map_on": "k", "cache": true }))];
    let first = world.run(&stages, json!({ "k": [1, 2] })).await;
    assert!(first.stages.iter().all(|stage| !stage.cached));
    world.kept(2).await;
    let called = world.runner.calls().len();
    let second = world.run(&stages, json!({ "k": [1, 2] })).await;
    assert_eq!(second.result, first.result);
    assert!(second.stages.iter().all(|stage| stage.cached && stage.state == RunState::Finished), "{:?}", second.stages);
    assert_eq!(world.runner.calls()[called..], ["encode"]);
    assert!(world.log(second.uid).await.iter().all(|line| line.contains("earlier call with the same inputs")));
    let other = world.run(&stages, json!({ "k": [1, 3] })).await;
    assert!(other.stages.iter().all(|stage| !stage.cached));
    *world.runner.version.lock().unwrap() = "2".to_owned();
    let changed = world.run(&stages, json!({ "k": [1, 2] })).await;
    assert!(changed.stages.iter().all(|stage| !stage.cached), "the source is another one");
}

impl World {
    /// Waits until so many results are kept: a run does not wait for that.
    async fn kept(&self, count: usize) {
        within(async {
            while self.store.object_keys("cache-used/").await.unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_interrupted_run_is_resumed_with_what_was_kept() {
    let is_back = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let runner = FakeRunner::new().returns("fake.a", |_| json!("A")).script("fake.b", move |arguments| {
        if back.load(Ordering::SeqCst) { ok(json!(arguments)) } else { started().chain(stream::pending()).boxed() }
    });
    let world = world(runner).await;
    let document = json!({
        "kind": "workflow",
        "metadata": { "name": "w", "annotations": { "pegboard/resume": "true" } },
        "spec": { "stages": [stage("a", &[], json!({ "cache": true })), simple("b", &["a"])] },
    });
    let (workflow, _) = world.flow.apply(workflow_document(&document.to_string())).await.unwrap();
    let uid = world.flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid;
    let refused = world.flow.resume(uid).await.unwrap_err();
    assert_eq!(refused.code, "run-not-resumable");
    world.kept(1).await;
    within(async {
        while !world.runner.calls().contains(&"fake.b".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // As if the server had been killed: the run is still under way in the store when the next one starts.
    is_back.store(true, Ordering::SeqCst);
    let runner = Arc::clone(&world.runner) as Arc<dyn PluginRunner>;
    let flow = Flow::start(options(), world.store.clone(), runner).await.unwrap();
    let by_itself = within(async {
        loop {
            let runs = world.store.runs(&pegboard_store::RunFilter::default()).await.unwrap();
            if let Some(run) = runs.into_iter().find(|run| run.uid != uid) {
                break run;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let by_itself = within(flow.wait(by_itself.uid)).await.unwrap();
    let resumed = flow.resume(uid).await.unwrap();
    let resumed = within(flow.wait(resumed.uid)).await.unwrap();
    for run in [by_itself, resumed] {
        assert_eq!((run.state, &run.result), (RunState::Finished, &json!(["A"])));
        assert_eq!((run.stages[0].cached, run.stages[1].cached), (true, false));
    }
    assert_eq!(world.runner.calls().iter().filter(|call| *call == "fake.a").count(), 1);
    within(flow.shutdown()).await;
}

#[tokio::test]
async fn a_call_has_the_time_that_its_stage_says() {
    let late = pegboard_model::Failure::noticed(FailureKind::Deadline, "late");
    let world = world(FakeRunner::new().script("fake.a", move |_| failed(late.clone()))).await;
    let run = world.run(&[stage("a", &[], json!({ "timeout": 2.5 }))], json!({})).await;
    let failure = run.failure.unwrap();
    assert_eq!(
        (failure.class.as_str(), failure.message.as_str()),
        ("TimeoutError", "it took longer than its `timeout` of 2.5 s")
    );
    assert_eq!(world.runner.deadlines.lock().unwrap()[0], Some(Duration::from_millis(2_500)));
    assert!(world.flow.wait(run.uid).now_or_never().is_none_or(|run| run.is_ok()));
}
