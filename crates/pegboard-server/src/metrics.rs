//! Numbers for Prometheus. Runs and requests are counted as they come; the engine counts for itself and is asked when
//! somebody looks.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pegboard_engine::EngineStatistics;
use pegboard_flow::RunEvent;
use pegboard_model::{RunId, RunState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds: a page is milliseconds, an event stream is minutes.
const LATENCY: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Request {
    method: String,
    /// The route's pattern, not the path: a path per run would be a series per run.
    route: String,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Plugin {
    plugin: String,
}

/// All numbers.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    latency: Family<Plain, Histogram, fn() -> Histogram>,
    runs_ended: Family<State, Counter>,
    runs_active: Family<State, Gauge>,
    workers: Family<State, Gauge>,
    calls: Family<Plugin, Counter>,
    failures: Family<Plugin, Counter>,
    restarts: Family<Plugin, Counter>,
    shared_bytes: Gauge,
    spilled_bytes: Gauge,
    queued_calls: Gauge,
    active: Mutex<HashMap<RunId, RunState>>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Plain {
    method: String,
}

fn latency_histogram() -> Histogram {
    Histogram::new(LATENCY)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("pegboard");
        let metrics = Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(latency_histogram as fn() -> Histogram),
            runs_ended: Family::default(),
            runs_active: Family::default(),
            workers: Family::default(),
            calls: Family::default(),
            failures: Family::default(),
            restarts: Family::default(),
            shared_bytes: Gauge::default(),
            spilled_bytes: Gauge::default(),
            queued_calls: Gauge::default(),
            active: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Answered requests", metrics.requests.clone());
        registry.register("http_request_seconds", "Time until the answer's head", metrics.latency.clone());
        registry.register("runs_ended", "Runs by final state", metrics.runs_ended.clone());
        registry.register("runs_active", "Runs under way", metrics.runs_active.clone());
        registry.register("workers", "Workers by state", metrics.workers.clone());
        registry.register("worker_calls", "Calls that workers answered", metrics.calls.clone());
        registry.register("worker_call_failures", "Calls that failed", metrics.failures.clone());
        registry.register("worker_restarts", "Workers started in place of one that died", metrics.restarts.clone());
        registry.register("shared_bytes", "Values in shared memory", metrics.shared_bytes.clone());
        registry.register("spilled_bytes", "Values on disk", metrics.spilled_bytes.clone());
        registry.register("queued_calls", "Calls that wait for a worker", metrics.queued_calls.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// One answered request.
    pub(crate) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let request = Request { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&request).inc();
        self.latency.get_or_create(&Plain { method: method.to_owned() }).observe(took.as_secs_f64());
    }

    /// A run changed.
    pub(crate) fn run(&self, event: &RunEvent) {
        let RunEvent::Run(run) = event else { return };
        let Ok(mut active) = self.active.lock() else { return };
        let before = if run.state.is_final() { active.remove(&run.uid) } else { active.insert(run.uid, run.state) };
        if let Some(before) = before {
            self.runs_active.get_or_create(&State { state: before.as_str() }).dec();
        }
        let state = State { state: run.state.as_str() };
        if run.state.is_final() {
            self.runs_ended.get_or_create(&state).inc();
        } else {
            self.runs_active.get_or_create(&state).inc();
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, engine: &EngineStatistics) -> String {
        for plugin in &engine.plugins {
            let label = Plugin { plugin: plugin.plugin.to_string() };
            // The engine counts; what is set here never falls while a plugin is installed.
            self.calls.get_or_create(&label).inner().store(plugin.calls, Ordering::Relaxed);
            self.failures.get_or_create(&label).inner().store(plugin.failed, Ordering::Relaxed);
            self.restarts.get_or_create(&label).inner().store(plugin.restarts, Ordering::Relaxed);
        }
        let workers = engine.workers;
        for (state, count) in [
            ("starting", workers.starting),
            ("idle", workers.idle),
            ("busy", workers.busy),
            ("blocked", workers.blocked),
            ("draining", workers.draining),
        ] {
            self.workers.get_or_create(&State { state }).set(gauge(count as u64));
        }
        self.shared_bytes.set(gauge(engine.shared_bytes));
        self.spilled_bytes.set(gauge(engine.spilled_bytes));
        self.queued_calls.set(gauge(engine.queued as u64));
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use pegboard_engine::{PluginStatistics, WorkerCounts};
    use pegboard_model::{Run, RunCause, Timestamp};
    use serde_json::{Map, Value as Json};

    fn run(uid: RunId, state: RunState) -> RunEvent {
        let (name, workflow, namespace) = ("a".to_owned(), "w".to_owned(), "default".to_owned());
        let (input, stages, result) = (Map::new(), Vec::new(), Json::Null);
        let created_at = Timestamp(0);
        let (source, started_at, finished_at) = (RunCause::Api, None, None);
        RunEvent::Run(Arc::new(Run {
            uid,
            name,
            workflow,
            namespace,
            source,
            state,
            input,
            created_at,
            started_at,
            finished_at,
            stages,
            result,
            result_object: None,
            configs: Vec::new(),
            failure: None,
        }))
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::default();
        let (first, second) = (RunId::random(), RunId::random());
        for (uid, state) in
            [(first, RunState::Pending), (second, RunState::Running), (first, RunState::Running), (first, RunState::Failed)]
        {
            metrics.run(&run(uid, state));
        }
        metrics.request("GET", "/api/v1/runs", 200, Duration::from_millis(2));
        let workers = WorkerCounts { idle: 1, ..WorkerCounts::default() };
        let plugin = PluginStatistics { plugin: "good".parse().unwrap(), calls: 7, failed: 2, restarts: 1, queued: 3, workers };
        let engine =
            EngineStatistics { plugins: vec![plugin], workers, queued: 3, shared_bytes: 42, ..EngineStatistics::default() };
        let text = metrics.text(&engine);
        for line in [
            "pegboard_worker_calls_total{plugin=\"good\"} 7",
            "pegboard_worker_restarts_total{plugin=\"good\"} 1",
            "pegboard_workers{state=\"idle\"} 1",
            "pegboard_shared_bytes 42",
            "pegboard_queued_calls 3",
            "pegboard_runs_active{state=\"running\"} 1",
            "pegboard_runs_active{state=\"pending\"} 0",
            "pegboard_runs_ended_total{state=\"failed\"} 1",
            "pegboard_http_requests_total{method=\"GET\",route=\"/api/v1/runs\",status=\"200\"} 1",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
