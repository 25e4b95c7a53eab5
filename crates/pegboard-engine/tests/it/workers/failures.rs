//! Everything that a plugin can do to its worker, and what is told about it. After each a new worker works and nothing is left.

use std::time::{Duration, Instant};

use pegboard_model::{CallEvent, FailureKind, LogStream, Operation, WorkerState};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::{World, as_json, call, eventually, group, run, run_call, stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_told_with_the_signal() {
    let world = World::new().await;
    for (number, name, hint) in [(9, "SIGKILL", "kernel"), (11, "SIGSEGV", "native code"), (15, "SIGTERM", "outside")] {
        let mut worker = world.worker().await;
        let told = run(&mut worker, stage("misbehaving.calls.die"), json!({"number": number})).await;
        let failure = told.failure();
        assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Died, "WorkflowExecutionError"));
        assert!(failure.message.contains(name) && failure.message.contains("`the-stage`"), "{failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
        assert!(told.is_dead());
        world.recovers(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_is_told_with_its_status_and_last_words() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.leave"), json!({"status": 3})).await;
    let failure = told.failure();
    assert_eq!(failure.kind, FailureKind::Died);
    assert!(failure.message.contains("exited with status 3"), "{failure:?}");
    assert_eq!(failure.traceback.as_deref(), Some("last words"));
    assert!(failure.hint.unwrap().contains("os._exit"));
    assert!(told.lines().iter().any(|line| line.stream == LogStream::Stderr && line.text == "last words"));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_its_deadline_is_stopped_and_its_worker_goes_on() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let mut late = call(stage("misbehaving.calls.sleep"), json!({"seconds": 60}));
    late.deadline = Some(Duration::from_millis(300));
    let begun = Instant::now();
    let told = run_call(&mut worker, &late, &CancellationToken::new()).await;
    let failure = told.failure();
    assert!(begun.elapsed() < Duration::from_secs(2), "it was interrupted, not killed");
    assert_eq!(failure.kind, FailureKind::Deadline);
    assert!(failure.message.contains("300ms"), "{failure:?}");
    assert!(failure.traceback.as_ref().unwrap().contains("in sleep"), "{failure:?}");
    assert!(!told.is_dead());
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_stop_is_killed_with_its_worker() {
    let world = World::new().await;
    for cancel in [false, true] {
        let mut worker = world.worker_with(|options| options.stop_deadline = Duration::from_millis(500)).await;
        let mut endless = call(stage("misbehaving.calls.hang_for_good"), json!({}));
        let token = CancellationToken::new();
        if cancel {
            let token = token.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                token.cancel();
            });
        } else {
            endless.deadline = Some(Duration::from_millis(300));
        }
        let told = run_call(&mut worker, &endless, &token).await;
        let failure = told.failure();
        assert!(told.is_dead());
        if cancel {
            assert_eq!(failure.kind, FailureKind::Cancelled);
        } else {
            assert_eq!(failure.kind, FailureKind::Deadline);
            assert!(failure.traceback.unwrap().contains("hang_for_good"));
        }
        assert!(told.lines().iter().any(|line| line.text == "ignoring Cancelled"), "it was asked first");
        world.recovers(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_soon_and_so_does_one_that_nobody_listens_to() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let token = CancellationToken::new();
    let asleep = call(stage("misbehaving.calls.sleep"), json!({"seconds": 60}));
    let (told, ()) = tokio::join!(run_call(&mut worker, &asleep, &token), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel();
    });
    assert_eq!((told.failure().kind, told.is_dead()), (FailureKind::Cancelled, false));
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let begun = Instant::now();
    let token = CancellationToken::new();
    let (after, ()) = tokio::join!(worker.run(&asleep, &sender, &token), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(receiver);
    });
    assert!(matches!(after, pegboard_engine::worker::AfterCall::Reusable) && begun.elapsed() < Duration::from_secs(2));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_overtakes_its_call_is_not_lost() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    for microseconds in [0, 50, 100, 200, 400, 800, 1600] {
        let token = CancellationToken::new();
        let asleep = call(stage("misbehaving.calls.sleep"), json!({"seconds": 60}));
        let begun = Instant::now();
        let (told, ()) = tokio::join!(run_call(&mut worker, &asleep, &token), async {
            if microseconds > 0 {
                tokio::time::sleep(Duration::from_micros(microseconds)).await;
            }
            token.cancel();
        });
        assert_eq!((told.failure().kind, told.is_dead()), (FailureKind::Cancelled, false), "after {microseconds} µs");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    }
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_dropped_half_way_leaves_a_dead_worker() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let asleep = run(&mut worker, stage("misbehaving.calls.sleep"), json!({"seconds": 60}));
    assert!(tokio::time::timeout(Duration::from_millis(300), asleep).await.is_err());
    let told = run(&mut worker, stage("misbehaving.calls.double"), json!({"x": 1})).await;
    assert!(told.is_dead() && told.failure().kind == FailureKind::Died);
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_interpreter_is_seen_and_is_no_death() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let held = Duration::from_secs(4);
    let begun = Instant::now();
    let states = std::sync::Arc::clone(&world.states);
    let (told, seen) = tokio::join!(
        run(&mut worker, stage("misbehaving.calls.hold_interpreter"), json!({"seconds": held.as_secs_f64()})),
        async {
            eventually("it is blocked", || states.lock().unwrap().last().unwrap().state == WorkerState::Blocked).await;
            begun.elapsed()
        }
    );
    assert!(seen < Duration::from_millis(2500), "blocked was seen after {seen:?}, with a heartbeat of 300 ms");
    assert_eq!(told.json(&mut worker).await, json!("let go"));
    assert!(worker.stacks().unwrap().contains("hold_interpreter"), "{:?}", worker.stacks());
    eventually("it is idle", || worker.status().state == WorkerState::Idle).await;
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_seen_as_such() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let process = i32::try_from(worker.status().process_id.unwrap()).unwrap();
    let (told, ()) = tokio::join!(run(&mut worker, stage("misbehaving.calls.stop_itself"), json!({})), async {
        eventually("it is blocked", || world.saw(WorkerState::Blocked)).await;
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    });
    assert_eq!(told.json(&mut worker).await, json!("went on"));
    assert!(worker.stacks().unwrap().contains("state T"), "{:?}", worker.stacks());
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_of_prints_are_cut_and_cost_no_memory() {
    let world = World::new().await;
    let mut worker = world.worker_with(|options| options.output_limit = 1 << 20).await;
    let told = run(&mut worker, stage("misbehaving.calls.print_much"), json!({"megabytes": 100})).await;
    assert_eq!(told.json(&mut worker).await, json!(100));
    let lines = told.lines();
    assert_eq!(lines.len(), 1025);
    let last = lines.last().unwrap();
    assert_eq!(last.stream, LogStream::Pegboard);
    assert_eq!(
        last.text,
        format!("output was cut: {} bytes beyond the limit of {} bytes for one call were dropped", 99 << 20, 1 << 20)
    );
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_ends_the_worker_or_is_refused() {
    let world = World::new().await;
    let limit = 150 << 20;
    let mut worker = world.worker_with(|options| options.limits.memory_bytes = Some(limit)).await;
    let told = run(&mut worker, stage("misbehaving.calls.eat"), json!({"megabytes": 1000})).await;
    let failure = told.failure();
    assert_eq!((failure.kind, told.is_dead()), (FailureKind::Memory, true));
    assert!(failure.message.contains("its limit is 150 MiB") && failure.hint.is_some(), "{failure:?}");
    world.recovers(worker).await;
    let change = |options: &mut pegboard_engine::worker::WorkerOptions| {
        options.limits.memory_bytes = Some(limit);
        options.limits.mapped_bytes = 50 << 20;
    };
    let mut worker = world.worker_with(change).await;
    let told = run(&mut worker, stage("misbehaving.calls.allocate"), json!({"megabytes": 1000})).await;
    let failure = told.failure();
    assert_eq!((failure.kind, failure.class.as_str(), told.is_dead()), (FailureKind::Memory, "MemoryError", false));
    assert!(failure.hint.is_some());
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_over_the_limit_ends_the_worker_with_a_hint() {
    let world = World::new().await;
    let mut worker = world.worker_with(|options| options.limits.cpu_seconds = Some(1)).await;
    let told = run(&mut worker, stage("misbehaving.calls.burn"), json!({})).await;
    let failure = told.failure();
    assert_eq!((failure.kind, told.is_dead()), (FailureKind::Died, true));
    assert!(failure.message.contains("SIGXCPU") && failure.hint.unwrap().contains("`engine.cpu_time`"));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forked_children_do_not_survive_their_worker() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.fork_and_stay"), json!({})).await;
    let child = told.json(&mut worker).await.as_u64().unwrap();
    let process = worker.status().process_id.unwrap();
    assert!(group(process).contains(&u32::try_from(child).unwrap()));
    worker.stop().await;
    world.nothing_left_of(process).await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.fork_and_return"), json!({})).await;
    assert_eq!(told.json(&mut worker).await, json!("parent"));
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_channel_ends_the_worker_with_a_reason() {
    let world = World::new().await;
    for target in ["close_descriptors", "write_garbage", "write_half_a_frame", "send_descriptors"] {
        let mut worker = world.worker().await;
        let told = run(&mut worker, stage(&format!("misbehaving.calls.{target}")), json!({})).await;
        let failure = told.failure();
        assert!(told.is_dead(), "{target}: {failure:?}");
        // A worker whose descriptors are gone may end by itself before it can be told why.
        let kinds: &[FailureKind] = match target {
            "close_descriptors" => &[FailureKind::Died, FailureKind::Protocol],
            _ => &[FailureKind::Protocol],
        };
        assert!(kinds.contains(&failure.kind), "{target}: {failure:?}");
        let hint = failure.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("file descriptors"), "{target}: {failure:?}");
        world.recovers(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_worker_down_and_loses_nothing() {
    let world = World::new().await;
    let mut worker = world.worker_with(|options| options.output_limit = 64 << 20).await;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let much = call(stage("misbehaving.calls.print_much"), json!({"megabytes": 20}));
    let read = async {
        let (mut lines, mut largest) = (0, 0);
        while let Some(event) = receiver.recv().await {
            if let CallEvent::Log(batch) = &event {
                lines += batch.len();
                largest = largest.max(batch.len());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        (lines, largest)
    };
    let token = CancellationToken::new();
    let ((lines, largest), _) = tokio::join!(read, async {
        let after = worker.run(&much, &sender, &token).await;
        drop(sender);
        after
    });
    assert_eq!(lines, 20 * 1024);
    assert!(largest <= 1300, "a batch of {largest} KiB");
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_pass_without_the_server_growing() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let told = run(&mut worker, stage("misbehaving.calls.large_bytes"), json!({"megabytes": 2048})).await;
    let value = told.value();
    assert_eq!(value.size() >> 20, 2048);
    eventually("it is spilled", || world.blocks.spilled() > 2 << 30 && world.blocks.in_memory() == 0).await;
    let own = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: u64 = own.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(resident * 4096 < (500 << 20), "the server has {} MiB", (resident * 4096) >> 20);
    let length = Operation::Stage {
        target: "misbehaving.calls.length".to_owned(),
        arguments: Some(vec![pegboard_model::Argument::Single(value)]),
    };
    let told = run(&mut worker, length, json!({})).await;
    let count = told.value();
    assert_eq!(as_json(&mut worker, &count).await, json!(2_147_483_648_u64));
    world.recovers(worker).await;
}
