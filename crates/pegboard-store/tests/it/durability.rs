//! What was acknowledged survives `kill -9`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pegboard_model::run::ItemCounts;
use pegboard_model::{RunState, Timestamp, TriggerSpec};
use pegboard_store::{Change, RunFilter, Store, StoreError, StoreOptions};

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
        let acknowledged = killed_writer(directory.path(), &stored);
        stored = runtime.block_on(check(directory.path(), &acknowledged));
        println!("round {round}: acknowledged {}, stored {}", acknowledged.iter().sum::<u64>(), stored.iter().sum::<u64>());
    }
    assert!(stored.iter().sum::<u64>() > 100, "the child hardly wrote anything: {stored:?}");
}

/// The highest number of batches that each caller was told is stored.
fn killed_writer(directory: &Path, before: &[u64]) -> Vec<u64> {
    let mut acknowledged = before.to_vec();
    killed_child("durability::acknowledged_survives_kill", directory, |words| {
        let (caller, count) = words.split_once(' ').unwrap();
        let caller: usize = caller.parse().unwrap();
        acknowledged[caller] = acknowledged[caller].max(count.parse().unwrap());
    });
    acknowledged
}

/// Runs the test in a child and kills it up to 300 ms after its first acknowledgement; `hear` gets what is behind that word.
#[expect(clippy::disallowed_methods, reason = "a test of death needs a process to kill; `spawn` lives in another crate")]
fn killed_child(test: &str, directory: &Path, mut hear: impl FnMut(&str)) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut killer = None;
    let (process, output) = (child.id(), child.stdout.take().unwrap());
    let mut child = Some(child);
    for line in BufReader::new(output).lines() {
        // The test harness says a few things too.
        let line = line.unwrap();
        let Some(words) = line.strip_prefix("acknowledged ") else { continue };
        hear(words);
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
}

fn acknowledge(words: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "acknowledged {words}").and_then(|()| output.flush()).unwrap();
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
        acknowledge(&format!("{caller} {done}"));
    }
}

/// Whatever is stored when the process dies: an event that was acknowledged is there, one that is handled has its run, and has
/// one run in the end, however often the handling began again.
#[test]
fn events_are_neither_lost_nor_doubled_by_a_kill() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(directory) = std::env::var(CHILD) {
        runtime.block_on(produce_and_handle_until_killed(Path::new(&directory)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut stored, mut handled) = (0, BTreeSet::new());
    for round in 0..ROUNDS {
        killed_child("durability::events_are_neither_lost_nor_doubled_by_a_kill", directory.path(), |words| {
            match words.split_once(' ').unwrap() {
                ("stored", sequence) => stored = stored.max(sequence.parse().unwrap()),
                (_, sequence) => drop(handled.insert(sequence.parse().unwrap())),
            }
        });
        let (all, pending) = runtime.block_on(check_events(directory.path(), stored, &handled));
        println!("round {round}: acknowledged {stored} and {} handled, stored {all}, pending {pending}", handled.len());
    }
    assert!(handled.len() > 10, "the child hardly handled anything: {}", handled.len());
    runtime.block_on(async {
        let store = Store::open(StoreOptions::local(directory.path())).await.unwrap();
        while handle_some(&store, |_| {}).await {}
        store.close().await;
        assert_eq!(check_events(directory.path(), stored, &handled).await.1, 0);
    });
}

/// How many events there are, and how many of them wait.
async fn check_events(directory: &Path, acknowledged: u64, handled: &BTreeSet<u64>) -> (usize, usize) {
    let store = Store::open(StoreOptions::local(directory)).await.unwrap();
    let events = store.events(0, usize::MAX).await.unwrap();
    assert!(events.len() as u64 >= acknowledged, "{} of {acknowledged}", events.len());
    let runs = store.runs(&RunFilter::default()).await.unwrap();
    let mut runs: Vec<u64> = runs.iter().map(|run| run.workflow.parse().unwrap()).collect();
    runs.sort_unstable();
    let marked: Vec<u64> = events.iter().filter(|stored| stored.handled).map(|stored| stored.sequence).collect();
    assert_eq!(runs, marked, "one run for each that is handled, none for others");
    assert!(events.iter().zip(1..).all(|(stored, sequence)| stored.sequence == sequence));
    assert!(handled.iter().all(|sequence| marked.contains(sequence)));
    let trigger = store.resources::<TriggerSpec>().await.unwrap().remove(0);
    assert_eq!(trigger.metadata.annotations.contains_key("flowdapt.ai/last_run"), !marked.is_empty());
    store.close().await;
    (events.len(), events.len() - marked.len())
}

async fn produce_and_handle_until_killed(directory: &Path) {
    let store = Store::open(StoreOptions::local(directory)).await.unwrap();
    if store.resources::<TriggerSpec>().await.unwrap().is_empty() {
        store.create(&sample::trigger("on-event", 1)).await.unwrap();
    }
    for _ in 0..4 {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0.. {
                acknowledge(&format!("stored {}", store.put_event(&sample::event(number)).await.unwrap()));
            }
        });
    }
    // Two who do not know of each other.
    let handlers = (0..2).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0_u64.. {
                handle_some(&store, |sequence| acknowledge(&format!("handled {sequence}"))).await;
            }
        })
    });
    for handler in handlers.collect::<Vec<_>>() {
        handler.await.unwrap();
    }
}

/// As a server does that starts again: whatever waits, oldest first. Whether anything waited.
async fn handle_some(store: &Store, done: impl Fn(u64)) -> bool {
    let trigger = store.resources::<TriggerSpec>().await.unwrap().remove(0).metadata.uid;
    let pending = store.pending_events(8).await.unwrap();
    for stored in &pending {
        let sequence = stored.sequence;
        // A name of its own each time: nothing but the event's mark is in the way of a second run.
        let run = sample::run(&uuid::Uuid::new_v4().to_string(), &sequence.to_string(), RunState::Pending, 1);
        let at = Timestamp(1_700_000_000_000_000 + sequence as i64);
        let changes = vec![Change::RunCreated(run), Change::EventHandled { sequence }, Change::TriggerFired { trigger, at }];
        match store.apply(changes).await {
            Ok(()) => done(sequence),
            Err(error) => assert_eq!(error, StoreError::AlreadyHandled(sequence.to_string())),
        }
    }
    !pending.is_empty()
}
