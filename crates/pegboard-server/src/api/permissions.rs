//! What the processes of plugins may do, gathered from the engine and from the kernel.

use std::time::Duration;

use pegboard_engine::{Bounds, KernelView};

use super::shape::{PluginLimit, PluginPermissions};
use crate::config::{print_duration, print_size};

/// User whom no limit of processes holds.
const ROOT: u32 = 0;

/// What such a plugin may do; `process_id` names one of its processes.
pub(crate) async fn of(bounds: Bounds, process_id: Option<u32>) -> PluginPermissions {
    let process = match process_id {
        Some(id) => KernelView::of(Some(id)).await.ok().map(|view| (id, view)),
        None => None,
    };
    let (process_id, view) = match process {
        Some((id, view)) => (Some(id), view),
        None => (None, KernelView::of(None).await.unwrap_or_default()),
    };
    let place = |own: Option<bool>| match own {
        Some(true) => "own",
        Some(false) => "server",
        None => "unknown",
    };
    PluginPermissions {
        process_id,
        user: user(view.user).await,
        files: place(view.has_own_files).to_owned(),
        network: place(view.has_own_network).to_owned(),
        system_calls: if view.is_filtered { "filtered" } else { "all" }.to_owned(),
        limits: limits(&bounds, process_id.map(|_| &view), view.user),
        variables: bounds.variables,
        secrets: bounds.granted,
    }
}

fn limits(bounds: &Bounds, view: Option<&KernelView>, user: u32) -> Vec<PluginLimit> {
    let limit = |name: &str, setting: &str, value: Option<String>, by: &str, in_force: Option<String>| PluginLimit {
        name: name.to_owned(),
        setting: setting.to_owned(),
        enforced_by: value.is_some().then(|| by.to_owned()),
        value,
        in_force,
    };
    let count = |number: u64| number.to_string();
    let wanted = &bounds.limits;
    let held = |of: fn(&KernelView) -> Option<u64>, print: fn(u64) -> String| view.and_then(of).map(print);
    let processes_by = if user == ROOT { "nobody" } else { "kernel" };
    let mut limits = vec![
        limit(
            "memory",
            "engine.memory",
            wanted.memory_bytes.map(print_size),
            "kernel",
            held(|view| view.memory_bytes, print_size),
        ),
        limit(
            "largest file",
            "engine.file_size",
            wanted.file_bytes.map(print_size),
            "kernel",
            held(|view| view.file_bytes, print_size),
        ),
        limit(
            "open files",
            "engine.open_files",
            wanted.open_files.map(count),
            "kernel",
            held(|view| view.open_files, |number| number.to_string()),
        ),
        limit(
            "processes",
            "engine.processes",
            wanted.processes.map(count),
            processes_by,
            held(|view| view.processes, |number| number.to_string()),
        ),
    ];
    let seconds = |seconds: u64| print_duration(Duration::from_secs(seconds));
    if let Some(workers) = bounds.workers {
        limits.push(limit("processor time of a call", "engine.cpu_time", wanted.cpu_seconds.map(seconds), "kernel", None));
        let deadline = bounds.call_deadline.map(print_duration);
        limits.push(limit("time of a call", "engine.call_deadline", deadline, "server", None));
        limits.push(limit("workers", "engine.workers_per_plugin", Some(workers.to_string()), "server", None));
    }
    limits
}

/// `root (0)`; only the number, where the machine's list has no name.
async fn user(number: u32) -> String {
    let known = tokio::fs::read_to_string("/etc/passwd").await.unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    });
    name.map_or_else(|| number.to_string(), |name| format!("{name} ({number})"))
}

#[cfg(test)]
mod tests {
    use pegboard_engine::WorkerLimits;

    use super::*;

    #[test]
    fn a_limit_says_who_sees_to_it() {
        let limits_of = |user| {
            let wanted = WorkerLimits {
                memory_bytes: Some(1 << 30),
                mapped_bytes: 0,
                cpu_seconds: None,
                file_bytes: None,
                open_files: None,
                processes: Some(8),
            };
            let bounds =
                Bounds { limits: wanted, workers: None, call_deadline: None, variables: Vec::new(), granted: Vec::new() };
            let view = KernelView { memory_bytes: Some(2 << 30), ..KernelView::default() };
            limits(&bounds, Some(&view), user)
        };
        let found = limits_of(1000);
        let told = |limit: &PluginLimit| (limit.value.clone(), limit.enforced_by.clone(), limit.in_force.clone());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told(&found[0]), (some("1GiB"), some("kernel"), some("2GiB")));
        assert_eq!(told(&found[1]), (None, None, None));
        assert_eq!(told(&found[3]), (some("8"), some("kernel"), None));
        assert_eq!(told(&limits_of(ROOT)[3]), (some("8"), some("nobody"), None));
        assert_eq!(found.len(), 4, "a script has no calls");
    }
}
