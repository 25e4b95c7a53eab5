//! Which back ends there are in this run of the tests, and a fresh store on each.

use std::future::Future;

use pegboard_store::{S3Options, Store, StoreOptions};

/// A store of its own for one test, and how to open it again.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) options: StoreOptions,
}

/// Runs the test on every back end that this machine has, and says on which: SQLite and a folder always, PostgreSQL when
/// `PEGBOARD_TEST_POSTGRES_URL` is set, S3 when `PEGBOARD_TEST_S3_ENDPOINT` is.
pub(crate) async fn on_each<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let local = StoreOptions::local(directory.path().join("local"));
    run("SQLite and a folder", local, &test).await;

    if let Some(url) = variable("PEGBOARD_TEST_POSTGRES_URL") {
        let schema = Schema::create(&url).await;
        let options = StoreOptions { postgres_url: Some(schema.url()), ..StoreOptions::local(directory.path().join("postgres")) };
        run("PostgreSQL", options, &test).await;
        schema.remove().await;
    }
    if let Some(endpoint) = variable("PEGBOARD_TEST_S3_ENDPOINT") {
        let options = StoreOptions { s3: Some(bucket(endpoint)), ..StoreOptions::local(directory.path().join("s3")) };
        run("S3", options, &test).await;
    }
}

async fn run<F: Future<Output = ()>>(name: &str, options: StoreOptions, test: &impl Fn(World) -> F) {
    println!("on {name}");
    let store = Store::open(options.clone()).await.unwrap();
    test(World { store: store.clone(), options }).await;
    store.close().await;
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A prefix of its own in the bucket.
pub(crate) fn bucket(endpoint: String) -> S3Options {
    S3Options {
        bucket: variable("PEGBOARD_TEST_S3_BUCKET").unwrap_or_else(|| "pegboard-test".to_owned()),
        prefix: format!("tests/{}", uuid::Uuid::new_v4()),
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        access_key_id: variable("AWS_ACCESS_KEY_ID"),
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
    }
}

/// A schema of its own in the database.
pub(crate) struct Schema {
    server: String,
    name: String,
}

impl Schema {
    pub(crate) async fn create(server: &str) -> Self {
        let schema = Self { server: server.to_owned(), name: format!("test_{}", uuid::Uuid::new_v4().simple()) };
        schema.execute(&format!("create schema {}", schema.name)).await;
        schema
    }

    /// The database with the schema as the one place to look.
    pub(crate) fn url(&self) -> String {
        let separator = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{separator}options=-csearch_path%3D{}", self.server, self.name)
    }

    pub(crate) async fn remove(self) {
        self.execute(&format!("drop schema {} cascade", self.name)).await;
    }

    /// As another client of the database would.
    pub(crate) async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }
}
