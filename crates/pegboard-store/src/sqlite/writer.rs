//! The one thread that writes, and its group commit.
//!
//! It takes whatever is queued, gives each batch a savepoint within one transaction, commits, and only then answers. So many
//! callers share one synchronisation of the disk, and a batch that fails takes back nothing but itself. A group waits for the
//! disk when one of its batches must; as the log is written in order, everything before it is on the disk then, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connection::synchronise_commits;
use super::error::from_sqlite;
use super::flusher::Flusher;
use super::queries;
use crate::error::StoreError;
use crate::lock::DirectoryLock;
use crate::record::{Flush, Statement};

/// Batches that may wait; beyond it callers wait to be let in.
const QUEUE: usize = 4096;
/// Statements after which a group is committed though more are queued: bounds the time to the first answer.
const GROUP: usize = 8192;

enum Job {
    Write(Batch),
    Close(oneshot::Sender<()>),
}

struct Batch {
    statements: Vec<Statement>,
    flush: Flush,
    answer: oneshot::Sender<Result<u64, StoreError>>,
}

/// The sending end. The thread ends when this is dropped and the queue is empty.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// The connection waits for the disk with every commit, as it is opened.
    pub(super) fn start(
        connection: Connection,
        path: PathBuf,
        lock: Option<Arc<DirectoryLock>>,
        flusher: Flusher,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        thread
            .spawn(move || serve(Database { connection, path, flush: Flush::Now }, &flusher, queue, lock))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { jobs })
    }

    pub(super) async fn write(&self, statements: Vec<Statement>, flush: Flush) -> Result<u64, StoreError> {
        let (answer, result) = oneshot::channel();
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        self.jobs.send(Job::Write(Batch { statements, flush, answer })).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Returns when everything that was queued is durable, the file is closed and the thread's hold of the lock is gone.
    pub(super) async fn close(&self) {
        let (answer, done) = oneshot::channel();
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            // The thread drops its end without a word only if it panicked; closed is closed either way.
            let _ended = done.await;
        } else {
            // Somebody else is closing: the receiver goes away when the thread is done.
            self.jobs.closed().await;
        }
    }
}

/// The connection, and what its commits wait for.
struct Database {
    connection: Connection,
    path: PathBuf,
    flush: Flush,
}

fn serve(mut database: Database, flusher: &Flusher, mut queue: mpsc::Receiver<Job>, lock: Option<Arc<DirectoryLock>>) {
    let mut closers = Vec::new();
    let mut group = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        let mut next = Some(first);
        let mut size = 0;
        while let Some(job) = next {
            match job {
                Job::Write(batch) => {
                    size += batch.statements.len();
                    group.push(batch);
                }
                Job::Close(answer) => {
                    // What is queued already is still written; the loop ends when the queue is empty.
                    queue.close();
                    closers.push(answer);
                }
            }
            next = if size < GROUP { queue.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            let flush = group.iter().map(|batch| batch.flush).max().unwrap_or(Flush::Now);
            match database.wait_for(flush) {
                Ok(()) => commit(&database.connection, &database.path, &mut group),
                // A promise that cannot be kept is not made.
                Err(error) => group.drain(..).for_each(|batch| drop(batch.answer.send(Err(error.clone())))),
            }
            if flush == Flush::Soon {
                flusher.note();
            }
        }
    }
    if let Err((_, error)) = database.connection.close() {
        tracing::warn!(%error, "the database did not close well; it is repaired at the next start");
    }
    drop(lock);
    for closer in closers {
        let _gone = closer.send(());
    }
}

impl Database {
    fn wait_for(&mut self, flush: Flush) -> Result<(), StoreError> {
        if flush != self.flush {
            synchronise_commits(&self.connection, flush).map_err(|error| from_sqlite(&self.path, &error))?;
            self.flush = flush;
        }
        Ok(())
    }
}

/// Writes the group and answers everybody in it.
fn commit(connection: &Connection, path: &Path, group: &mut Vec<Batch>) {
    match attempt(connection, path, group) {
        Ok(results) => {
            for (batch, result) in group.drain(..).zip(results) {
                let _gone = batch.answer.send(result);
            }
        }
        // The transaction as a whole was lost, as on a full disk. One by one, so that what fits is written.
        Err(error) => {
            let single = group.len() == 1;
            for batch in group.drain(..) {
                let result = if single {
                    Err(error.clone())
                } else {
                    attempt(connection, path, std::slice::from_ref(&batch))
                        .and_then(|mut results| results.pop().unwrap_or_else(|| Err(error.clone())))
                };
                let _gone = batch.answer.send(result);
            }
        }
    }
}

/// One transaction with one result per batch; `Err` when nothing of it is stored.
fn attempt(connection: &Connection, path: &Path, group: &[Batch]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
    let say = |sql: &str| {
        connection.prepare_cached(sql).and_then(|mut one| one.execute([])).map(drop).map_err(|error| from_sqlite(path, &error))
    };
    let whole = || {
        say("begin immediate")?;
        let mut results = Vec::with_capacity(group.len());
        for batch in group {
            say("savepoint batch")?;
            let result = queries::write(connection, path, &batch.statements);
            if let Err(error) = &result {
                // SQLite itself gives up the whole transaction on some errors; then there is no savepoint to return to.
                if connection.is_autocommit() {
                    return Err(error.clone());
                }
                say("rollback to batch")?;
            }
            say("release batch")?;
            results.push(result);
        }
        say("commit")?;
        Ok(results)
    };
    let outcome = whole();
    if outcome.is_err() && !connection.is_autocommit() {
        say("rollback")?;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn statement(name: &str, bytes: usize) -> Vec<Statement> {
        vec![Statement::new("insert into things (name, document) values ($1, $2)", vec![name.into(), "x".repeat(bytes).into()])]
    }

    fn things(bytes: &[(&str, usize)]) -> (Vec<Batch>, Vec<oneshot::Receiver<Result<u64, StoreError>>>) {
        let with_answer = |&(name, bytes): &(&str, usize)| {
            let (answer, result) = oneshot::channel();
            (Batch { statements: statement(name, bytes), flush: Flush::Now, answer }, result)
        };
        bytes.iter().map(with_answer).unzip()
    }

    fn connection(directory: &Path) -> Connection {
        let connection = Connection::open(directory.join("test.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("create table things (name text primary key not null, document text not null)").unwrap();
        connection
    }

    fn names(connection: &Connection) -> Vec<String> {
        let mut names = connection.prepare("select name from things order by name").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let connection = connection(directory.path());
        connection.pragma_update(None, "max_page_count", 30).unwrap();
        let (mut group, mut answers) = things(&[("a", 10), ("large", 1 << 20), ("b", 10), ("a", 10), ("c", 10)]);
        commit(&connection, Path::new("test.db"), &mut group);
        let results: Vec<_> = answers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect();
        assert!(matches!(&results[1], Err(StoreError::Full(words)) if words.contains("test.db")), "{results:?}");
        assert_eq!(results[3], Err(StoreError::AlreadyExists("a".into())));
        for index in [0, 2, 4] {
            assert_eq!(results[index], Ok(1));
        }
        assert_eq!(names(&connection), ["a", "b", "c"]);

        // Room again, and it goes on.
        connection.pragma_update(None, "max_page_count", 3000).unwrap();
        let (mut group, mut answers) = things(&[("large", 1 << 20)]);
        commit(&connection, Path::new("test.db"), &mut group);
        assert_eq!(answers[0].try_recv().unwrap(), Ok(1));
    }

    #[test]
    fn a_group_that_is_lost_as_a_whole_is_tried_one_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let connection = connection(directory.path());
        // `or rollback` makes SQLite give up the transaction together with the savepoints before it.
        let (mut group, mut answers) = things(&[("a", 1), ("b", 1), ("a", 1), ("c", 1)]);
        group[2].statements[0].sql = "insert or rollback into things (name, document) values ($1, $2)";
        commit(&connection, Path::new("test.db"), &mut group);
        let results: Vec<_> = answers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect();
        assert_eq!(results, [Ok(1), Ok(1), Err(StoreError::AlreadyExists("a".into())), Ok(1)]);
        assert_eq!(names(&connection), ["a", "b", "c"]);
    }

    #[test]
    fn a_group_waits_for_the_disk_when_one_of_its_batches_must() {
        let directory = tempfile::tempdir().unwrap();
        let connection = connection(directory.path());
        synchronise_commits(&connection, Flush::Now).unwrap();
        let mut database = Database { connection, path: "test.db".into(), flush: Flush::Now };
        assert!(Flush::Now > Flush::Soon, "the greatest of a group decides");
        // 1 is `normal`, 2 is `full`.
        for (flush, mode) in [(Flush::Soon, 1), (Flush::Soon, 1), (Flush::Now, 2), (Flush::Soon, 1)] {
            database.wait_for(flush).unwrap();
            let found: i64 = database.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(found, mode, "{flush:?}");
        }
    }

    #[tokio::test]
    async fn what_was_queued_before_the_close_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let writer = {
            let flusher = Flusher::start(|| Ok(())).unwrap();
            Writer::start(connection(directory.path()), "test.db".into(), None, flusher).unwrap()
        };
        let flush = |number| if number % 2 == 0 { Flush::Now } else { Flush::Soon };
        let write = |number| writer.write(statement(&format!("{number:03}"), 1), flush(number));
        let many = futures::future::join_all((0..100).map(write));
        let (results, ()) = futures::future::join(many, writer.close()).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert!(matches!(writer.write(statement("late", 1), Flush::Now).await, Err(StoreError::Unavailable(_))));
        writer.close().await;
        assert_eq!(names(&Connection::open(directory.path().join("test.db")).unwrap()).len(), 100);
    }
}
