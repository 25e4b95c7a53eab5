//! Measures the engine alone, without server and store, for `benches/run`: a line of JSON in asks for one measurement, a line
//! of JSON out is it. The first line out says that the engine is ready.
//!
//! `{"calls": 5000}` asks for round trips to a warm worker, `{"start": true}` for the start of one more worker.
//! Started as `measure DATA_DIRECTORY PLUGIN_FOLDER`; the plugin is `benches/plugins/producer`.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use pegboard_engine::{Engine, EngineOptions, EnvironmentOptions, Environments, InstallRequest, WorkerLimits};
use pegboard_model::{Argument, Call, CallEvent, CallId, Operation, PluginName, PluginRunner, PluginState, RunContext, Value};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// `pickle.dumps(7, protocol=5)`: what a trivial call takes and returns.
const SEVEN: &[u8] = b"\x80\x05K\x07.";
/// `pickle.dumps(1.0, protocol=5)`: seconds for which the other worker is kept busy.
const ONE_SECOND: &[u8] = b"\x80\x05G?\xf0\x00\x00\x00\x00\x00\x00.";
/// Pickle's opcode for `True`.
const TRUE: u8 = 0x88;
/// Short, so that every measured start finds one worker only.
const IDLE_TIMEOUT: Duration = Duration::from_millis(200);

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(data), Some(plugin)) = (arguments.next(), arguments.next()) else {
        return Err("give a data directory and the folder of `benches/plugins/producer`".into());
    };
    let environments = Environments::open(EnvironmentOptions::new(&data)).await?;
    let engine = Engine::start(options(data), environments.clone()).await?;
    let request = InstallRequest {
        requirement: plugin.to_string_lossy().into_owned(),
        editable: false,
        index_url: None,
        original_flowdapt: false,
    };
    let record = engine.install(request, false, Arc::new(|_: &str, _: &str| {})).await?;
    if record.state != PluginState::Ready {
        return Err(format!("the plugin does not load: {:?}", record.failure).into());
    }
    let python = environments.get(&record.environment).map(|environment| environment.python);
    let bench = Bench { engine: engine.clone(), plugin: record.name, next: AtomicU64::new(1), context: context() };

    bench.round_trips(200).await?;
    say(&json!({"ready": true, "python": python}))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let asked: Json = serde_json::from_str(&line)?;
        let answer = match asked.get("calls").and_then(Json::as_u64) {
            Some(calls) => bench.round_trips(calls).await?,
            None => bench.worker_start().await?,
        };
        say(&answer)?;
    }
    engine.shutdown().await;
    Ok(())
}

fn options(data: PathBuf) -> EngineOptions {
    EngineOptions {
        data,
        workers_per_plugin: 2,
        limits: WorkerLimits {
            memory_bytes: None,
            mapped_bytes: 1 << 30,
            cpu_seconds: None,
            file_bytes: None,
            open_files: None,
            processes: None,
        },
        executor: None,
        load_deadline: Duration::from_secs(60),
        call_deadline: None,
        stop_deadline: Duration::from_secs(5),
        heartbeat: Duration::from_secs(5),
        idle_timeout: IDLE_TIMEOUT,
        inline_limit: 64 << 10,
        memory_budget: 1 << 30,
        read_only_values: false,
        preload: ["numpy", "pandas", "pyarrow"].map(str::to_owned).to_vec(),
        output_limit: 1 << 20,
        variables: Vec::new(),
    }
}

fn context() -> Arc<RunContext> {
    let json = json!({
        "run": {
            "uid": "00000000-0000-4000-8000-000000000000", "name": "bench", "workflow": "bench", "source": "manual",
            "started_at": "2026-01-01T00:00:00", "finished_at": null, "result": null, "state": "running"
        },
        "definition": {"kind": "workflow", "metadata": {"name": "bench", "annotations": {}}, "spec": {"stages": []}},
        "input": {}, "namespace": "default", "executor": "local", "config": {}
    });
    Arc::new(RunContext { id: "bench".to_owned(), json: Bytes::from(json.to_string()) })
}

/// An engine with the plugin installed.
struct Bench {
    engine: Engine,
    plugin: PluginName,
    next: AtomicU64,
    context: Arc<RunContext>,
}

impl Bench {
    fn call(&self, function: &str, argument: &'static [u8]) -> BoxStream<'static, CallEvent> {
        self.engine.call(Call {
            id: CallId(self.next.fetch_add(1, Ordering::Relaxed)),
            plugin: self.plugin.clone(),
            operation: Operation::Stage {
                target: format!("pegboard_bench.{function}"),
                arguments: Some(vec![Argument::Single(Value::Inline(Bytes::from_static(argument)))]),
            },
            context: Arc::clone(&self.context),
            stage: function.to_owned(),
            deadline: None,
        })
    }

    /// One call after the other, each with its answer.
    async fn round_trips(&self, calls: u64) -> Result<Json, Failed> {
        let mut samples = Vec::new();
        for _ in 0..calls {
            let begin = Instant::now();
            let answer = finish(self.call("same", SEVEN)).await?;
            samples.push(begin.elapsed().as_secs_f64());
            if answer.as_ref() != SEVEN {
                return Err(format!("`same` returned {answer:?}").into());
            }
        }
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples.get(((samples.len() as f64 - 1.0) * share) as usize).copied();
        Ok(json!({"median_seconds": at(0.5), "p99_seconds": at(0.99)}))
    }

    /// From the request that needs one more worker to the answer of that worker, which has pandas imported.
    async fn worker_start(&self) -> Result<Json, Failed> {
        let patience = Instant::now();
        while self.engine.workers().len() > 1 {
            if patience.elapsed() > Duration::from_secs(20) {
                return Err("the second worker is not stopped when it is idle".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut holding = self.call("hold", ONE_SECOND);
        let busy = process_of(&mut holding).await?;
        let begin = Instant::now();
        let mut starting = self.call("imported", SEVEN);
        let fresh = process_of(&mut starting).await?;
        let taken = begin.elapsed();
        let answer = finish(starting).await?;
        let ready = begin.elapsed();
        if fresh == busy || !answer.contains(&TRUE) {
            return Err(format!("process {fresh} is not a new one with pandas: {answer:?}").into());
        }
        finish(holding).await?;
        Ok(json!({"seconds": ready.as_secs_f64(), "taken_seconds": taken.as_secs_f64()}))
    }
}

/// Waits until a worker has taken the call; says which process.
async fn process_of(events: &mut BoxStream<'static, CallEvent>) -> Result<u32, Failed> {
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Started { process_id: Some(process) } => return Ok(process),
            CallEvent::Failed(failure) => return Err(format!("{failure:?}").into()),
            _ => {}
        }
    }
    Err("the call ended before it began".into())
}

/// Waits for the end; the value's pickle.
async fn finish(mut events: BoxStream<'static, CallEvent>) -> Result<Bytes, Failed> {
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Finished { values, .. } => {
                return match values.into_iter().next() {
                    Some(Value::Inline(pickle)) => Ok(pickle),
                    other => Err(format!("expected one small value, got {other:?}").into()),
                };
            }
            CallEvent::Failed(failure) => return Err(format!("{failure:?}").into()),
            _ => {}
        }
    }
    Err("the call ended without an answer".into())
}

fn say(answer: &Json) -> Result<(), Failed> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{answer}")?;
    output.flush()?;
    Ok(())
}
