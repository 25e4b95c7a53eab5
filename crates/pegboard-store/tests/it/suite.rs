//! What every back end does alike.

use bytes::Bytes;
use pegboard_model::{Run, RunId, RunState, Timestamp};
use pegboard_store::{Change, RunFilter, Store, StoreError};

use crate::back_end::on_each;
use crate::sample;

#[tokio::test(flavor = "multi_thread")]
async fn plugins() {
    on_each(|world| async move {
        let store = world.store;
        let mut record = sample::plugin("beta");
        store.put_plugin(&record).await.unwrap();
        store.put_plugin(&sample::plugin("alpha")).await.unwrap();
        record.environment = "beta-1".into();
        store.put_plugin(&record).await.unwrap();
        assert_eq!(store.plugin(&record.name).await.unwrap(), Some(record.clone()));
        assert_eq!(store.plugins().await.unwrap(), [sample::plugin("alpha"), record.clone()]);
        assert!(store.delete_plugin(&record.name).await.unwrap());
        assert!(!store.delete_plugin(&record.name).await.unwrap());
        assert_eq!(store.plugin(&record.name).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_its_stages() {
    on_each(|world| async move {
        let store = world.store;
        let mut run = sample::run("calm-fox-1", "w", RunState::Pending, 3);
        store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
        assert_eq!(store.run(run.uid).await.unwrap(), Some(run.clone()));

        run.state = RunState::Running;
        run.stages[1] = sample::stage("stage-1", RunState::Finished);
        let changes = vec![
            Change::RunChanged(Run { stages: Vec::new(), ..run.clone() }),
            Change::StageChanged { run: run.uid, position: 1, stage: run.stages[1].clone() },
        ];
        store.apply(changes).await.unwrap();
        assert_eq!(store.run_by_name("calm-fox-1").await.unwrap(), Some(run.clone()));
        assert_eq!(store.run_by_name("calm-fox-2").await.unwrap(), None);

        assert!(store.delete_run(run.uid).await.unwrap());
        assert!(!store.delete_run(run.uid).await.unwrap());
        assert_eq!(store.run(run.uid).await.unwrap(), None);
        assert_eq!(store.run(RunId::random()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_all_or_nothing() {
    on_each(|world| async move {
        let store = world.store;
        let known = sample::run("known", "w", RunState::Running, 1);
        store.apply(vec![Change::RunCreated(known.clone())]).await.unwrap();
        let gone = sample::run("gone", "w", RunState::Running, 1);
        let stage = sample::stage("stage-0", RunState::Failed);
        for (bad, expected) in [
            (Change::RunChanged(gone.clone()), StoreError::NotFound(gone.uid.to_string())),
            (Change::Logged { run: gone.uid, lines: sample::lines(0..1) }, StoreError::NotFound(gone.uid.to_string())),
            (
                Change::StageChanged { run: gone.uid, position: 0, stage: stage.clone() },
                StoreError::NotFound(gone.uid.to_string()),
            ),
            (
                Change::StageChanged { run: known.uid, position: 1, stage: stage.clone() },
                StoreError::NotFound(known.uid.to_string()),
            ),
            (Change::RunCreated(sample::run("known", "w", RunState::Pending, 0)), StoreError::AlreadyExists("known".into())),
        ] {
            let good = Change::RunChanged(Run { state: RunState::Failed, ..known.clone() });
            let logged = Change::Logged { run: known.uid, lines: sample::lines(0..2) };
            assert_eq!(store.apply(vec![good, logged, bad]).await, Err(expected));
        }
        assert_eq!(store.run(known.uid).await.unwrap(), Some(known.clone()));
        assert_eq!(store.log(known.uid, 0, 10).await.unwrap(), []);
        store.apply(Vec::new()).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_batch_among_many_callers() {
    on_each(|world| async move {
        let store = world.store;
        let callers: Vec<_> = (0..64)
            .map(|number| {
                let store = store.clone();
                // Every fourth name is `taken-…` twice over: one of each pair is refused.
                let name = if number % 4 < 2 { format!("taken-{}", number / 4) } else { format!("free-{number}") };
                tokio::spawn(async move {
                    let run = sample::run(&name, "w", RunState::Pending, 2);
                    (store.apply(vec![Change::RunCreated(run.clone())]).await, run)
                })
            })
            .collect();
        let mut stored = Vec::new();
        for caller in callers {
            match caller.await.unwrap() {
                (Ok(()), run) => stored.push(run),
                (Err(error), run) => assert_eq!(error, StoreError::AlreadyExists(run.name)),
            }
        }
        assert_eq!(stored.len(), 48);
        for run in &stored {
            assert_eq!(store.run(run.uid).await.unwrap().as_ref(), Some(run));
        }
        assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 48);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_runs() {
    on_each(|world| async move {
        let store = world.store;
        let mut all = Vec::new();
        for number in 0..24 {
            let state = if number % 3 == 0 { RunState::Failed } else { RunState::Finished };
            let run = sample::run(&format!("run-{number}"), if number % 2 == 0 { "even" } else { "odd" }, state, 2);
            store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
            all.insert(0, Run { stages: Vec::new(), ..run });
        }
        for workflow in [None, Some("even"), Some("odd"), Some("none")] {
            for state in [None, Some(RunState::Failed), Some(RunState::Finished), Some(RunState::Running)] {
                let matching = |run: &&Run| {
                    workflow.is_none_or(|workflow| run.workflow == workflow) && state.is_none_or(|state| run.state == state)
                };
                let expected: Vec<Run> = all.iter().filter(matching).cloned().collect();
                let mut filter = RunFilter { workflow: workflow.map(str::to_owned), state, before: None, limit: 0 };
                assert_eq!(store.runs(&filter).await.unwrap(), expected);
                assert_eq!(pages(&store, &mut filter, 5).await, expected, "{workflow:?} {state:?}");
            }
        }
        let gone = RunId::random();
        let filter = RunFilter { before: Some(gone), ..RunFilter::default() };
        assert_eq!(store.runs(&filter).await, Err(StoreError::NotFound(gone.to_string())));
    })
    .await;
}

async fn pages(store: &Store, filter: &mut RunFilter, limit: usize) -> Vec<Run> {
    filter.limit = limit;
    let mut found = Vec::new();
    loop {
        let page = store.runs(filter).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return found };
        filter.before = Some(last.uid);
        found.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_no_gaps() {
    on_each(|world| async move {
        let store = world.store;
        let (run, other) = (sample::run("one", "w", RunState::Running, 1), sample::run("two", "w", RunState::Running, 1));
        store.apply(vec![Change::RunCreated(run.clone()), Change::RunCreated(other.clone())]).await.unwrap();
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let (store, uid, other) = (store.clone(), run.uid, other.uid);
                tokio::spawn(async move {
                    let lines = sample::lines(number * 10..number * 10 + 10);
                    let elsewhere = Change::Logged { run: other, lines: sample::lines(0..1) };
                    store.apply(vec![Change::Logged { run: uid, lines }, elsewhere]).await.unwrap();
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        let log = store.log(run.uid, 0, 1000).await.unwrap();
        assert_eq!(log.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
        for batch in log.chunks(10) {
            let first = usize::try_from(batch[0].line.time.0).unwrap();
            let lines: Vec<_> = batch.iter().map(|stored| stored.line.clone()).collect();
            assert_eq!(lines, sample::lines(first..first + 10), "a batch stays together");
        }
        assert_eq!(store.log(run.uid, 150, 20).await.unwrap(), log[150..170]);
        assert_eq!(store.log(run.uid, 200, 20).await.unwrap(), []);
        assert_eq!(store.log(run.uid, u64::MAX, usize::MAX).await.unwrap(), []);
        assert_eq!(store.log(other.uid, 0, 100).await.unwrap().len(), 20);
        store.apply(vec![Change::Logged { run: run.uid, lines: Vec::new() }]).await.unwrap();
        assert!(store.delete_run(run.uid).await.unwrap());
        assert_eq!(store.log(run.uid, 0, 1000).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_runs_are_interrupted() {
    on_each(|world| async move {
        let store = world.store;
        let mut pending = sample::run("pending", "w", RunState::Pending, 2);
        let mut running = sample::run("running", "w", RunState::Running, 3);
        running.stages[0].state = RunState::Finished;
        running.stages[2].state = RunState::Pending;
        let finished = sample::run("finished", "w", RunState::Finished, 2);
        for run in [&pending, &running, &finished] {
            store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
        }
        let now = Timestamp(42);
        assert_eq!(store.interrupt_unfinished(now).await.unwrap(), [pending.uid, running.uid]);
        for run in [&mut pending, &mut running] {
            (run.state, run.finished_at) = (RunState::Interrupted, Some(now));
            for stage in run.stages.iter_mut().filter(|stage| !stage.state.is_final()) {
                (stage.state, stage.finished_at) = (RunState::Interrupted, Some(now));
            }
        }
        for run in [pending, running, finished] {
            assert_eq!(store.run(run.uid).await.unwrap(), Some(run));
        }
        assert_eq!(store.interrupt_unfinished(now).await.unwrap(), []);
        let filter = RunFilter { state: Some(RunState::Interrupted), ..RunFilter::default() };
        assert_eq!(store.runs(&filter).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_ended_long_ago_are_deleted() {
    on_each(|world| async move {
        let store = world.store;
        let ended = |name: &str, state, at: i64| Run { finished_at: Some(Timestamp(at)), ..sample::run(name, "w", state, 2) };
        let old = [ended("c", RunState::Failed, 30), ended("a", RunState::Finished, 10), ended("b", RunState::Cancelled, 20)];
        let young = ended("young", RunState::Finished, 100);
        // Its end is known only with the change.
        let late = sample::run("late", "w", RunState::Running, 1);
        let under_way = Run { finished_at: Some(Timestamp(1)), ..sample::run("under-way", "w", RunState::Running, 1) };
        for run in old.iter().chain([&young, &late, &under_way]) {
            store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
            store.apply(vec![Change::Logged { run: run.uid, lines: sample::lines(0..3) }]).await.unwrap();
        }
        let late = Run { state: RunState::Finished, finished_at: Some(Timestamp(40)), ..late };
        store.apply(vec![Change::RunChanged(late.clone())]).await.unwrap();

        assert_eq!(store.delete_runs_ended_before(Timestamp(10), 9).await.unwrap(), []);
        assert_eq!(store.delete_runs_ended_before(Timestamp(100), 0).await.unwrap(), []);
        assert_eq!(store.delete_runs_ended_before(Timestamp(100), 2).await.unwrap(), [old[1].uid, old[2].uid]);
        assert_eq!(store.delete_runs_ended_before(Timestamp(100), 9).await.unwrap(), [old[0].uid, late.uid]);
        assert_eq!(store.delete_runs_ended_before(Timestamp(100), 9).await.unwrap(), []);
        for run in &old {
            assert_eq!(store.run(run.uid).await.unwrap(), None);
            assert_eq!(store.log(run.uid, 0, 9).await.unwrap(), []);
        }
        let left: Vec<_> = store.runs(&RunFilter::default()).await.unwrap().into_iter().map(|run| run.name).collect();
        assert_eq!(left, ["under-way", "young"]);
        assert_eq!(store.log(young.uid, 0, 9).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects() {
    on_each(|world| async move {
        let store = world.store;
        let large = Bytes::from(vec![7; 9 << 20]);
        for (key, bytes) in [("a", "1"), ("a/b", "2"), ("a/b c/ü%.json", "3"), ("ab", "4"), ("../x", "5"), ("empty", "")] {
            store.put_object(key, bytes.into()).await.unwrap();
            assert_eq!(store.object(key).await.unwrap().as_deref(), Some(bytes.as_bytes()), "{key}");
        }
        store.put_object("large", large.clone()).await.unwrap();
        assert_eq!(store.object("large").await.unwrap(), Some(large));
        store.put_object("a", "new".into()).await.unwrap();
        assert_eq!(store.object("a").await.unwrap().as_deref(), Some("new".as_bytes()));

        for (prefix, expected) in [
            ("", vec!["../x", "a", "a/b", "a/b c/ü%.json", "ab", "empty", "large"]),
            ("a", vec!["a", "a/b", "a/b c/ü%.json", "ab"]),
            ("a/", vec!["a/b", "a/b c/ü%.json"]),
            ("a/b ", vec!["a/b c/ü%.json"]),
            ("..", vec!["../x"]),
            ("nothing/here", vec![]),
        ] {
            assert_eq!(store.object_keys(prefix).await.unwrap(), expected, "{prefix}");
        }
        store.delete_object("a").await.unwrap();
        store.delete_object("a").await.unwrap();
        assert_eq!(store.object("a").await.unwrap(), None);
        assert_eq!(store.object("a/b").await.unwrap().as_deref(), Some("2".as_bytes()));
        assert_eq!(store.put_object("", "x".into()).await, Err(StoreError::BadKey(String::new())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_and_opened_again() {
    on_each(|world| async move {
        let store = world.store.clone();
        let run = sample::run("kept", "w", RunState::Pending, 2);
        let writes: Vec<_> = (0..32)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let run = sample::run(&format!("r{number}"), "w", RunState::Pending, 1);
                    store.apply(vec![Change::RunCreated(run)]).await
                })
            })
            .collect();
        store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();
        store.put_object("kept", "bytes".into()).await.unwrap();
        tokio::join!(store.close(), world.store.close());
        let mut acknowledged = 1;
        for write in writes {
            match write.await.unwrap() {
                Ok(()) => acknowledged += 1,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
            }
        }
        assert!(matches!(store.run(run.uid).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.apply(vec![Change::RunChanged(run.clone())]).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.object("kept").await, Err(StoreError::Unavailable(_))));

        let again = Store::open(world.options.clone()).await.unwrap();
        assert_eq!(again.run(run.uid).await.unwrap(), Some(run));
        assert_eq!(again.runs(&RunFilter::default()).await.unwrap().len(), acknowledged);
        assert_eq!(again.object("kept").await.unwrap().as_deref(), Some("bytes".as_bytes()));
        drop(again);
    })
    .await;
}
