//! What the kernel says of this process and this machine. Where there is no `/proc`, everything is zero.
//!
//! Reads files: call it away from the tasks.

use std::fs;
use std::path::Path;

/// Length of a page and of a clock tick as `/proc` counts them on every Linux that Rust supports with glibc or musl.
const PAGE: u64 = 4096;
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading. Times are seconds and grow from the start of the process or the machine; sizes are bytes.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reading {
    pub(super) rss: u64,
    pub(super) vms: u64,
    pub(super) user: f64,
    pub(super) system: f64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
    /// Of all processors together.
    pub(super) machine_user: f64,
    pub(super) machine_system: f64,
    pub(super) machine_all: f64,
    pub(super) memory_total: u64,
    pub(super) memory_available: u64,
    pub(super) memory_cached: u64,
    pub(super) disk_reads: u64,
    pub(super) disk_writes: u64,
    pub(super) network_sent: u64,
    pub(super) network_received: u64,
    /// Used share of the disk that holds the data directory.
    pub(super) disk_percent: f64,
}

/// What does not change while the process lives.
#[derive(Clone, Default, Debug)]
pub(super) struct Machine {
    pub(super) kernel_version: String,
    pub(super) kernel_release: String,
    pub(super) host: String,
}

impl Reading {
    pub(super) fn now(data: &Path) -> Self {
        let mut reading = Self::default();
        reading.process(&text("/proc/self/stat"), &text("/proc/self/statm"));
        reading.descriptors = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        reading.processors(&text("/proc/stat"));
        reading.memory(&text("/proc/meminfo"));
        reading.disks(&text("/proc/diskstats"));
        reading.network(&text("/proc/net/dev"));
        if let (Ok(total), Ok(free)) = (fs4::total_space(data), fs4::available_space(data))
            && total > 0
        {
            reading.disk_percent = 100.0 * (total.saturating_sub(free)) as f64 / total as f64;
        }
        reading
    }

    fn process(&mut self, stat: &str, statm: &str) {
        // The name in parentheses may contain anything; fields are counted from behind it, the state being the third.
        let after: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| after.get(number - 3).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        self.user = field(14) as f64 / TICKS_PER_SECOND;
        self.system = field(15) as f64 / TICKS_PER_SECOND;
        self.threads = field(20);
        let pages = numbers(statm);
        self.vms = pages.first().copied().unwrap_or(0) * PAGE;
        self.rss = pages.get(1).copied().unwrap_or(0) * PAGE;
    }

    fn processors(&mut self, stat: &str) {
        let ticks = numbers(stat.lines().next().unwrap_or_default());
        let seconds = |index: usize| ticks.get(index).copied().unwrap_or(0) as f64 / TICKS_PER_SECOND;
        self.machine_user = seconds(0) + seconds(1);
        self.machine_system = seconds(2);
        // The first eight: guest time, which follows, is part of user time.
        self.machine_all = (0..8).map(seconds).sum();
    }

    fn memory(&mut self, meminfo: &str) {
        let kilobytes = |name: &str| {
            let line = meminfo.lines().find(|line| line.split(':').next() == Some(name));
            line.and_then(|line| numbers(line).first().copied()).unwrap_or(0) * 1024
        };
        self.memory_total = kilobytes("MemTotal");
        self.memory_available = kilobytes("MemAvailable");
        self.memory_cached = kilobytes("Cached");
    }

    fn disks(&mut self, diskstats: &str) {
        for line in diskstats.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| fields.get(index).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
            self.disk_reads += number(3);
            self.disk_writes += number(7);
        }
    }

    fn network(&mut self, devices: &str) {
        for (_, counts) in devices.lines().filter_map(|line| line.split_once(':')) {
            let counts = numbers(counts);
            self.network_received += counts.first().copied().unwrap_or(0);
            self.network_sent += counts.get(8).copied().unwrap_or(0);
        }
    }
}

impl Machine {
    pub(super) fn read() -> Self {
        let line = |path: &str| text(path).trim().to_owned();
        Self {
            kernel_version: line("/proc/sys/kernel/version"),
            kernel_release: line("/proc/sys/kernel/osrelease"),
            host: line("/proc/sys/kernel/hostname"),
        }
    }
}

/// The version of the Python that environments were made from, as the newest of them says; nothing before the first.
pub(super) fn python_version(data: &Path) -> Option<String> {
    let made = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let folders = fs::read_dir(data.join("environments")).ok()?;
    let settings = folders.flatten().map(|folder| folder.path().join("pyvenv.cfg")).filter(|path| path.is_file());
    let newest = settings.max_by_key(|path| made(path))?;
    let text = fs::read_to_string(newest).ok()?;
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "version" | "version_info").then(|| value.trim().to_owned())
    };
    text.lines().find_map(value)
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let mut reading = Reading::default();
        reading.process("7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3", "500 20 1 1 0 1 0");
        assert_eq!((reading.user, reading.system, reading.threads), (2.5, 0.5, 9));
        assert_eq!((reading.vms, reading.rss), (500 * 4096, 20 * 4096));
        reading.processors("cpu  100 100 300 1000 0 0 0 0 7 7\ncpu0 1 2 3");
        assert_eq!((reading.machine_user, reading.machine_system, reading.machine_all), (2.0, 3.0, 15.0));
        reading.memory("MemTotal:  1000 kB\nMemAvailable: 400 kB\nCached: 100 kB\nSwapCached: 9 kB");
        assert_eq!((reading.memory_total, reading.memory_available, reading.memory_cached), (1_024_000, 409_600, 102_400));
        reading.disks("8 0 sda 10 0 0 0 20 0 0\n8 1 sda1 1 0 0 0 2 0 0");
        assert_eq!((reading.disk_reads, reading.disk_writes), (11, 22));
        reading.network("Inter-| Receive\n face |bytes\n lo: 5 1 0 0 0 0 0 0 6 1\neth0: 50 1 0 0 0 0 0 0 60 1");
        assert_eq!((reading.network_received, reading.network_sent), (55, 66));
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let reading = Reading::now(Path::new("."));
        if cfg!(target_os = "linux") {
            assert!(reading.rss > 0 && reading.descriptors > 0 && reading.threads > 0 && reading.memory_total > 0, "{reading:?}");
        }
    }
}
