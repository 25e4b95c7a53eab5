//! What only happens to a data directory: locked, not writable, damaged, from the future.

use std::path::Path;
use std::time::Duration;

use pegboard_model::RunState;
use pegboard_store::{Change, RunFilter, Store, StoreError, StoreOptions};

use crate::sample;

async fn refused(directory: &Path) -> StoreError {
    Store::open(StoreOptions::local(directory)).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn one_server_per_directory() {
    let world = tempfile::tempdir().unwrap();
    let directory = world.path().join("data");
    let first = Store::open(StoreOptions::local(&directory)).await.unwrap();
    let locked = StoreError::Locked { directory: directory.clone(), process_id: Some(std::process::id()) };
    assert_eq!(refused(&directory).await, locked);
    first.put_plugin(&sample::plugin("still-works")).await.unwrap();
    let clone = first.clone();
    first.close().await;
    let second = Store::open(StoreOptions::local(&directory)).await.unwrap();
    assert!(matches!(clone.plugins().await, Err(StoreError::Unavailable(_))));
    assert_eq!(second.plugins().await.unwrap(), [sample::plugin("still-works")]);

    // Dropped instead of closed, with work on the way: the work is done, then the lock goes.
    let late = second.clone();
    let write = tokio::spawn(async move { late.put_plugin(&sample::plugin("late")).await });
    write.await.unwrap().unwrap();
    drop(second);
    for _ in 0..200 {
        match Store::open(StoreOptions::local(&directory)).await {
            Ok(third) => {
                assert_eq!(third.plugins().await.unwrap().len(), 2);
                return;
            }
            Err(error) => assert_eq!(error, locked),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the lock outlived its store");
}

#[tokio::test]
async fn a_directory_that_takes_no_files() {
    let world = tempfile::tempdir().unwrap();
    let file = world.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    assert!(matches!(refused(&below).await, StoreError::ReadOnly(path, _) if path == below));

    let directory = world.path().join("one");
    std::fs::create_dir_all(directory.join("pegboard.db")).unwrap();
    assert!(matches!(refused(&directory).await, StoreError::ReadOnly(path, _) if path == directory.join("pegboard.db")));

    let directory = world.path().join("two");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("objects"), "").unwrap();
    assert!(matches!(refused(&directory).await, StoreError::ReadOnly(path, _) if path == directory.join("objects")));
    std::fs::remove_file(directory.join("objects")).unwrap();
    Store::open(StoreOptions::local(&directory)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_damaged_document_is_named_and_harms_no_other() {
    let world = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::local(world.path())).await.unwrap();
    let (good, bad) = (sample::run("good", "w", RunState::Finished, 1), sample::run("bad", "v", RunState::Finished, 1));
    store.apply(vec![Change::RunCreated(good.clone()), Change::RunCreated(bad.clone())]).await.unwrap();
    store.put_plugin(&sample::plugin("broken")).await.unwrap();

    let file = rusqlite::Connection::open(world.path().join("pegboard.db")).unwrap();
    file.execute("update runs set document = substr(document, 1, 40) where name = 'bad'", []).unwrap();
    file.execute("update plugins set document = '{\"version\":\"v99\"}'", []).unwrap();
    let corrupt = |error, subject: &str| match error {
        StoreError::Corrupt(words) => assert!(words.contains(subject), "{words}"),
        other => panic!("{other:?}"),
    };
    corrupt(store.run(bad.uid).await.unwrap_err(), &bad.uid.to_string());
    corrupt(store.run_by_name("bad").await.unwrap_err(), "run `bad`");
    corrupt(store.runs(&RunFilter::default()).await.unwrap_err(), &bad.uid.to_string());
    corrupt(store.plugins().await.unwrap_err(), "plugin `broken`: version `v99` is not known");
    assert_eq!(store.run(good.uid).await.unwrap(), Some(good));
    assert!(store.delete_run(bad.uid).await.unwrap(), "it can be thrown away");
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_or_newer_file_is_refused() {
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("pegboard.db");
    std::fs::write(&path, "this is no database, and long enough to be sure of it".repeat(100)).unwrap();
    assert!(matches!(refused(world.path()).await, StoreError::Corrupt(words) if words.contains("pegboard.db")));
    std::fs::remove_file(&path).unwrap();

    Store::open(StoreOptions::local(world.path())).await.unwrap().close().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("update meta set value = '99' where key = 'schema'", []).unwrap();
    assert!(matches!(refused(world.path()).await, StoreError::Newer { found: 99, .. }));
}
