//! Everything out of one store and into another, on every pair of back ends that this machine has.

use bytes::Bytes;
use futures::TryStreamExt as _;
use pegboard_model::{RunState, Timestamp, WorkflowSpec};
use pegboard_store::{Change, Restoration, RunFilter, Snapshot, Store, StoreError, StoreOptions};

use crate::back_end::{Schema, on_each, variable};
use crate::sample;

/// What every format has a word for.
const SAID: &str = "tab\t back\\slash\r\nünï \\N";

/// Rows by table, objects by key.
struct Taken {
    schema: u64,
    rows: Vec<(String, Bytes)>,
    objects: Vec<(String, Bytes)>,
}

async fn take(mut snapshot: Snapshot) -> Taken {
    let mut rows = Vec::new();
    while let Some(piece) = snapshot.next().await.unwrap() {
        assert_eq!(piece.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64, piece.rows);
        rows.push((snapshot.tables()[piece.table].name.clone(), piece.lines));
    }
    let mut objects = Vec::new();
    for key in snapshot.objects().await.unwrap() {
        let (_, bytes) = snapshot.object(&key).await.unwrap().unwrap();
        let bytes: Vec<Bytes> = bytes.try_collect().await.unwrap();
        objects.push((key, bytes.concat().into()));
    }
    Taken { schema: snapshot.schema(), rows, objects }
}

async fn put(taken: &Taken, options: &StoreOptions, replace: bool) -> Result<Option<std::path::PathBuf>, StoreError> {
    let mut restoration = Restoration::begin(options, taken.schema, replace).await?;
    for (table, lines) in &taken.rows {
        restoration.add(table, lines.clone()).await?;
    }
    for (key, bytes) in &taken.objects {
        let mut object = restoration.object(key).await?;
        object.write(bytes.clone()).await?;
        object.finish().await?;
    }
    restoration.finish().await
}

async fn fill(store: &Store) {
    store.put_plugin(&sample::plugin("a-plugin")).await.unwrap();
    store.create(&sample::workflow("train", 5)).await.unwrap();
    for number in 0..3 {
        let mut run = sample::run(&format!("run-{number}"), "train", RunState::Finished, number);
        run.finished_at = Some(Timestamp(5));
        let (uid, key) = (run.uid, format!("runs/{}/result", run.uid));
        store.put_object(&key, Bytes::from(vec![7; 1000])).await.unwrap();
        let mut lines = sample::lines(0..1);
        lines[0].text = SAID.to_owned();
        store.apply(vec![Change::RunCreated(run), Change::Logged { run: uid, lines }]).await.unwrap();
    }
    store.put_event(&sample::event(1)).await.unwrap();
    store.put_object("a b/../empty", Bytes::new()).await.unwrap();
}

/// What `fill` put there is there, and the store goes on where the other one was.
async fn check(options: StoreOptions) {
    let store = Store::open(options).await.unwrap();
    let runs = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["run-2", "run-1", "run-0"]);
    for run in &runs {
        let stages = store.run(run.uid).await.unwrap().unwrap().stages.len();
        assert_eq!(run.name, format!("run-{stages}"));
        let log = store.log(run.uid, 0, 10).await.unwrap();
        assert_eq!(log[0].line.text, SAID);
        assert_eq!(store.object(&format!("runs/{}/result", run.uid)).await.unwrap().unwrap().len(), 1000);
    }
    assert_eq!(store.plugins().await.unwrap().len(), 1);
    assert_eq!(store.object("a b/../empty").await.unwrap(), Some(Bytes::new()));
    assert_eq!(store.resources::<WorkflowSpec>().await.unwrap().len(), 1);
    // Numbers go on after the last ones.
    assert_eq!(store.put_event(&sample::event(2)).await.unwrap(), 2);
    let new = sample::run("new", "train", RunState::Pending, 9);
    store.apply(vec![Change::RunCreated(new)]).await.unwrap();
    assert_eq!(store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await.unwrap()[0].name.as_str(), "new");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_each_back_end_to_each() {
    on_each(|world| async move {
        fill(&world.store).await;
        let taken = take(world.store.snapshot().await.unwrap()).await;
        assert_eq!(taken.objects.len(), 4);
        let directory = tempfile::tempdir().unwrap();
        let local = StoreOptions::local(directory.path().join("new"));
        assert_eq!(put(&taken, &local, false).await.unwrap(), None);
        check(local).await;
        if let Some(server) = variable("PEGBOARD_TEST_POSTGRES_URL") {
            let schema = Schema::create(&server).await;
            let options =
                StoreOptions { postgres_url: Some(schema.url()), ..StoreOptions::local(directory.path().join("other")) };
            put(&taken, &options, false).await.unwrap();
            check(options.clone()).await;
            let elsewhere = StoreOptions { directory: directory.path().join("third"), ..options };
            assert!(matches!(put(&taken, &elsewhere, false).await, Err(StoreError::NotEmpty(what)) if what.contains("table")));
            put(&taken, &elsewhere, true).await.unwrap();
            check(elsewhere).await;
            schema.remove().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_of_one_instant_and_keeps_its_objects() {
    on_each(|world| async move {
        let store = &world.store;
        fill(store).await;
        let snapshot = store.snapshot().await.unwrap();
        // What happens from here on is not in it.
        store.create(&sample::workflow("later", 6)).await.unwrap();
        store.put_object("later", Bytes::from_static(b"x")).await.unwrap();
        let runs = store.delete_runs_ended_before(Timestamp(i64::MAX), 9).await.unwrap();
        for run in &runs {
            store.delete_object(&format!("runs/{run}/result")).await.unwrap();
            assert_eq!(store.object(&format!("runs/{run}/result")).await.unwrap(), None, "gone for everybody else");
        }
        assert_eq!(store.object_keys("runs").await.unwrap(), [""; 0]);
        let kept = format!("runs/{}/result", runs.first().unwrap());
        store.put_object(&kept, Bytes::from_static(b"again")).await.unwrap();
        let taken = take(snapshot).await;
        let rows = |table: &str| {
            let lines =
                taken.rows.iter().filter(|(name, _)| name == table).flat_map(|(_, lines)| lines.split(|byte| *byte == b'\n'));
            lines.filter(|line| !line.is_empty()).count()
        };
        assert_eq!((rows("runs"), rows("logs"), rows("resources")), (3, 3, 1));
        assert_eq!(taken.objects.iter().filter(|(key, _)| key.starts_with("runs/")).count(), 3);
        // Afterwards the deletions are done, but for what was put anew.
        let begun = std::time::Instant::now();
        loop {
            let found = store.object_keys("runs").await.unwrap();
            let fresh = store.snapshot().await.unwrap();
            let all = fresh.objects().await.unwrap().into_iter().filter(|key| key.starts_with("runs/")).count();
            drop(fresh);
            if found == [kept.as_str()] && all == 1 {
                break;
            }
            assert!(begun.elapsed().as_secs() < 10, "{found:?} {all}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(store.object(&kept).await.unwrap(), Some(Bytes::from_static(b"again")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (StoreOptions::local(directory.path().join("from")), StoreOptions::local(directory.path().join("to")));
    let store = Store::open(from.clone()).await.unwrap();
    fill(&store).await;
    let taken = take(store.snapshot().await.unwrap()).await;
    assert!(matches!(put(&taken, &from, true).await, Err(StoreError::Locked { .. })), "a server runs there");
    store.close().await;

    let old = Store::open(to.clone()).await.unwrap();
    old.create(&sample::workflow("old", 1)).await.unwrap();
    old.close().await;
    assert!(matches!(put(&taken, &to, false).await, Err(StoreError::NotEmpty(what)) if what.contains("to/")));
    let wrong = Taken { rows: vec![("runs".to_owned(), "[1]\n".into())], objects: Vec::new(), ..taken };
    let mut restoration = Restoration::begin(&to, wrong.schema, true).await.unwrap();
    assert!(matches!(restoration.add("runs", wrong.rows[0].1.clone()).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(restoration.add("nonsense", Bytes::new()).await, Err(StoreError::Corrupt(_))));
    restoration.abandon().await;
    assert!(matches!(Restoration::begin(&to, 999, true).await, Err(StoreError::Newer { found: 999, .. })));
    let names = |store: Store| async move {
        let all = store.resources::<WorkflowSpec>().await.unwrap();
        store.close().await;
        all.into_iter().map(|workflow| workflow.metadata.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Store::open(to.clone()).await.unwrap()).await, ["old"], "as before");
    assert!(
        !std::fs::read_dir(&to.directory)
            .unwrap()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("restoring"))
    );

    let store = Store::open(from).await.unwrap();
    let taken = take(store.snapshot().await.unwrap()).await;
    store.close().await;
    let former = put(&taken, &to, true).await.unwrap().unwrap();
    check(to).await;
    assert_eq!(names(Store::open(StoreOptions::local(former)).await.unwrap()).await, ["old"], "set aside whole");
}
