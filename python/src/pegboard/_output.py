"""Standard streams of a worker: line-buffered pipes to the server, flushed before every answer."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from typing import Final

# Copies of the pipes for `restore` are put at this number or above, out of the way of plugins that count descriptors.
FIRST_COPY: Final = 200
# What descriptors 1 and 2 are: a copy of each, with the device and the inode that tell it from others.
_kept: dict[int, tuple[int, tuple[int, int]]] = {}


def attach(standard_output: int, standard_error: int) -> None:
    """Puts the pipes onto descriptors 1 and 2 and nothing onto 0; closes the originals."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, number in ((nothing, 0), (standard_output, 1), (standard_error, 2)):
        if source != number:
            os.dup2(source, number)
            os.close(source)
        os.set_inheritable(number, True)
    for number in (1, 2):
        # Without room for a copy the stream is not put back, and that is all.
        with suppress(OSError):
            _kept[number] = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, FIRST_COPY), _identity(number))
    configure()


def restore() -> None:
    """Puts descriptors 1 and 2 back when a call has closed or redirected them, so that the next one is heard."""
    for number, (copy, identity) in _kept.items():
        try:
            if _identity(number) == identity:
                continue
        except OSError:
            pass
        with suppress(OSError):
            os.dup2(copy, number, inheritable=True)
    if any(getattr(stream, "closed", False) for stream in (sys.stdout, sys.stderr)):
        configure()


def forget() -> None:
    """Closes the copies, in a process that is not the worker."""
    for copy, _ in _kept.values():
        with suppress(OSError):
            os.close(copy)
    _kept.clear()


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def configure() -> None:
    """Line-buffered text that never fails on a character.

    New streams rather than the old ones changed: those remember whether their descriptor could seek, and now it is another file.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def flush() -> None:
    """Sends what a plugin has printed; a stream that it has closed or replaced is its own affair."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        # The other one may still have something.
        with suppress(Exception):
            sys.stderr.flush()
