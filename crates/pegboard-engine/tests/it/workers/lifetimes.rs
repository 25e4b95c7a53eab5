//! Loading, stopping, and who outlives whom.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pegboard_engine::memory::ClusterMemory;
use pegboard_engine::shm::{Blocks, BlocksOptions};
use pegboard_engine::worker::{Worker, WorkerOptions};
use pegboard_engine::zygote::Zygote;
use pegboard_model::{FailureKind, WorkerState};
use serde_json::json;

use super::world::{World, call, command, eventually, group, run, stage, worker_options, zygote_options};

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_load_says_why_and_leaves_nothing() {
    let world = World::new().await;
    for (module, kind, words) in [
        ("misbehaving.broken", FailureKind::Load, "no_such_module_anywhere"),
        ("misbehaving.missing", FailureKind::Load, "misbehaving.missing"),
        ("misbehaving.slow", FailureKind::Deadline, "slow.py"),
        ("misbehaving.crash", FailureKind::Died, "crashing now"),
    ] {
        let change = |options: &mut WorkerOptions| {
            options.modules = vec![module.to_owned()];
            options.load_deadline = Duration::from_secs(if module.ends_with("slow") { 1 } else { 20 });
        };
        let failure = world.try_worker(change).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.traceback.as_ref().unwrap().contains(words), "{failure:?}");
        let process = world.states.lock().unwrap().last().unwrap().clone();
        assert_eq!(process.state, WorkerState::Dead, "{module}");
        world.nothing_left_of(process.process_id.unwrap()).await;
    }
    let worker = world.worker().await;
    world.recovers(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_clings_to_life_is_killed_at_the_end_of_its_deadline() {
    let world = World::new().await;
    let change = |options: &mut WorkerOptions| {
        options.modules.push("misbehaving.clinging".to_owned());
        options.stop_deadline = Duration::from_secs(1);
    };
    let worker = world.worker_with(change).await;
    let process = worker.status().process_id.unwrap();
    // It waits for a call when it is asked to leave.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    worker.stop().await;
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    world.nothing_left_of(process).await;
    let willing = world.worker().await;
    let begun = Instant::now();
    willing.stop().await;
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_that_is_killed_is_told() {
    let world = World::new().await;
    let mut worker = world.worker().await;
    let process = worker.status().process_id.unwrap();
    let number = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(number, rustix::process::Signal::KILL).unwrap();
    eventually("it is told", || world.saw(WorkerState::Dead)).await;
    let told = run(&mut worker, stage("misbehaving.calls.double"), json!({"x": 1})).await;
    assert!(told.is_dead() && told.failure().kind == FailureKind::Died, "{:?}", told.failure());
    world.recovers(worker).await;
}

/// Where the stand-in tells its workers.
const WORKERS: &str = "workers";

/// The test starts itself as a server of its own, kills that one, and looks for its worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_worker() {
    const STAND_IN: &str = "PEGBOARD_TEST_STAND_IN";
    if let Some(folder) = std::env::var_os(STAND_IN) {
        return stand_in(std::path::Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = command(std::env::current_exe().unwrap())
        .args(["--exact", "workers::lifetimes::a_killed_server_leaves_no_worker"])
        .env(STAND_IN, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = folder.path().join(WORKERS);
    let read = || std::fs::read_to_string(&told).unwrap_or_default();
    eventually("the workers are told", || read().matches('\n').count() == 2).await;
    let workers: Vec<u32> = read().lines().map(|process| process.parse().unwrap()).collect();
    eventually("a child of the worker runs", || workers.iter().any(|worker| group(*worker).len() == 2)).await;
    server.kill().unwrap();
    server.wait().unwrap();
    eventually("the workers are gone", || workers.iter().all(|worker| group(*worker).is_empty())).await;
    let spill = folder.path().join("spill");
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 1, "its spilled value is left");
    let _blocks = Blocks::open(BlocksOptions { spill: spill.clone(), memory_budget: 1 << 20 }).unwrap();
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0, "and removed by the next start");
}

/// One idle worker with a forked child and a spilled value, one on a call that never ends.
async fn stand_in(folder: &std::path::Path) {
    let blocks = Blocks::open(BlocksOptions { spill: folder.join("spill"), memory_budget: 1 << 10 }).unwrap();
    let memory = ClusterMemory::new(Arc::clone(&blocks));
    let zygote = Zygote::start(zygote_options(folder)).await.unwrap();
    let start = async || {
        let options = worker_options(folder);
        Worker::start(options, Arc::clone(&zygote), Arc::clone(&blocks), Arc::clone(&memory), Arc::new(|_| {})).await.unwrap()
    };
    let (mut idle, mut busy) = (start().await, start().await);
    run(&mut idle, stage("misbehaving.calls.fork_and_stay"), json!({})).await;
    let array = run(&mut idle, stage("misbehaving.values.make"), json!({"megabytes": 1})).await.value();
    eventually("it is spilled", || blocks.spilled() > 0).await;
    let processes = [&idle, &busy].map(|worker| format!("{}\n", worker.status().process_id.unwrap()));
    std::fs::write(folder.join(WORKERS), processes.concat()).unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::channel(8);
    let endless = call(stage("misbehaving.calls.hang_for_good"), json!({}));
    busy.run(&endless, &sender, &tokio_util::sync::CancellationToken::new()).await;
    drop(array);
}
