//! How plugins are run: environments, limits, deadlines.

use std::path::PathBuf;
use std::time::Duration;

use pegboard_engine::{EngineOptions, EnvironmentOptions, ExecutorOptions, WorkerLimits};

use super::values::Values;

/// Settings of the section `engine`.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// How workers are run.
    pub options: EngineOptions,
    /// How environments are made.
    pub environments: EnvironmentOptions,
    /// Package index for installs that name none.
    pub index_url: Option<String>,
}

impl EngineSettings {
    pub(super) fn from_values(values: &Values, data: PathBuf) -> Self {
        // Every key without `none` has a default in the table, so the fall-backs below are never reached.
        let duration = |key: &str| values.duration(key).unwrap_or(Duration::from_secs(60));
        let size = |key: &str| values.number(key).unwrap_or(u64::MAX);
        let limits = WorkerLimits {
            memory_bytes: values.number("engine.memory"),
            mapped_bytes: size("engine.mapped_memory"),
            cpu_seconds: values.duration("engine.cpu_time").map(|time| time.as_secs().max(1)),
            file_bytes: values.number("engine.file_size"),
            open_files: values.number("engine.open_files"),
            processes: values.number("engine.processes"),
        };
        let executor = executor(values);
        let options = EngineOptions {
            data: data.clone(),
            workers_per_plugin: values.count("engine.workers_per_plugin").unwrap_or_else(super::cores),
            limits,
            load_deadline: duration("engine.load_deadline"),
            call_deadline: values.duration("engine.call_deadline"),
            stop_deadline: duration("engine.stop_deadline"),
            heartbeat: duration("engine.heartbeat"),
            idle_timeout: duration("engine.idle_timeout"),
            inline_limit: size("engine.inline_limit"),
            memory_budget: size("engine.memory_budget"),
            read_only_values: values.flag("engine.read_only_values"),
            preload: values.list("engine.preload"),
            output_limit: size("engine.output_limit"),
            variables: Vec::new(),
            executor: executor.clone(),
        };
        let environments = EnvironmentOptions {
            data,
            python: values.path("engine.python"),
            uv: values.path("engine.uv"),
            without_uv: values.flag("engine.without_uv"),
            offline: values.flag("engine.offline"),
            extra: executor.and_then(|chosen| chosen.requirement()).map(str::to_owned).into_iter().collect(),
        };
        Self { options, environments, index_url: values.text("engine.index_url") }
    }
}

/// Where stages run, when not in the workers. The dialect's own names of its three executors are taken, too.
pub(super) fn executor(values: &Values) -> Option<ExecutorOptions> {
    let named = values.text("flow.executor.target").unwrap_or_default();
    let target = match named.trim() {
        "" | "local" | "flowdapt.compute.executor.local.LocalExecutor" => return None,
        "flowdapt.compute.executor.ray.RayExecutor" => "ray",
        "flowdapt.compute.executor.dask.DaskExecutor" => "dask",
        other => other,
    };
    Some(ExecutorOptions { target: target.to_owned(), options: values.table("flow.executor.options") })
}
