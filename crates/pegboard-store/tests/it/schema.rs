//! A database that an older Pegboard left behind is brought to today's schema with all that is in it.

use pegboard_model::{RunState, Timestamp, WorkflowSpec};
use pegboard_store::{Store, StoreError, StoreOptions};

use crate::back_end::{Schema, variable};
use crate::sample;

/// Schema 1 with two workflows, of which the one with the later ordinal has the earlier name, and four runs.
fn first(schema: &str) -> (String, [String; 4]) {
    let mut sql = schema.to_owned();
    sql.push_str("create table meta (key text primary key, value text not null); insert into meta values ('schema', '1');");
    for name in ["zeta", "deleted", "eta"] {
        let workflow = sample::workflow(name, 5);
        let uid = workflow.metadata.uid;
        let document = document(&workflow);
        sql.push_str(&format!(
            "insert into workflows (uid, name, updated_at, document) values ('{uid}', '{name}', 5, '{document}');"
        ));
    }
    sql.push_str("delete from workflows where name = 'deleted';");
    let mut uids = Vec::new();
    for (name, state, finished_at) in [
        ("before", RunState::Finished, Some(1_700_000_000_999_999)),
        ("after", RunState::Failed, Some(1_700_000_001_000_001)),
        ("running", RunState::Running, None),
        ("no-end", RunState::Cancelled, None),
    ] {
        let mut run = sample::run(name, "zeta", state, 0);
        run.input.insert("finished_at".to_owned(), "1999-01-01T00:00:00.000000Z \0".into());
        run.finished_at = finished_at.map(Timestamp);
        let (uid, state, document) = (run.uid, state.as_str(), document(&run));
        sql.push_str(&format!(
            "insert into runs (uid, name, workflow, state, document) values ('{uid}', '{name}', 'zeta', '{state}', '{document}');"
        ));
        uids.push(uid.to_string());
    }
    (sql, uids.try_into().unwrap())
}

fn document(value: &impl serde::Serialize) -> String {
    let mut json = serde_json::to_value(value).unwrap();
    json["version"] = "v1".into();
    json.to_string()
}

async fn check(options: StoreOptions, runs: [String; 4]) {
    let store = Store::open(options).await.unwrap();
    let names = async || {
        let all = store.resources::<WorkflowSpec>().await.unwrap();
        all.into_iter().map(|workflow| workflow.metadata.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["zeta", "eta"]);
    assert_eq!(store.create(&sample::workflow("zeta", 1)).await, Err(StoreError::AlreadyExists("zeta".into())));
    let mut zeta = store.by_name::<WorkflowSpec>(&"zeta".parse().unwrap()).await.unwrap().unwrap();
    zeta.metadata.updated_at = Timestamp(6);
    store.update(&zeta, Some(Timestamp(5))).await.unwrap();
    store.create(&sample::workflow("alpha", 1)).await.unwrap();
    assert_eq!(names().await, ["zeta", "eta", "alpha"]);

    let [before, after, running, no_end] = runs.map(|uid| uid.parse().unwrap());
    assert_eq!(store.delete_runs_ended_before(Timestamp(1_700_000_000_999_999), 9).await.unwrap(), []);
    assert_eq!(store.delete_runs_ended_before(Timestamp(1_700_000_001_000_001), 9).await.unwrap(), [before]);
    assert_eq!(store.delete_runs_ended_before(Timestamp(1_700_000_001_000_002), 9).await.unwrap(), [after]);
    for run in [running, no_end] {
        assert!(store.run(run).await.unwrap().is_some());
    }
    assert_eq!(store.put_event(&sample::event(1)).await.unwrap(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let (sql, runs) = first(include_str!("../../src/sqlite/migrations/0001_records.sql"));
    let file = rusqlite::Connection::open(directory.path().join("pegboard.db")).unwrap();
    file.execute_batch(&sql).unwrap();
    // A document that cannot be read does not keep the others from being brought over.
    file.execute("insert into runs (uid, name, workflow, state, document) values ('x', 'x', 'zeta', 'failed', '{\"ver')", [])
        .unwrap();
    drop(file);
    check(StoreOptions::local(directory.path()), runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_on_postgres() {
    let Some(server) = variable("PEGBOARD_TEST_POSTGRES_URL") else { return };
    let directory = tempfile::tempdir().unwrap();
    let schema = Schema::create(&server).await;
    let (sql, runs) = first(include_str!("../../src/postgres/migrations/0001_records.sql"));
    schema.execute(&sql).await;
    let options = StoreOptions { postgres_url: Some(schema.url()), ..StoreOptions::local(directory.path()) };
    check(options, runs).await;
    schema.remove().await;
}
