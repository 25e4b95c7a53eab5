//! What runs leave behind.

use std::collections::BTreeMap;
use std::path::Path;

use pegboard_engine::ExecutorOptions;
use pegboard_flow::{Clock, FlowOptions, Limit, Resources, Retention};
use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};

use super::engine::executor;
use super::values::Values;

/// Items that a driver takes at once: more than most clusters have cores.
const DRIVEN_BATCH: usize = 256;

/// Options of the flow from the section `flow`.
///
/// # Errors
/// `setting-invalid`.
pub(super) fn from_values(values: &Values, data: &Path) -> Result<FlowOptions, Error> {
    let retention = values.text("flow.run_retention").map_or(Ok(Retention::default()), |text| {
        text.parse().map_err(|error: Error| {
            let refused = Error::invalid("setting-invalid", format!("`flow.run_retention`: {}", error.message));
            Error { hint: error.hint, ..refused }
        })
    })?;
    let executor = executor(values)?;
    let configuration = configuration(values, data, executor.as_ref());
    Ok(FlowOptions {
        result_limit: values.count("flow.result_limit").unwrap_or(256 << 10),
        log_limit: values.number("flow.log_limit").unwrap_or(16 << 20),
        configuration,
        default_namespace: values.text("flow.namespace").unwrap_or_else(|| "default".to_owned()),
        retention,
        // A cluster has machines of its own, and looks at what stages ask for itself.
        resources: if executor.is_some() { Resources::default() } else { resources(&values.list("flow.resources"))? },
        least_batch: if executor.is_some() { DRIVEN_BATCH } else { 1 },
        executor: executor.map_or_else(|| "local".to_owned(), |chosen| kind(&chosen.target)),
        clock: Clock::default(),
    })
}

/// What stages read of the server's configuration, in the dialect's keys: what its own configuration said, under what counts.
fn configuration(values: &Values, data: &Path, executor: Option<&ExecutorOptions>) -> Map<String, Json> {
    let said = &values.dialect.said;
    let mut storage = said.get("storage").and_then(Json::as_object).cloned().unwrap_or_default();
    let is_file = storage.get("protocol").and_then(Json::as_str).is_none_or(|protocol| protocol == "file");
    let is_placed = storage.get("base_path").and_then(Json::as_str).is_some_and(|path| !path.is_empty());
    storage.entry("protocol").or_insert_with(|| json!("file"));
    if is_file && !is_placed {
        storage.insert("base_path".to_owned(), json!(data.join("artifacts")));
    }
    let mut chosen = executor.map(|executor| executor.options.clone()).unwrap_or_default();
    let target = match executor.map(|executor| executor.target.as_str()) {
        None => "flowdapt.compute.executor.local.LocalExecutor",
        Some("ray") => "flowdapt.compute.executor.ray.RayExecutor",
        Some("dask") => "flowdapt.compute.executor.dask.DaskExecutor",
        Some(class) => class,
    };
    chosen.insert("target".to_owned(), json!(target));
    let listen = values.address("server.listen");
    let retention = values.text("flow.run_retention").unwrap_or_else(|| "-1".to_owned());
    let compute = json!({
        "executor": chosen,
        "default_namespace": values.text("flow.namespace"),
        "run_retention_duration": retention.parse::<i64>().map_or_else(|_| json!(retention), |seconds| json!(seconds)),
    });
    let level = values.text("log.level").unwrap_or_default();
    let logging = json!({
        // A filter of ours is no level of the dialect's.
        "level": match level.as_str() { "warn" => "WARNING".to_owned(), "error" | "debug" => level.to_uppercase(), "trace" => "DEBUG".to_owned(), _ => "INFO".to_owned() },
        "format": if values.text("log.format").as_deref() == Some("json") { "json" } else { "console" },
    });
    let mut configuration = Json::Object(said.clone());
    let counts = json!({
        "app_dir": data,
        "rpc": { "api": { "host": listen.map(|listen| listen.ip().to_string()), "port": listen.map(|listen| listen.port()) } },
        "logging": logging,
        "services": { "compute": compute },
    });
    lay(&mut configuration, counts);
    let mut configuration = match configuration {
        Json::Object(configuration) => configuration,
        _ => Map::new(),
    };
    configuration.insert("storage".to_owned(), Json::Object(storage));
    configuration
}

fn lay(below: &mut Json, above: Json) {
    match (below, above) {
        (Json::Object(below), Json::Object(above)) => {
            for (key, value) in above {
                // The whole executor counts: options of one that was not chosen must not stay.
                match below.get_mut(&key).filter(|_| key != "executor") {
                    Some(below) => lay(below, value),
                    None => {
                        below.insert(key, value);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// As stages see it: `ray`, `dask`, or the name of a class.
fn kind(target: &str) -> String {
    target.rsplit('.').next().unwrap_or(target).to_owned()
}

/// What the machine has, and what the setting says: `cpus=4`, `memory=8GB`, `license=1`.
fn resources(entries: &[String]) -> Result<Resources, Error> {
    let mut machine = BTreeMap::new();
    if let Ok(cores) = std::thread::available_parallelism() {
        machine.insert("cpus".to_owned(), cores.get() as f64);
    }
    let memory = total_memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default());
    machine.extend(memory.map(|memory| ("memory".to_owned(), memory)));
    let configured = entries.iter().map(|entry| entry.parse::<Limit>().map(|Limit(label, amount)| (label, amount)));
    let configured = configured.collect::<Result<_, _>>().map_err(|error| {
        let refused = Error::invalid("setting-invalid", format!("`flow.resources`: {}", error.message));
        Error { hint: error.hint, ..refused }
    })?;
    Ok(Resources { machine, configured })
}

/// In bytes.
fn total_memory(meminfo: &str) -> Option<f64> {
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kibibytes.trim().strip_suffix(" kB")?.trim().parse().ok().map(|kibibytes: f64| kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_the_machine_fills_in_what_is_not_said() {
        let read = resources(&["cpus=2".to_owned(), "memory = 8 GB".to_owned(), "license=1".to_owned()]).unwrap();
        let configured: Vec<(&str, f64)> = read.configured.iter().map(|(label, amount)| (label.as_str(), *amount)).collect();
        assert_eq!(configured, [("cpus", 2.0), ("license", 1.0), ("memory", 8e9)]);
        assert!(read.machine["cpus"] >= 1.0);
        for wrong in ["cpus", "=1", "cpus=many", "memory=8 foos", "cpus=-1"] {
            let error = resources(&[wrong.to_owned()]).unwrap_err();
            assert_eq!(error.code, "setting-invalid", "{wrong}");
        }
    }

    #[test]
    fn the_memory_of_the_machine_is_in_bytes() {
        assert_eq!(total_memory("MemFree: 1 kB\nMemTotal:    1000 kB\n"), Some(1_024_000.0));
        assert_eq!(total_memory(""), None);
    }
}
