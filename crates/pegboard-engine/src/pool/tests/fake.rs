//! Workers without processes: the target of a stage says what they do.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use bytes::Bytes;
use futures::StreamExt;
use pegboard_model::{Operation, RunContext, Timestamp, Value, WorkerState};

use super::super::*;

/// Starts workers that understand the targets `sleep:MILLISECONDS`, `raise`, `crash`, `overdue`, `vanish`.
pub(super) struct FakeSource {
    pub(super) load: Duration,
    pub(super) failure: Mutex<Option<Failure>>,
    pub(super) started: AtomicU64,
    pub(super) living: Arc<AtomicUsize>,
    /// Most that lived at once.
    pub(super) peak: AtomicUsize,
    /// Answer to whether the code is unchanged; accepting sets it.
    pub(super) unchanged: AtomicBool,
    /// Kills all idle ones by making their status dead.
    sinks: Mutex<Vec<(StatusSink, u64)>>,
}

pub(super) fn source() -> Arc<FakeSource> {
    Arc::new(FakeSource {
        load: Duration::from_millis(4),
        failure: Mutex::default(),
        started: AtomicU64::new(0),
        living: Arc::default(),
        peak: AtomicUsize::new(0),
        unchanged: AtomicBool::new(true),
        sinks: Mutex::default(),
    })
}

pub(super) fn broken() -> Arc<FakeSource> {
    let source = source();
    source.fail(Some("No module named 'x'"));
    source
}

pub(super) fn status(generation: u64, state: WorkerState) -> WorkerStatus {
    WorkerStatus {
        plugin: "fake".parse().unwrap(),
        process_id: Some(7),
        state,
        call: None,
        generation,
        started_at: Timestamp(0),
        calls: 0,
        memory_bytes: None,
    }
}

impl FakeSource {
    pub(super) fn living(&self) -> usize {
        self.living.load(Ordering::SeqCst)
    }

    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::SeqCst)
    }

    pub(super) fn fail(&self, message: Option<&str>) {
        let failure = message.map(|message| Failure::noticed(FailureKind::Load, message).traceback("Traceback: here"));
        *self.failure.lock().unwrap() = failure;
    }

    /// The processes of all workers end by themselves.
    pub(super) fn kill_all(&self) {
        for (sink, generation) in self.sinks.lock().unwrap().drain(..) {
            sink(status(generation, WorkerState::Dead));
        }
    }
}

#[async_trait]
impl WorkerSource for FakeSource {
    async fn start(&self, generation: u64, sink: StatusSink) -> Result<Box<dyn PooledWorker>, Failure> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let life = Life::new(&self.living);
        self.peak.fetch_max(self.living(), Ordering::SeqCst);
        sink(status(generation, WorkerState::Starting));
        tokio::time::sleep(self.load).await;
        if let Some(failure) = &*self.failure.lock().unwrap() {
            return Err(failure.clone());
        }
        sink(status(generation, WorkerState::Idle));
        self.sinks.lock().unwrap().push((sink, generation));
        Ok(Box::new(FakeWorker { generation, _life: life }))
    }

    async fn unchanged(&self) -> bool {
        self.unchanged.load(Ordering::SeqCst)
    }

    fn accept(&self) {
        self.unchanged.store(true, Ordering::SeqCst);
    }
}

/// Counts the living.
struct Life(Arc<AtomicUsize>);

impl Life {
    fn new(living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(living))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct FakeWorker {
    generation: u64,
    _life: Life,
}

#[async_trait]
impl PooledWorker for FakeWorker {
    async fn run(&mut self, call: &Call, events: &mpsc::Sender<CallEvent>, cancel: &CancellationToken) -> AfterCall {
        let Operation::Stage { target, .. } = &call.operation else { panic!("stages only") };
        let _unheard = events.send(CallEvent::Started { process_id: Some(7) }).await;
        let dead = |kind, message: &str| Some(Failure::noticed(kind, message));
        let (failure, after) = match target.as_str() {
            "raise" => (dead(FailureKind::Raised, "no"), AfterCall::Reusable),
            "crash" => {
                let failure = Failure::noticed(FailureKind::Died, "exit status 3").traceback("Traceback: crash");
                (Some(failure.clone()), AfterCall::Dead(failure))
            }
            "overdue" => {
                let failure = Failure::noticed(FailureKind::Deadline, "too slow");
                (Some(failure.clone()), AfterCall::Dead(failure))
            }
            // Against its contract.
            "vanish" => return AfterCall::Dead(Failure::noticed(FailureKind::Protocol, "said nothing")),
            sleep => {
                let milliseconds: u64 = sleep.strip_prefix("sleep:").unwrap().parse().unwrap();
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(milliseconds)) => (None, AfterCall::Reusable),
                    () = cancel.cancelled() => (dead(FailureKind::Cancelled, "cancelled"), AfterCall::Reusable),
                }
            }
        };
        let value = Value::Inline(Bytes::from(self.generation.to_string()));
        let finished = CallEvent::Finished { values: vec![value], busy: Duration::ZERO };
        let _unheard = events.send(failure.map_or(finished, CallEvent::Failed)).await;
        after
    }

    async fn stop(self: Box<Self>) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn call(target: &str) -> Call {
    Call {
        id: CallId(1),
        plugin: "fake".parse().unwrap(),
        operation: Operation::Stage { target: target.to_owned(), arguments: Some(Vec::new()) },
        context: Arc::new(RunContext { id: "run".to_owned(), json: Bytes::from_static(b"{}") }),
        stage: "stage".to_owned(),
        deadline: None,
    }
}

/// Reads a call to its end: the generation that answered, or the failure. Checks that the end comes once.
pub(super) async fn outcome(mut stream: CallStream) -> Result<u64, Failure> {
    let mut outcome = None;
    while let Some(event) = stream.next().await {
        assert!(outcome.is_none(), "{event:?} after the end");
        match event {
            CallEvent::Finished { values, .. } => {
                let [Value::Inline(text)] = &values[..] else { panic!("{values:?}") };
                outcome = Some(Ok(std::str::from_utf8(text).unwrap().parse().unwrap()));
            }
            CallEvent::Failed(failure) => outcome = Some(Err(failure)),
            _ => {}
        }
    }
    outcome.expect("an end")
}

/// A pool of `workers` with this source, and what it told.
pub(super) fn pool(workers: usize, source: &Arc<FakeSource>) -> (Arc<Pool>, Arc<Mutex<Vec<News>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let news = {
        let told = Arc::clone(&told);
        Box::new(move |news| told.lock().unwrap().push(news))
    };
    let options = PoolOptions { plugin: "fake".parse().unwrap(), workers, idle_timeout: Duration::from_secs(300) };
    let pool = Pool::new(options, History::default(), CancellationToken::new(), news);
    pool.offer(Arc::clone(source) as Arc<dyn WorkerSource>);
    (pool, told)
}
