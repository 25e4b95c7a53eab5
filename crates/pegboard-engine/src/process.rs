//! The handle of a worker's process, which somebody else (its zygote) has started and reaps.
//!
//! Invariants: signals go by process descriptor, never to a number that may have been given to another process; the whole
//! group is killed when the handle is dropped.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// How long the zygote may take to tell how a process ended that is known to have ended.
const STATUS_GRACE: Duration = Duration::from_millis(500);

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// With a status.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody could tell: its zygote died as well.
    Unknown,
}

/// A process that leads a group of its own.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    pid: Pid,
    descriptor: AsyncFd<OwnedFd>,
    status: watch::Receiver<Option<Exit>>,
    /// The process has ended and its group was killed after that: its number means nothing any more.
    swept: AtomicBool,
}

impl ProcessHandle {
    /// Takes the process descriptor; `status` will say how it ended.
    pub(crate) fn new(pid: u32, descriptor: OwnedFd, status: watch::Receiver<Option<Exit>>) -> io::Result<Self> {
        let pid = i32::try_from(pid)
            .ok()
            .filter(|pid| *pid > 1)
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{pid} is not a process id")))?;
        Ok(Self { pid, descriptor: register(descriptor)?, status, swept: AtomicBool::new(false) })
    }

    /// Process and group id.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal to the process itself; nothing happens when it is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = rustix::process::pidfd_send_signal(self.descriptor.get_ref(), signal);
    }

    /// Sends the signal that the worker named by number, most likely a real-time one; whether it could be sent.
    #[expect(unsafe_code, reason = "real-time signals have no name, and numbers are only made into signals without a check")]
    pub(crate) fn signal_number(&self, number: i32) -> bool {
        if !(1..=64).contains(&number) {
            return false;
        }
        // SAFETY: the number is that of a signal, as checked above. It is sent to another process, which has asked for it, and
        // never used to change how this process handles signals, so what the C library keeps for itself here is untouched.
        let signal = unsafe { Signal::from_raw_unchecked(number) };
        rustix::process::pidfd_send_signal(self.descriptor.get_ref(), signal).is_ok()
    }

    /// Sends a signal to the group: the process and every child that did not leave it.
    ///
    /// The group's number stays taken while anybody is in the group, and is given anew at the earliest when the kernel's
    /// process numbers have gone round; it is used within moments of the leader's end.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if !self.swept.load(Ordering::Acquire) {
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
    }

    /// Ends the process and everybody in its group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        self.signal_group(Signal::KILL);
    }

    /// Kills what a process that has ended left in its group; after this no signal is sent any more.
    pub(crate) fn sweep(&self) {
        self.signal_group(Signal::KILL);
        self.swept.store(true, Ordering::Release);
    }

    /// Waits until the process has ended and says how. Cancel-safe; may be called again.
    pub(crate) async fn exited(&self) -> Exit {
        if self.descriptor.readable().await.is_err() {
            return Exit::Unknown;
        }
        let mut status = self.status.clone();
        let told = tokio::time::timeout(STATUS_GRACE, status.wait_for(Option::is_some)).await;
        match told {
            Ok(Ok(exit)) => exit.unwrap_or(Exit::Unknown),
            _ => Exit::Unknown,
        }
    }

    /// Waits at most `patience` for the end.
    pub(crate) async fn exited_within(&self, patience: Duration) -> Option<Exit> {
        tokio::time::timeout(patience, self.exited()).await.ok()
    }

    /// Bytes of anonymous memory, pages still shared with the zygote in full: cheap, and never below [`Self::own_bytes`].
    pub(crate) fn anonymous_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.id())).ok()?;
        let mut fields = text.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (fields.next()??, fields.next()??);
        Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
    }

    /// Bytes of anonymous memory, pages shared with others in proportion. Mapped values do not count (the kernel calls their
    /// pages private while nobody else maps them), what was written into a copy-on-write map does. Read from the page tables:
    /// slow for a large process (milliseconds per gigabyte), so not for an async thread.
    pub(crate) fn own_bytes(&self) -> Option<u64> {
        own_memory(self.id())
    }

    /// Whether it is stopped (state `T`), by SIGSTOP or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.id()))
            .ok()
            .and_then(|text| text.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()))
            .is_some_and(|state| matches!(state, 'T' | 't'))
    }
}

/// Bytes of anonymous memory of a worker's process, pages that it shares with others in proportion. Blocking: milliseconds per gigabyte.
#[must_use]
pub fn own_memory(process_id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process_id}/smaps_rollup")).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
    Some(kibibytes.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

impl Drop for ProcessHandle {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(unsafe_code, reason = "the safe constructor is deprecated, this one asks for the promise below")]
fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the value that is registered, which closes it when it is dropped and not before.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)
}

/// How often the kernel has killed a process for lack of memory since it started.
pub(crate) fn kernel_memory_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Name of a signal as people know it.
pub(crate) fn signal_name(number: i32) -> String {
    const NAMES: &[(Signal, &str)] = &[
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMES
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}
