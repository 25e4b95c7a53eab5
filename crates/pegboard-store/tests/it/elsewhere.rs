//! What only happens to a database or a bucket across a network. Each test needs its service and does nothing without it.

use std::time::Duration;

use bytes::Bytes;
use pegboard_model::{RunState, Timestamp, WorkflowSpec};
use pegboard_store::{Change, S3Options, Store, StoreError, StoreOptions};

use crate::back_end::{Schema, bucket, variable};
use crate::sample;

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_again() {
    let Some(server) = variable("PEGBOARD_TEST_POSTGRES_URL") else { return };
    let directory = tempfile::tempdir().unwrap();
    let schema = Schema::create(&server).await;
    let name = uuid::Uuid::new_v4().simple().to_string();
    let postgres_url = Some(format!("{}&application_name={name}", schema.url()));
    let store = Store::open(StoreOptions { postgres_url, ..StoreOptions::local(directory.path()) }).await.unwrap();
    let run = sample::run("steady", "w", RunState::Running, 1);
    store.apply(vec![Change::RunCreated(run.clone())]).await.unwrap();

    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (store, uid) = (store.clone(), run.uid);
            tokio::spawn(async move {
                let mut acknowledged = 0;
                for number in 0..60 {
                    match store.apply(vec![Change::Logged { run: uid, lines: sample::lines(number..number + 1) }]).await {
                        Ok(()) => acknowledged += 1,
                        // Lost in the very moment of the commit: nobody knows, and the caller is told so.
                        Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(15)).await;
        let kill = format!("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{name}'");
        schema.execute(&kill).await;
    }
    let mut acknowledged = 0;
    for caller in callers {
        acknowledged += caller.await.unwrap();
    }
    let log = store.log(run.uid, 0, 1000).await.unwrap();
    assert!(log.len() >= acknowledged && acknowledged > 400, "{acknowledged} acknowledged, {} stored", log.len());
    assert!(log.iter().zip(1..).all(|(line, sequence)| line.sequence == sequence));
    store.close().await;
    schema.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_or_damaged_database_is_refused() {
    let Some(server) = variable("PEGBOARD_TEST_POSTGRES_URL") else { return };
    let directory = tempfile::tempdir().unwrap();
    let schema = Schema::create(&server).await;
    let options = StoreOptions { postgres_url: Some(schema.url()), ..StoreOptions::local(directory.path()) };
    let store = Store::open(options.clone()).await.unwrap();
    let workflow = sample::workflow("damaged", 1);
    store.create(&workflow).await.unwrap();
    schema.execute("update resources set document = '{}'").await;
    let damaged = store.by_uid::<WorkflowSpec>(workflow.metadata.uid).await.unwrap_err();
    assert!(matches!(&damaged, StoreError::Corrupt(words) if words.contains("`damaged`")), "{damaged}");
    assert_eq!(store.interrupt_unfinished(Timestamp(1)).await, Ok(Vec::new()));
    store.close().await;
    schema.execute("update meta set value = '99' where key = 'schema'").await;
    assert!(matches!(Store::open(options).await.map(drop), Err(StoreError::Newer { found: 99, .. })));
    schema.remove().await;
}

/// Needs no service: nobody listens there.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let directory = tempfile::tempdir().unwrap();
    let postgres_url = Some("postgres://nobody@127.0.0.1:9/none".to_owned());
    let options = StoreOptions { postgres_url, ..StoreOptions::local(directory.path()) };
    let error = Store::open(options).await.map(drop).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(words) if words.contains("refused")), "{error}");
    // The lock went with it.
    Store::open(StoreOptions::local(directory.path())).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets() {
    let Some(endpoint) = variable("PEGBOARD_TEST_S3_ENDPOINT") else { return };
    let directory = tempfile::tempdir().unwrap();
    let open = async |name: &str, s3: S3Options| {
        Store::open(StoreOptions { s3: Some(s3), ..StoreOptions::local(directory.path().join(name)) }).await
    };
    let missing = S3Options { bucket: "no-such-bucket".to_owned(), ..bucket(endpoint.clone()) };
    let error = open("missing", missing).await.map(drop).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(words) if words.contains("`no-such-bucket`")), "{error}");

    // Prefixes keep stores apart, also when one name begins with the other.
    let one = bucket(endpoint);
    let two = S3Options { prefix: format!("{}-more", one.prefix), ..one.clone() };
    let (one, two) = (open("one", one).await.unwrap(), open("two", two).await.unwrap());
    two.put_object("theirs", "x".into()).await.unwrap();
    assert_eq!(one.object_keys("").await.unwrap(), Vec::<String>::new());

    // Sent in parts.
    let large: Bytes = (0..40u32 << 20).map(|number| (number >> 12) as u8).collect::<Vec<_>>().into();
    one.put_object("large", large.clone()).await.unwrap();
    assert_eq!(one.object("large").await.unwrap(), Some(large));
    assert_eq!(one.object_keys("").await.unwrap(), ["large"]);
}
