"""Calls of the kernel that Python does not offer, or not in every build: some are made against headers older than the call."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_SYS_PIDFD_OPEN: Final = 434
_SYS_MEMFD_CREATE: Final = {"x86_64": 319, "aarch64": 279, "riscv64": 279}
_MFD_CLOEXEC: Final = 1
_MFD_ALLOW_SEALING: Final = 2
# First real-time signal that the C library leaves to programs.
STACK_SIGNAL: Final = signal.SIGRTMIN + 7
CANCEL_SIGNAL: Final = signal.SIGRTMIN + 8

_library = ctypes.CDLL(None, use_errno=True)


def set_parent_death_signal(number: int) -> None:
    """The kernel sends this signal to us when our parent ends."""
    if _library.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise _last_error()


def open_process(process_id: int) -> int:
    """A handle (pidfd) of a child that has not been waited for."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(process_id)
    return _checked(_library.syscall(_SYS_PIDFD_OPEN, process_id, 0))


def create_memory_file() -> int:
    """An anonymous file in memory that can be sealed, closed on exec."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pegboard-value", _MFD_CLOEXEC | _MFD_ALLOW_SEALING)
    number = _SYS_MEMFD_CREATE.get(platform.machine())
    if number is None:
        raise OSError(38, "this Python has no memfd_create")
    return _checked(_library.syscall(number, b"pegboard-value", _MFD_CLOEXEC | _MFD_ALLOW_SEALING))


def _checked(result: int) -> int:
    if result < 0:
        raise _last_error()
    return result


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
