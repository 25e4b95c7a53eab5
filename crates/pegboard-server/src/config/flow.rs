//! What runs leave behind.

use std::collections::BTreeMap;
use std::path::Path;

use pegboard_flow::{Clock, FlowOptions, Limit, Resources, Retention};
use pegboard_model::Error;

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
    let executor = executor(values);
    Ok(FlowOptions {
        result_limit: values.count("flow.result_limit").unwrap_or(256 << 10),
        log_limit: values.number("flow.log_limit").unwrap_or(16 << 20),
        artifacts_directory: data.join("artifacts"),
        default_namespace: values.text("flow.namespace").unwrap_or_else(|| "default".to_owned()),
        retention,
        // A cluster has machines of its own, and looks at what stages ask for itself.
        resources: if executor.is_some() { Resources::default() } else { resources(&values.list("flow.resources"))? },
        least_batch: if executor.is_some() { DRIVEN_BATCH } else { 1 },
        executor: executor.map_or_else(|| "local".to_owned(), |chosen| kind(&chosen.target)),
        clock: Clock::default(),
    })
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
