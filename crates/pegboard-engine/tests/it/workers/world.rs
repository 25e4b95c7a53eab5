//! A small world for each test: environment, zygote, table of blocks, workers, and a look at what is left of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pegboard_engine::WorkerLimits;
use pegboard_engine::memory::ClusterMemory;
use pegboard_engine::shm::{Blocks, BlocksOptions};
use pegboard_engine::worker::{AfterCall, StatusSink, Worker, WorkerOptions};
use pegboard_engine::zygote::{Zygote, ZygoteOptions};
use pegboard_model::{
    Argument, Call, CallEvent, CallId, Failure, ItemOutcome, LogLine, Operation, RunContext, Value, WorkerState, WorkerStatus,
};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

static NUMBER: AtomicU64 = AtomicU64::new(1);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) zygote: Arc<Zygote>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) memory: Arc<ClusterMemory>,
    pub(crate) states: Arc<Mutex<Vec<WorkerStatus>>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, 1 << 30).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ZygoteOptions), memory_budget: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = zygote_options(folder.path());
        change(&mut options);
        let blocks = Blocks::open(BlocksOptions { spill: folder.path().join("spill"), memory_budget }).unwrap();
        Self {
            zygote: Zygote::start(options).await.unwrap(),
            memory: ClusterMemory::new(Arc::clone(&blocks)),
            blocks,
            states: Arc::default(),
            folder,
        }
    }

    pub(crate) fn options(&self) -> WorkerOptions {
        worker_options(self.folder.path())
    }

    pub(crate) async fn try_worker(&self, change: impl FnOnce(&mut WorkerOptions)) -> Result<Worker, Failure> {
        let mut options = self.options();
        change(&mut options);
        let states = Arc::clone(&self.states);
        let sink: StatusSink = Arc::new(move |status| states.lock().unwrap().push(status));
        Worker::start(options, Arc::clone(&self.zygote), Arc::clone(&self.blocks), Arc::clone(&self.memory), sink).await
    }

    pub(crate) async fn worker(&self) -> Worker {
        self.try_worker(|_| {}).await.unwrap()
    }

    pub(crate) async fn worker_with(&self, change: impl FnOnce(&mut WorkerOptions)) -> Worker {
        self.try_worker(change).await.unwrap()
    }

    /// After something went wrong: nothing is left of that worker, and another one works.
    pub(crate) async fn recovers(&self, worker: Worker) {
        let process = worker.status().process_id.unwrap();
        drop(worker);
        self.nothing_left_of(process).await;
        let mut next = self.worker().await;
        let told = run(&mut next, stage("misbehaving.calls.double"), json!({"x": 21})).await;
        assert_eq!(told.json(&mut next).await, json!(42));
        next.stop().await;
    }

    pub(crate) async fn nothing_left_of(&self, process: u32) {
        eventually("the group is gone", || group(process).is_empty()).await;
        let last = self.states.lock().unwrap().iter().rev().find(|status| status.process_id == Some(process)).cloned();
        eventually("its last state is dead", || {
            let states = self.states.lock().unwrap();
            let last = states.iter().rev().find(|status| status.process_id == Some(process));
            last.is_none_or(|status| status.state == WorkerState::Dead)
        })
        .await;
        drop(last);
    }

    pub(crate) fn saw(&self, state: WorkerState) -> bool {
        self.states.lock().unwrap().iter().any(|status| status.state == state)
    }
}

pub(crate) fn worker_options(folder: &Path) -> WorkerOptions {
    WorkerOptions {
        plugin: "misbehaving".parse().unwrap(),
        modules: vec!["misbehaving.calls".to_owned(), "misbehaving.values".to_owned()],
        called: Vec::new(),
        executor: None,
        generation: 1,
        directory: folder.join(format!("work/{}", NUMBER.fetch_add(1, Ordering::Relaxed))),
        limits: WorkerLimits {
            memory_bytes: None,
            mapped_bytes: 4 << 30,
            cpu_seconds: None,
            file_bytes: None,
            open_files: None,
            processes: None,
        },
        load_deadline: Duration::from_secs(20),
        call_deadline: None,
        stop_deadline: Duration::from_secs(2),
        heartbeat: Duration::from_millis(300),
        inline_limit: 64 << 10,
        read_only: false,
        output_limit: 4 << 20,
    }
}

pub(crate) fn zygote_options(folder: &Path) -> ZygoteOptions {
    ZygoteOptions {
        python: environment(folder),
        host: repository().join("python/src"),
        preload: Vec::new(),
        user_modules: None,
        variables: Vec::new(),
        fresh: false,
        start_deadline: Duration::from_secs(30),
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A virtual environment by hand: a link, a file and a path entry are all that it takes.
fn environment(folder: &Path) -> PathBuf {
    let (home, version) = python();
    let environment = folder.join("environment");
    let packages = environment.join(format!("lib/python{version}/site-packages"));
    std::fs::create_dir_all(&packages).unwrap();
    std::fs::create_dir_all(environment.join("bin")).unwrap();
    std::fs::write(environment.join("pyvenv.cfg"), format!("home = {home}\ninclude-system-site-packages = false\n")).unwrap();
    let plugins = repository().join("fixtures/plugins/misbehaving/src");
    std::fs::write(packages.join("plugins.pth"), plugins.display().to_string()).unwrap();
    let python = environment.join("bin/python");
    std::os::unix::fs::symlink(Path::new(home).join(format!("python{version}")), &python).unwrap();
    python
}

/// Folder and version of the machine's Python.
fn python() -> &'static (String, String) {
    static FOUND: OnceLock<(String, String)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let script =
            "import os, sys; print(os.path.dirname(os.path.realpath(sys.executable))); print('%d.%d' % sys.version_info[:2])";
        let output = command("python3").args(["-I", "-c", script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.next().unwrap())
    })
}

#[expect(clippy::disallowed_methods, reason = "a test stands outside of the engine")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    std::process::Command::new(program)
}

/// Processes of a group or a session, zombies not counted.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let Some((_, rest)) = text.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        let is_member = fields[2] == leader.to_string() || fields[3] == leader.to_string();
        if is_member && fields[0] != "Z" {
            found.push(process);
        }
    }
    found
}

pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen within 10 s: {what}");
}

pub(crate) fn stage(target: &str) -> Operation {
    Operation::Stage { target: target.to_owned(), arguments: None }
}

pub(crate) fn stage_of(target: &str, value: &Value) -> Operation {
    Operation::Stage { target: target.to_owned(), arguments: Some(vec![Argument::Single(value.clone())]) }
}

pub(crate) fn call(operation: Operation, input: Json) -> Call {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let context = json!({"run": {}, "definition": {}, "input": input, "namespace": "default", "executor": "local", "config": {}});
    Call {
        id: CallId(number),
        plugin: "misbehaving".parse().unwrap(),
        operation,
        context: Arc::new(RunContext { id: number.to_string(), json: context.to_string().into() }),
        stage: "the-stage".to_owned(),
        deadline: None,
    }
}

/// What came of a call.
pub(crate) struct Told {
    pub(crate) events: Vec<CallEvent>,
    pub(crate) after: AfterCall,
}

impl Told {
    pub(crate) fn values(&self) -> Vec<Value> {
        match self.events.last() {
            Some(CallEvent::Finished { values, .. }) => values.clone(),
            other => panic!("the call did not finish but ended with {other:?}"),
        }
    }

    pub(crate) fn value(&self) -> Value {
        let mut values = self.values();
        assert_eq!(values.len(), 1);
        values.remove(0)
    }

    pub(crate) async fn json(&self, worker: &mut Worker) -> Json {
        as_json(worker, &self.value()).await
    }

    pub(crate) fn failure(&self) -> Failure {
        match self.events.last() {
            Some(CallEvent::Failed(failure)) => failure.clone(),
            other => panic!("the call did not fail but ended with {other:?}"),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.after, AfterCall::Dead(_))
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        let logs = self.events.iter().filter_map(|event| if let CallEvent::Log(lines) = event { Some(lines) } else { None });
        logs.flatten().cloned().collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<ItemOutcome> {
        let mut all = Vec::new();
        for event in &self.events {
            if let CallEvent::Items { outcomes, .. } = event {
                all.extend(outcomes.iter().cloned());
            }
        }
        all
    }
}

pub(crate) async fn run(worker: &mut Worker, operation: Operation, input: Json) -> Told {
    run_call(worker, &call(operation, input), &CancellationToken::new()).await
}

pub(crate) async fn run_call(worker: &mut Worker, call: &Call, cancel: &CancellationToken) -> Told {
    let (sender, mut receiver) = mpsc::channel(64);
    let collect = async {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    };
    let (events, after) = tokio::join!(collect, async {
        let after = worker.run(call, &sender, cancel).await;
        drop(sender);
        after
    });
    assert!(matches!(events.first(), Some(CallEvent::Started { .. })) || matches!(after, AfterCall::Dead(_)));
    let ends = events.iter().filter(|event| matches!(event, CallEvent::Finished { .. } | CallEvent::Failed(_))).count();
    assert_eq!(ends, 1, "exactly one end");
    Told { events, after }
}

/// The value as JSON, said by a worker.
pub(crate) async fn as_json(worker: &mut Worker, value: &Value) -> Json {
    let told = run(worker, Operation::Encode { argument: Argument::Single(value.clone()) }, json!({})).await;
    let Value::Inline(text) = told.value() else { panic!("JSON is inline") };
    serde_json::from_slice(&text).unwrap()
}
