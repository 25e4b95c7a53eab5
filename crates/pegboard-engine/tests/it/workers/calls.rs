//! Calls that go well, and calls whose code fails.

use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Argument, CallEvent, FailureKind, ItemOutcome, LogLevel, LogStream, Operation, Value, WorkerState};
use serde_json::json;

use super::world::{World, as_json, run, stage, stage_of};

#[tokio::test(flavor = "multi_thread")]
async fn stages_take_the_input_or_what_others_made() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.double"), json!({"x": "ab"})).await;
    assert_eq!(told.json(&mut worker).await, json!("abab"));
    let four = run(&mut worker, stage("misbehaving.calls.double"), json!({"x": 2})).await.value();
    let list = Argument::List(Arc::new(vec![four.clone(), four.clone(), four]));
    let sum = Operation::Stage { target: "misbehaving.calls.total".to_owned(), arguments: Some(vec![list]) };
    let told = run(&mut worker, sum, json!({})).await;
    assert_eq!(told.json(&mut worker).await, json!(12));
    let status = worker.status();
    assert_eq!((status.state, status.call, status.calls), (WorkerState::Idle, None, 5));
    let process = status.process_id.unwrap();
    worker.stop().await;
    world.nothing_left_of(process).await;
    for state in [WorkerState::Starting, WorkerState::Idle, WorkerState::Busy, WorkerState::Draining, WorkerState::Dead] {
        assert!(world.saw(state), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_out_is_taken_apart_and_each_item_ends_for_itself() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let expand = Operation::Expand { map_on: Some("xs".to_owned()), arguments: None };
    let items = run(&mut worker, expand, json!({"xs": (0..5000).collect::<Vec<_>>()})).await.values();
    assert_eq!(items.len(), 5000);
    let batch = |stop_on_failure| Operation::Items {
        target: "misbehaving.calls.half_of".to_owned(),
        map_on: Some("x".to_owned()),
        arguments: None,
        first: 100,
        items: items[100..110].to_vec(),
        stop_on_failure,
    };
    let told = run(&mut worker, batch(false), json!({"x": []})).await;
    assert!(told.values().is_empty());
    let firsts: Vec<u64> = told
        .events
        .iter()
        .filter_map(|event| if let CallEvent::Items { first, .. } = event { Some(*first) } else { None })
        .collect();
    assert_eq!(firsts[0], 100);
    for (index, outcome) in told.outcomes().iter().enumerate() {
        match outcome {
            ItemOutcome::Value(value) => assert_eq!(as_json(&mut worker, value).await, json!(50 + index / 2)),
            ItemOutcome::Failure(failure) => {
                assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Raised, "ValueError"));
                assert_eq!(failure.message, format!("{} is odd", 100 + index));
            }
        }
    }
    assert_eq!(told.outcomes().len(), 10);
    let told = run(&mut worker, batch(true), json!({"x": []})).await;
    assert_eq!(told.outcomes().len(), 2, "it stops at the first failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_during_a_call_is_told_before_its_end() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.say"), json!({"text": "good\nday"})).await;
    let mut lines: Vec<(LogStream, String)> = told.lines().into_iter().map(|line| (line.stream, line.text)).collect();
    lines.sort_by_key(|(stream, _)| *stream == LogStream::Stderr);
    let expected =
        [(LogStream::Stdout, "good"), (LogStream::Stdout, "day"), (LogStream::Stderr, "GOOD"), (LogStream::Stderr, "DAY")];
    assert_eq!(lines, expected.map(|(stream, text)| (stream, text.to_owned())));
    assert!(told.lines().iter().all(|line| line.stage.as_deref() == Some("the-stage")));
    let told = run(&mut worker, stage("misbehaving.calls.report"), json!({})).await;
    assert!(
        told.lines()
            .iter()
            .any(|line| { (line.stream, line.level, line.text.as_str()) == (LogStream::Logger, LogLevel::Info, "working") })
    );
    let progress = |event: &CallEvent| matches!(event, CallEvent::Progress { done, total: Some(total), message } if (*done, *total, message.as_str()) == (1.0, 2.0, "half"));
    assert!(told.events.iter().any(progress));
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_memory_is_shared_by_workers() {
    let world = World::new().await;
    let (mut one, mut other) = (world.worker().await, world.worker().await);
    let told = run(&mut one, stage("misbehaving.calls.remember"), json!({"key": "k", "value": {"a": [1, 2]}})).await;
    assert_eq!(told.json(&mut one).await, json!([false, {"a": [1, 2]}, true]));
    let told = run(&mut other, stage("misbehaving.calls.recall"), json!({"key": "k"})).await;
    assert_eq!(told.json(&mut other).await, json!({"a": [1, 2]}));
    assert!(world.blocks.in_memory() > 0, "it counts");
    let told = run(&mut other, stage("misbehaving.calls.recall"), json!({"key": "missing"})).await;
    assert_eq!(told.failure().class, "KeyError");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_fails_leaves_the_worker_usable() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    for (target, input, kind, words) in [
        ("misbehaving.calls.half_of", json!({"x": 3}), FailureKind::Raised, "3 is odd"),
        ("misbehaving.calls.no_such_stage", json!({}), FailureKind::Target, "no_such_stage"),
        ("misbehaving.calls.double", json!({}), FailureKind::Target, "x"),
        ("misbehaving.calls.unpicklable", json!({}), FailureKind::Unpicklable, "lambda"),
        ("misbehaving.calls.generator", json!({}), FailureKind::Unpicklable, "generator"),
        ("misbehaving.calls.ask_to_leave", json!({"status": 3}), FailureKind::Raised, "3"),
    ] {
        let told = run(&mut worker, stage(target), input).await;
        let failure = told.failure();
        assert_eq!(failure.kind, kind, "{target}: {failure:?}");
        assert!(
            failure.message.contains(words) || failure.traceback.as_ref().is_some_and(|text| text.contains(words)),
            "{target}: {failure:?}"
        );
        assert!(!told.is_dead(), "{target}");
    }
    let process = run(&mut worker, stage("misbehaving.calls.process_id"), json!({})).await.json(&mut worker).await;
    assert_eq!(process, json!(worker.status().process_id));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_exchanged_without_a_pickle() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let invoke = |name: &str, payload: &'static str| Operation::Invoke { name: name.to_owned(), payload: payload.into() };
    let told = run(&mut worker, invoke("misbehaving.calls.echo", r#"{"Zoë":[1,null]}"#), json!({})).await;
    assert!(matches!(told.value(), Value::Inline(text) if text == r#"{"Zoë":[1,null]}"#.as_bytes()));
    let told = run(&mut worker, invoke("misbehaving.calls.json_text", "7"), json!({})).await;
    assert!(matches!(told.value(), Value::Inline(text) if text == "{\"already\": 7}"));
    for (name, kind) in [("export", FailureKind::Target), ("misbehaving.calls.not_json", FailureKind::Raised)] {
        let failure = run(&mut worker, invoke(name, "{}"), json!({})).await.failure();
        assert_eq!(failure.kind, kind, "{name}");
    }
    let told = run(&mut worker, stage("misbehaving.calls.nothing"), json!({})).await;
    assert!(!told.is_dead() && matches!(told.value(), Value::Inline(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_interpreter_works_like_a_copy() {
    let world = World::with(|options| options.fresh = true, 1 << 30).await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.double"), json!({"x": 4})).await;
    assert_eq!(told.json(&mut worker).await, json!(8));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_that_died_is_started_again() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let process = worker.status().process_id.unwrap();
    let parent = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let parent: i32 = parent.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    let sleeping = stage("misbehaving.calls.sleep");
    let kill = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        rustix::process::kill_process(rustix::process::Pid::from_raw(parent).unwrap(), rustix::process::Signal::KILL).unwrap();
    };
    let (told, ()) = tokio::join!(run(&mut worker, sleeping, json!({"seconds": 30})), kill);
    assert_eq!(told.failure().kind, FailureKind::Died);
    world.recovers(worker).await;
    let mut next = world.worker().await;
    let four = run(&mut next, stage("misbehaving.calls.double"), json!({"x": 2})).await.value();
    let told = run(&mut next, stage_of("misbehaving.calls.double", &four), json!({})).await;
    assert_eq!(told.json(&mut next).await, json!(8));
}
