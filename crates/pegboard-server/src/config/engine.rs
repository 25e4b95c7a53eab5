//! How plugins are run: environments, limits, deadlines.

use std::path::PathBuf;
use std::time::Duration;

use pegboard_engine::{EngineOptions, EnvironmentOptions, ExecutorOptions, WorkerLimits};
use pegboard_model::Error;

use super::values::Values;

/// Where stages may run without a class being named.
const EXECUTORS: [&str; 3] = ["local", "ray", "dask"];

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
    /// # Errors
    /// `setting-invalid`.
    pub(super) fn from_values(values: &Values, data: PathBuf) -> Result<Self, Error> {
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
        let executor = executor(values)?;
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
        Ok(Self { options, environments, index_url: values.text("engine.index_url") })
    }
}

/// Where stages run, when not in the workers. The dialect's own names of its three executors are taken, too.
///
/// # Errors
/// `setting-invalid`, for what is neither such a name nor the dotted path of a class.
pub(super) fn executor(values: &Values) -> Result<Option<ExecutorOptions>, Error> {
    const KEY: &str = "flow.executor.target";
    let named = values.text(KEY).unwrap_or_default();
    let target = match named.trim() {
        "" | "local" | "flowdapt.compute.executor.local.LocalExecutor" => return Ok(None),
        "flowdapt.compute.executor.ray.RayExecutor" => "ray",
        "flowdapt.compute.executor.dask.DaskExecutor" => "dask",
        other if EXECUTORS.contains(&other) || is_class(other) => other,
        other => {
            let origin = values.listing.iter().find(|setting| setting.key == KEY).map_or("default", |setting| &setting.origin);
            let likeness = |name: &&&str| (strsim::jaro_winkler(name, other) * 1e6) as u64;
            let nearest = EXECUTORS.iter().max_by_key(likeness).copied().unwrap_or("local");
            return Err(Error::invalid(
                "setting-invalid",
                format!("`{KEY}` is `{other}` by {origin}: there is no such executor"),
            )
            .hint(format!(
                "the nearest one is `{nearest}`; it takes `local`, `ray`, `dask`, or the dotted path of a class such as \
                     `package.module.Class`"
            )));
        }
    };
    Ok(Some(ExecutorOptions { target: target.to_owned(), options: values.table("flow.executor.options") }))
}

/// `package.module.Class`.
fn is_class(target: &str) -> bool {
    let is_name = |part: &str| {
        part.chars().all(|c| c == '_' || c.is_alphanumeric()) && part.chars().next().is_some_and(|first| !first.is_numeric())
    };
    target.contains('.') && target.split('.').all(is_name)
}
