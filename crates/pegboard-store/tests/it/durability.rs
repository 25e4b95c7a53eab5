//! What was acknowledged survives `kill -9`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pegboard_model::RunState;
use pegboard_model::run::ItemCounts;
use pegboard_store::{Change, Store, StoreOptions};

use crate::sample;

const CHILD: &str = "PEGBOARD_STORE_TEST_CHILD";
const CALLERS: usize = 16;
const ROUNDS: usize = 5;

/// Starts itself as a child that writes, kills the child at a random moment, and looks at what is there.
#[test]
fn acknowledged_survives_kill() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(directory) = std::env::var(CHILD) {
        runtime.block_on(write_until_killed(Path::new(&directory)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut stored = vec![0; CALLERS];
    for round in 0..ROUNDS {
        let acknowledged = killed_child(directory.path(), &stored);
        stored = runtime.block_on(check(directory.path(), &acknowledged));
        println!("round {round}: acknowledged {}, stored {}", acknowledged.iter().sum::<u64>(), stored.iter().sum::<u64>());
    }
    assert!(stored.iter().sum::<u64>() > 100, "the child hardly wrote anything: {stored:?}");
}

/// The highest number of batches that each caller was told is stored.
#[expect(clippy::disallowed_methods, reason = "a test of death needs a process to kill; `spawn` lives in another crate")]
fn killed_child(directory: &Path, before: &[u64]) -> Vec<u64> {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["durability::acknowledged_survives_kill", "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = before.to_vec();
    let mut killer = None;
    let (process, output) = (child.id(), child.stdout.take().unwrap());
    let mut child = Some(child);
    for line in BufReader::new(output).lines() {
        // The test harness says a few things too.
        let line = line.unwrap();
        let Some((caller, count)) = line.strip_prefix("acknowledged ").and_then(|rest| rest.split_once(' ')) else { continue };
        let caller: usize = caller.parse().unwrap();
        acknowledged[caller] = acknowledged[caller].max(count.parse().unwrap());
        // The clock starts at the first acknowledgement; from then on any moment will do.
        if let Some(mut child) = child.take() {
            let moment = Duration::from_micros((uuid::Uuid::new_v4().as_u128() % 300_000) as u64);
            killer = Some(std::thread::spawn(move || {
                std::thread::sleep(moment);
                child.kill().unwrap();
                child.wait().unwrap()
            }));
        }
    }
    let status = killer.unwrap_or_else(|| panic!("child {process} never wrote")).join().unwrap();
    assert!(!status.success(), "it was killed");
    acknowledged
}

/// Every acknowledged batch is there, whole: three lines and the count in the stage.
async fn check(directory: &Path, acknowledged: &[u64]) -> Vec<u64> {
    let store = Store::open(StoreOptions::local(directory)).await.unwrap();
    let mut stored = Vec::new();
    for (caller, acknowledged) in acknowledged.iter().enumerate() {
        let Some(run) = store.run_by_name(&format!("caller-{caller}")).await.unwrap() else {
            assert_eq!(*acknowledged, 0);
            stored.push(0);
            continue;
        };
        let batches = run.stages[0].items.map_or(0, |items| items.done);
        assert!(batches >= *acknowledged, "caller {caller}: {batches} of {acknowledged} batches");
        let log = store.log(run.uid, 0, usize::MAX).await.unwrap();
        assert_eq!(log.len() as u64, batches * 3);
        assert!(log.iter().zip(1..).all(|(line, sequence)| line.sequence == sequence));
        stored.push(batches);
    }
    store.close().await;
    stored
}

async fn write_until_killed(directory: &Path) {
    let store = Store::open(StoreOptions::local(directory)).await.unwrap();
    let callers: Vec<_> = (0..CALLERS).map(|caller| tokio::spawn(write(store.clone(), caller))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn write(store: Store, caller: usize) {
    let name = format!("caller-{caller}");
    let run = match store.run_by_name(&name).await.unwrap() {
        Some(run) => run,
        None => {
            let run = sample::run(&name, "w", RunState::Running, 1);
            store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
            run
        }
    };
    let mut stage = run.stages[0].clone();
    for done in stage.items.map_or(0, |items| items.done) + 1.. {
        stage.items = Some(ItemCounts { done, ..ItemCounts::default() });
        let changes = vec![
            Change::Logged { run: run.uid, lines: sample::lines(0..3) },
            Change::StageChanged { run: run.uid, position: 0, stage: stage.clone() },
        ];
        store.apply(changes).await.unwrap();
        let mut output = std::io::stdout().lock();
        writeln!(output, "acknowledged {caller} {done}").and_then(|()| output.flush()).unwrap();
    }
}
