//! What a run does when something breaks: a plugin, a worker, a definition, the store, the server.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use pegboard_flow::Flow;
use pegboard_model::{
    CallEvent, Failure, FailureKind, ItemOutcome, PluginName, PluginRunner, Run, RunCause, RunState, StageRun, Timestamp,
};
use pegboard_store::Change;
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use crate::fake::{FakeRunner, died, failed, finished, pickle, raised, said, started};
use crate::world::{World, mapped, object, open, options, simple, stage, within, workflow_document, world};

fn states(run: &Run) -> Vec<(&str, RunState)> {
    run.stages.iter().map(|stage| (stage.name.as_str(), stage.state)).collect()
}

#[tokio::test]
async fn a_stage_that_raises_ends_the_run() {
    let runner = FakeRunner::new().returns("fake.a", |_| json!(1)).raises("fake.b", "ValueError", "You goofed up");
    let world = world(runner).await;
    let run = world.run(&[simple("a", &[]), simple("b", &["a"]), simple("c", &["b"])], json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(states(&run), [("a", RunState::Finished), ("b", RunState::Failed), ("c", RunState::Cancelled)]);
    let failure = run.failure.unwrap();
    assert_eq!((failure.class.as_str(), failure.message.as_str()), ("ValueError", "You goofed up"));
    assert!(run.stages[1].failure.as_ref().unwrap().traceback.is_some());
    assert!(run.stages[2].started_at.is_none() && run.stages[2].finished_at.is_none());
    assert_eq!(run.result, Json::Null);
    assert_eq!(world.runner.calls(), ["fake.a", "fake.b"]);
    assert_eq!(world.log(run.uid).await, ["stage `b` failed: ValueError: You goofed up"]);
}

#[tokio::test]
async fn a_worker_that_dies_fails_only_its_run() {
    let runner = FakeRunner::new().script("fake.a", |_| failed(died())).returns("fake.b", |_| json!(1));
    let world = world(runner).await;
    let run = world.run(&[simple("a", &[])], json!({})).await;
    let failure = run.failure.unwrap();
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Died, "WorkflowExecutionError"));
    assert_eq!(world.run(&[simple("b", &[])], json!({})).await.state, RunState::Finished);
}

#[tokio::test]
async fn a_worker_that_dies_amid_items_names_them() {
    let runner = FakeRunner::new().returns("fake.make", |_| json!([1, 2, 3])).batch("fake.each", |_| failed(died()));
    let world = world(runner).await;
    let each = mapped("each", &["make"], json!({ "allow_partial_failure": false }));
    let run = world.run(&[simple("make", &[]), each], json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    let failure = run.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Died);
    assert_eq!(failure.hint.as_deref(), Some("item 0 was on"));
}

/// Runs 40 items of which those in `deadly` take their worker with them, which tells nothing of the batch that it was at.
async fn with_deadly(deadly: &'static [u64]) -> (Run, Vec<String>) {
    let runner = FakeRunner::new()
        .returns("fake.make", |_| json!((0..40).collect::<Vec<u64>>()))
        .deadly("fake.each", move |item| deadly.contains(&item));
    let world = world(runner).await;
    let run = world.run(&[simple("make", &[]), mapped("each", &["make"], json!({}))], json!({})).await;
    let log = world.log(run.uid).await;
    (run, log)
}

#[tokio::test]
async fn an_item_that_takes_its_worker_with_it_is_one_items_failure() {
    let (run, log) = with_deadly(&[23]).await;
    assert_eq!(run.state, RunState::Finished, "{:?}", run.failure);
    let expected: Vec<u64> = (0..40).filter(|item| *item != 23).collect();
    assert_eq!(run.result, json!(expected), "no other item is missing, and the order is kept");
    assert_eq!(run.stages[1].items.map(|items| (items.done, items.failed)), Some((39, 1)));
    assert!(log.iter().any(|line| line.contains("one by one")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("item 23") && line.contains("killed by signal 9")), "{log:?}");
}

#[tokio::test]
async fn items_that_all_take_their_workers_with_them_end_the_stage() {
    let (run, _) = with_deadly(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).await;
    assert_eq!((run.state, run.failure.unwrap().kind), (RunState::Failed, FailureKind::Died));
}

#[tokio::test]
async fn workers_that_break_the_protocol_fail_their_stage() {
    let silent = FakeRunner::new().script("fake.each", |_| started()).batch("fake.each", |_| started());
    let late = FakeRunner::new().batch("fake.each", |_| {
        let outcomes = vec![ItemOutcome::Value(pickle(&json!(1)))];
        started().chain(stream::iter([CallEvent::Items { first: 5, outcomes }])).boxed()
    });
    let short = FakeRunner::new().batch("fake.each", |_| {
        started().chain(stream::iter([CallEvent::Finished { values: Vec::new(), busy: Duration::ZERO }])).boxed()
    });
    for runner in [silent, late, short] {
        let world = world(runner).await;
        let run = world.run(&[mapped("each", &[], json!({ "map_on": "k" }))], json!({ "k": [1] })).await;
        assert_eq!((run.state, run.failure.unwrap().kind), (RunState::Failed, FailureKind::Protocol));
    }
    let empty = FakeRunner::new().script("fake.one", |_| {
        started().chain(stream::iter([CallEvent::Finished { values: Vec::new(), busy: Duration::ZERO }])).boxed()
    });
    let run = world(empty).await.run(&[simple("one", &[])], json!({})).await;
    assert_eq!(run.failure.unwrap().kind, FailureKind::Protocol);
}

#[tokio::test]
async fn cancelling_ends_what_hangs() {
    let runner = FakeRunner::new().returns("fake.a", |_| json!(1)).hangs("fake.b");
    let world = world(runner).await;
    let uid = world.start(&[simple("a", &[]), simple("b", &["a"]), simple("c", &["b"])], json!({})).await;
    until(|| world.runner.calls().contains(&"fake.b".to_owned())).await;
    let run = within(world.flow.cancel(uid)).await.unwrap();
    assert_eq!((run.state, &run.failure), (RunState::Cancelled, &None));
    assert_eq!(states(&run), [("a", RunState::Finished), ("b", RunState::Cancelled), ("c", RunState::Cancelled)]);
    assert_eq!(world.store.run(uid).await.unwrap().unwrap(), run);
    until(|| world.runner.dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn what_was_under_way_goes_on_unobserved_after_a_failure() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let runner = FakeRunner::new().raises("fake.bad", "ValueError", "no").script("fake.slow", move |_| {
        let gate = Arc::clone(&opened);
        let rest = stream::once(async move { gate.notified().await })
            .flat_map(|()| stream::iter([said("still here"), finished(&json!(1))]));
        started().chain(rest).boxed()
    });
    let world = world(runner).await;
    let run = world.run(&[simple("slow", &[]), simple("bad", &[])], json!({})).await;
    assert_eq!(states(&run), [("slow", RunState::Cancelled), ("bad", RunState::Failed)]);
    assert_eq!(world.runner.dropped.load(Ordering::SeqCst), 0, "a stage that was under way was cut short");
    gate.notify_one();
    within(async {
        while !world.log(run.uid).await.contains(&"still here".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(world.runner.dropped.load(Ordering::SeqCst), 0);
    assert_eq!(world.store.run(run.uid).await.unwrap().unwrap(), run);
}

#[tokio::test]
async fn what_was_let_go_can_still_be_cancelled() {
    let runner = FakeRunner::new().raises("fake.bad", "ValueError", "no").hangs("fake.slow");
    let world = world(runner).await;
    let run = world.run(&[simple("slow", &[]), simple("bad", &[])], json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(within(world.flow.cancel(run.uid)).await.unwrap(), run);
    until(|| world.runner.dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn calls_that_no_worker_took_are_dropped_after_a_failure() {
    let runner = FakeRunner::new()
        .script("fake.queued", |_| stream::pending().boxed())
        .script("fake.bad", |_| failed(raised("ValueError", "no")));
    let world = world(runner).await;
    let run = world.run(&[simple("queued", &[]), simple("bad", &[])], json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    until(|| world.runner.dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn shutting_down_interrupts_and_records() {
    let world = world(FakeRunner::new().hangs("fake.a")).await;
    let workflow = world.workflow(&[simple("a", &[])]).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(world.flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid);
    }
    within(world.flow.shutdown()).await;
    for uid in runs {
        let run = world.store.run(uid).await.unwrap().unwrap();
        assert_eq!((run.state, run.stages[0].state), (RunState::Interrupted, RunState::Interrupted));
        assert_eq!(within(world.flow.wait(uid)).await.unwrap(), run);
    }
    let refused = world.flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap_err();
    assert_eq!(refused.code, "server-stopping");
}

#[tokio::test]
async fn starting_ends_what_an_earlier_server_left() {
    let World { flow, store, directory, runner } = world(FakeRunner::new().hangs("fake.a")).await;
    let left = Run {
        uid: pegboard_model::RunId::random(),
        name: "left-over-00000000".to_owned(),
        workflow: "w".to_owned(),
        namespace: "default".to_owned(),
        source: RunCause::Api,
        state: RunState::Running,
        input: object(json!({})),
        created_at: Timestamp(1),
        started_at: Some(Timestamp(2)),
        finished_at: None,
        stages: vec![StageRun {
            name: "a".to_owned(),
            target: "fake.a".to_owned(),
            state: RunState::Running,
            started_at: Some(Timestamp(2)),
            finished_at: None,
            items: None,
            failure: None,
            cached: false,
            depends_on: Vec::new(),
            plugin: None,
        }],
        result: Json::Null,
        result_object: None,
        configs: Vec::new(),
        failure: None,
    };
    store.apply(vec![Change::RunCreated(left.clone())]).await.unwrap();
    flow.shutdown().await;
    store.close().await;
    let store = open(&directory).await;
    let flow = Flow::start(options(), store, runner as Arc<dyn PluginRunner>).await.unwrap();
    let run = within(flow.wait(left.uid)).await.unwrap();
    assert_eq!((run.state, run.stages[0].state), (RunState::Interrupted, RunState::Interrupted));
}

#[tokio::test]
async fn graphs_that_cannot_work_fail_before_anything_starts() {
    let world = world(FakeRunner::new().returns("fake.root", |_| json!(1))).await;
    let circle = [simple("root", &[]), simple("a", &["c", "root"]), simple("b", &["a"]), simple("c", &["b"])];
    let unknown = [simple("root", &[]), simple("prepare", &[]), simple("train", &["prepaer"])];
    let cases = [
        (&circle[..], "{'a', 'b', 'c'}", "stages depend on each other in a circle: `a` → `b` → `c` → `a`"),
        (&unknown[..], "{'train'}", "stage `train` depends on `prepaer`, which does not exist; did you mean `prepare`?"),
    ];
    for (stages, names, hint) in cases {
        let run = world.run(stages, json!({})).await;
        assert_eq!(run.state, RunState::Failed);
        let failure = run.failure.clone().unwrap();
        assert_eq!(failure.class, "AssertionError");
        assert_eq!(failure.message, format!("Problematic stage dependency. Check your workflow defintion at stage: {names}"));
        assert_eq!(failure.hint.as_deref(), Some(hint));
        assert!(run.stages.iter().all(|stage| stage.state == RunState::Cancelled && stage.started_at.is_none()));
        assert!(world.log(run.uid).await[0].ends_with(hint));
    }
    assert!(world.runner.calls().is_empty());
}

#[tokio::test]
async fn impossible_stages_fail_as_the_dialect_says() {
    let world = world(FakeRunner::new().returns("fake.a", |_| json!(1))).await;
    let cases = [
        (simple("a", &["a"]), "KeyError", "'a'"),
        (mapped("a", &[], json!({})), "IndexError", "pop from empty list"),
        (
            stage("a", &[], json!({ "options": { "target": 5 } })),
            "ValidationError",
            "option `target` of stage `a` is `5`, not text",
        ),
    ];
    for (stage, class, message) in cases {
        let failure = world.run(&[stage], json!({})).await.failure.unwrap();
        assert_eq!((failure.class.as_str(), failure.message.as_str()), (class, message));
    }
}

#[tokio::test]
async fn a_store_that_stops_taking_changes_fails_the_run_and_nothing_else() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let runner = FakeRunner::new().hangs("fake.b").script("fake.a", move |_| {
        let gate = Arc::clone(&opened);
        started().chain(stream::once(async move { gate.notified().await }).map(|()| finished(&json!(1)))).boxed()
    });
    let world = world(runner).await;
    let uid = world.start(&[simple("a", &[]), simple("b", &["a"])], json!({})).await;
    until(|| world.runner.calls().len() == 1).await;
    world.store.close().await;
    gate.notify_one();
    let run = within(world.flow.wait(uid)).await.unwrap();
    assert_eq!(run.state, RunState::Failed);
    let failure = run.failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    assert!(failure.message.starts_with("the run could not be recorded: store unavailable"), "{}", failure.message);
    until(|| world.runner.dropped.load(Ordering::SeqCst) == 1).await;
    // The flow still answers: for this run from memory, for new ones with the store's refusal.
    assert_eq!(world.flow.run_find(&uid.to_string()).await.unwrap(), run);
    let workflow = pegboard_model::Workflow {
        kind: "workflow".to_owned(),
        metadata: pegboard_model::Metadata {
            uid: uuid::Uuid::new_v4(),
            name: "w".parse().unwrap(),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            annotations: std::collections::BTreeMap::new(),
        },
        spec: workflow_document("metadata: {name: w}\nspec: {stages: [{name: a, target: fake.a}]}").spec,
    };
    let refused = within(world.flow.run(&workflow, object(json!({})), None, RunCause::Api)).await.unwrap_err();
    assert_eq!(refused.code, "store-unavailable");
    within(world.flow.shutdown()).await;
}

#[tokio::test]
async fn a_run_whose_record_is_removed_goes_on_and_writes_nothing() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let runner = FakeRunner::new().returns("fake.b", |_| json!(2)).script("fake.a", move |_| {
        let gate = Arc::clone(&opened);
        started().chain(stream::once(async move { gate.notified().await }).map(|()| finished(&json!(1)))).boxed()
    });
    let world = world(runner).await;
    let uid = world.start(&[simple("a", &[]), simple("b", &["a"])], json!({})).await;
    until(|| world.runner.calls().len() == 1).await;
    assert!(world.store.delete_run(uid).await.unwrap());
    let waiting = tokio::spawn({
        let flow = world.flow.clone();
        async move { flow.wait(uid).await }
    });
    tokio::task::yield_now().await;
    gate.notify_one();
    let run = within(waiting).await.unwrap().unwrap();
    assert_eq!((run.state, run.result), (RunState::Finished, json!(2)));
    assert_eq!(world.store.run(uid).await.unwrap(), None);
    assert_eq!(world.flow.run_find(&uid.to_string()).await.unwrap_err().code, "run-not-found");
}

#[tokio::test]
async fn a_fault_of_ours_leaves_no_run_waiting() {
    struct Panicking(Mutex<u32>);
    impl PluginRunner for Panicking {
        fn call(&self, _call: pegboard_model::Call) -> futures::stream::BoxStream<'static, CallEvent> {
            *self.0.lock().unwrap() += 1;
            panic!("on purpose");
        }
        fn slots(&self, _plugin: &PluginName) -> usize {
            1
        }
        fn owner(&self, _target: &str) -> PluginName {
            PluginName::base()
        }
    }
    let world = world(FakeRunner::new()).await;
    let flow = Flow::start(options(), world.store.clone(), Arc::new(Panicking(Mutex::default()))).await.unwrap();
    let workflow = world.workflow(&[simple("a", &[])]).await;
    let uid = flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap().uid;
    let run = within(flow.wait(uid)).await.unwrap();
    assert_eq!((run.state, run.stages[0].state), (RunState::Failed, RunState::Interrupted));
    assert!(run.failure.unwrap().hint.unwrap().contains("report"));
    within(flow.shutdown()).await;
}

#[tokio::test]
async fn endless_messages_are_cut() {
    let failure = Failure::noticed(FailureKind::Raised, "ä".repeat(100_000)).traceback("ö".repeat(100_000));
    let world = world(FakeRunner::new().script("fake.a", move |_| failed(failure.clone()))).await;
    let run = world.run(&[simple("a", &[])], json!({})).await;
    let failure = run.failure.unwrap();
    assert!(failure.message.len() < 70_000 && failure.message.ends_with('…'));
    let traceback = failure.traceback.unwrap();
    assert!(traceback.len() < 70_000 && traceback.starts_with('…') && traceback.ends_with('ö'));
    assert!(world.log(run.uid).await[0].len() < 20_000);
}

async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
