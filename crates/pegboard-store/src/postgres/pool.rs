//! A few connections, made again when they are lost.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use tokio::sync::RwLock;
use tokio_postgres::{Config, NoTls};

use super::error::{Trouble, from_postgres};
use super::{copy, migrations, queries};
use crate::backup::{Pieces, Table};
use crate::error::StoreError;
use crate::record::{Cell, Row, Statement};

/// Connections per server; the database commits those that write at once together.
const CONNECTIONS: usize = 8;
/// Pauses before another try when the connection was lost: a restart of the database is ridden out, an outage is reported.
const PAUSES: &[Duration] = &[
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_millis(3000),
];

/// One database.
pub(crate) struct PostgresRecords {
    pool: Pool,
    /// Whether it is closed. Whoever is at work holds it for reading, so closing waits for them.
    closed: Arc<RwLock<bool>>,
}

impl PostgresRecords {
    /// Connects and migrates. One try: a wrong address is told at once.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let config = config(url)?;
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .build()
            .map_err(|error| StoreError::Unavailable(format!("PostgreSQL: {error}")))?;
        let mut client = pool.get().await.map_err(|error| connecting(error).into_error())?;
        migrations::run(&mut client).await?;
        drop(client);
        Ok(Self { pool, closed: Arc::new(RwLock::new(false)) })
    }

    /// In a task of its own, so that a caller who goes away takes nothing back.
    pub(crate) async fn write(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        let at_work = Arc::clone(&self.closed).read_owned().await;
        if *at_work {
            return Err(closed());
        }
        let pool = self.pool.clone();
        let work = tokio::spawn(async move {
            let _at_work = at_work;
            let mut patience = Patience::new();
            loop {
                match write_once(&pool, &statements).await {
                    Ok(touched) => return Ok(touched),
                    Err(trouble) => patience.bear(trouble).await?,
                }
            }
        });
        work.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("work on the database ended early: {error}"))))
    }

    pub(crate) async fn read(&self, sql: &'static str, parameters: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let at_work = self.closed.read().await;
        if *at_work {
            return Err(closed());
        }
        let mut patience = Patience::new();
        loop {
            match read_once(&self.pool, sql, &parameters).await {
                Ok(rows) => return Ok(rows),
                Err(trouble) => patience.bear(trouble).await?,
            }
        }
    }

    /// Says all rows of all tables as they are when this returns.
    pub(crate) async fn export(&self, tables: Arc<Vec<Table>>, pieces: Pieces) -> Result<(), StoreError> {
        let at_work = Arc::clone(&self.closed).read_owned().await;
        if *at_work {
            return Err(closed());
        }
        let client = self.pool.get().await.map_err(|error| connecting(error).into_error())?;
        copy::export(client, tables, pieces).await
    }

    /// Waits for whoever is at work and closes the connections.
    pub(crate) async fn close(&self) {
        *self.closed.write().await = true;
        self.pool.close();
    }
}

/// Where the database is, and how long we wait for it.
pub(super) fn config(url: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(|error| from_postgres(&error))?;
    config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
    if config.get_application_name().is_none() {
        config.application_name("pegboard");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    Ok(config)
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

async fn write_once(pool: &Pool, statements: &[Statement]) -> Result<u64, Trouble> {
    let mut client = pool.get().await.map_err(connecting)?;
    queries::write(&mut client, statements).await
}

async fn read_once(pool: &Pool, sql: &str, parameters: &[Cell]) -> Result<Vec<Row>, Trouble> {
    let client = pool.get().await.map_err(connecting)?;
    queries::read(&client, sql, parameters).await
}

/// How often one caller tries again.
struct Patience(std::slice::Iter<'static, Duration>);

impl Patience {
    fn new() -> Self {
        Self(PAUSES.iter())
    }

    /// Returns after a pause when another try makes sense.
    async fn bear(&mut self, trouble: Trouble) -> Result<(), StoreError> {
        match (trouble, self.0.next()) {
            (Trouble::WithoutEffect(error), Some(pause)) => {
                tracing::debug!(%error, "trying the database again");
                tokio::time::sleep(*pause).await;
                Ok(())
            }
            (trouble, _) => Err(trouble.into_error()),
        }
    }
}

fn connecting(error: PoolError) -> Trouble {
    match error {
        PoolError::Backend(error) => Trouble::before_commit(&error),
        PoolError::Closed => Trouble::Final(closed()),
        other => Trouble::Final(StoreError::Unavailable(format!("PostgreSQL: {other}"))),
    }
}
