//! What happens in a new process between fork and exec, and how its end is noticed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the kernel kill the process when the thread that starts it ends.
#[expect(unsafe_code, reason = "the signal can only be asked for in the new process itself, before it executes the program")]
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above; nobody would tell us any more.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe work is allowed: it makes two system calls
    // and neither allocates nor locks nor touches memory other than its copy of `parent`.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Lets the runtime tell when a process descriptor becomes readable: when its process has ended.
#[expect(unsafe_code, reason = "the safe constructor is deprecated, this one asks for the promise below")]
pub(super) fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the value that is registered owns the descriptor, and closes it when it is dropped and not before.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(io::Error::from)
}
