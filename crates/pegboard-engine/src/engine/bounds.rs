//! What bounds the processes of a plugin: what the engine gives and sets at their start, and what the kernel says of one that runs.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Engine, WorkerLimits};

/// What the engine gives to the processes of one plugin, and takes from them.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Of each process.
    pub limits: WorkerLimits,
    /// Most processes at once; none: it has one.
    pub workers: Option<usize>,
    /// A call without a deadline of its own; none: no limit.
    pub call_deadline: Option<Duration>,
    /// Names of the variables that they get besides those of the server itself.
    pub variables: Vec<String>,
    /// Names of those among them that were granted to this plugin alone.
    pub granted: Vec<String>,
}

/// What the kernel says of a process. A namespace that cannot be compared is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelView {
    /// Who it acts as.
    pub user: u32,
    /// It sees other files than we do.
    pub has_own_files: Option<bool>,
    /// It sees another network than we do.
    pub has_own_network: Option<bool>,
    /// Some system calls are refused to it.
    pub is_filtered: bool,
    /// Bytes of data; none: no limit. So for the others.
    pub memory_bytes: Option<u64>,
    /// Largest file, in bytes.
    pub file_bytes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
    /// Processes of its user.
    pub processes: Option<u64>,
}

impl Engine {
    /// What is set for a plugin of this name: a package, or one that somebody else keeps.
    #[must_use]
    pub fn bounds(&self, plugin: &str) -> Bounds {
        let options = &self.inner.options;
        let names = |variables: &[(String, String)]| variables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let granted = names(&self.granted(plugin));
        Bounds {
            limits: options.limits.clone(),
            workers: Some(options.workers_per_plugin),
            call_deadline: options.call_deadline,
            variables: [names(&options.variables), granted.clone()].concat(),
            granted,
        }
    }

    /// What is set for a script that is kept running under this key. Nobody counts its processor time or its calls.
    #[must_use]
    pub fn script_bounds(&self, key: &str, variables: &[(String, String)]) -> Bounds {
        let granted = self.granted(key).into_iter().map(|(name, _)| name).collect();
        let limits = WorkerLimits { cpu_seconds: None, mapped_bytes: 0, ..self.scripts().limits() };
        let variables = variables.iter().map(|(name, _)| name.clone()).collect();
        Bounds { limits, workers: None, call_deadline: None, variables, granted }
    }
}

impl KernelView {
    /// Of that process, or of our own, whose bounds every child begins with.
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub async fn of(process_id: Option<u32>) -> io::Result<Self> {
        let name = process_id.map_or_else(|| "self".to_owned(), |id| id.to_string());
        let folder = Path::new("/proc").join(name);
        let status = tokio::fs::read_to_string(folder.join("status")).await?;
        let limits = tokio::fs::read_to_string(folder.join("limits")).await?;
        let mut view = Self::read(&status, &limits);
        view.has_own_files = differs(&folder, "mnt").await;
        view.has_own_network = differs(&folder, "net").await;
        Ok(view)
    }

    fn read(status: &str, limits: &str) -> Self {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            // Real, effective, saved, of the file system.
            line.and_then(|rest| rest.split_whitespace().nth(usize::from(name == "Uid"))?.parse::<u32>().ok())
        };
        // Soft and hard limit follow the name; `unlimited` is no number.
        let limit = |name: &str| {
            limits.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        };
        Self {
            user: field("Uid").unwrap_or_default(),
            has_own_files: None,
            has_own_network: None,
            is_filtered: field("Seccomp").is_some_and(|mode| mode > 0),
            memory_bytes: limit("Max data size"),
            file_bytes: limit("Max file size"),
            open_files: limit("Max open files"),
            processes: limit("Max processes"),
        }
    }
}

/// Whether a process is in another namespace of that kind than we are.
async fn differs(folder: &Path, kind: &str) -> Option<bool> {
    let theirs = tokio::fs::read_link(folder.join("ns").join(kind)).await.ok()?;
    let ours = tokio::fs::read_link(Path::new("/proc/self/ns").join(kind)).await.ok()?;
    Some(theirs != ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words() {
        let status = "Name:\tpython3\nUid:\t1000\t1001\t1000\t1000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max file size             unlimited            unlimited            bytes     \n\
                      Max data size             1073741824           1073741824           bytes     \n\
                      Max processes             64                   64                   processes \n\
                      Max open files            1024                 524288               files     \n";
        let view = KernelView::read(status, limits);
        assert_eq!((view.user, view.is_filtered), (1001, true));
        assert_eq!((view.memory_bytes, view.file_bytes), (Some(1 << 30), None));
        assert_eq!((view.open_files, view.processes), (Some(1024), Some(64)));
        assert_eq!(KernelView::read("", ""), KernelView::default());
    }

    #[tokio::test]
    async fn a_child_that_shares_everything_is_told_so() {
        let own = KernelView::of(None).await.unwrap();
        assert_eq!(own, KernelView::of(Some(std::process::id())).await.unwrap());
        assert_eq!((own.has_own_files, own.has_own_network), (Some(false), Some(false)));
        assert!(KernelView::of(Some(u32::MAX)).await.is_err());
    }
}
