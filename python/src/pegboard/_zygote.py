"""The parked interpreter: imports libraries once, then forks workers on request.

Invariants: no code of a plugin is imported here; one thread; a child is reaped, and its whole process group killed, before its end is
told. When the server's socket closes, every group is killed and the zygote leaves.
"""

from __future__ import annotations

import gc
import os
import platform
import random
import resource
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pegboard import _output
from pegboard._errors import ChannelClosed, ProtocolError, message_of
from pegboard._linux import open_process, set_parent_death_signal
from pegboard._messages import PROTOCOL, TO_ZYGOTE, Direction, Exited, Fork, Forked, ForkFailed, Limits, Parked, encode
from pegboard._transport import Channel, move_up

# Exit status of a child that could not become a worker.
NOT_STARTED: Final = 72
# Linear algebra with threads of its own must not have any at the fork.
SINGLE_THREADED: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """What a forked child needs to become a worker."""

    control: int
    data: int
    dump: int
    cpu_seconds: int | None


class Zygote:
    """Forks, hands out process handles, reaps."""

    def __init__(self, script: str) -> None:
        """`script` is the file that a fresh interpreter executes."""
        self._script = script
        self._channel = Channel(_take_standard_input())
        self._direction = Direction(TO_ZYGOTE)
        self._poll = select.poll()
        self._poll.register(self._channel.fileno(), select.POLLIN)
        # Process handle to process id.
        self._children: dict[int, int] = {}

    def run(self, preload: Sequence[str]) -> WorkerStart | int:
        """Until the server goes: the exit status. In a forked child: what it is to do."""
        _die_with_parent(signal.SIGKILL)
        for name in SINGLE_THREADED:
            os.environ.setdefault(name, "1")
        gc.disable()
        started = time.perf_counter()
        imported, failed = import_all(preload)
        warm_up(imported)
        gc.collect()
        gc.freeze()
        # From here on an orderly end is possible, and it takes the grandchildren along.
        signal.signal(signal.SIGTERM, self._on_terminate)
        set_parent_death_signal(signal.SIGTERM)
        threads = threading.active_count() - 1
        seconds = time.perf_counter() - started
        try:
            self._channel.send(encode(Parked(PROTOCOL, platform.python_version(), threads, imported, failed, seconds)))
            while True:
                for descriptor, _ in self._poll.poll():
                    if descriptor in self._children:
                        self._reap(descriptor)
                    elif (start := self._serve_all()) is not None:
                        return start
        except ChannelClosed:
            return self._leave(0)
        except ProtocolError as error:
            sys.stderr.write(f"parked interpreter ends: {error}\n")
            return self._leave(1)

    def _serve_all(self) -> WorkerStart | None:
        """Every request that was read: the next one may already be here, and the socket would not tell."""
        start = self._serve()
        while start is None and self._channel.has_bytes:
            start = self._serve()
        return start

    def _serve(self) -> WorkerStart | None:
        frame, descriptors = self._channel.receive()
        try:
            message = self._direction.parse(frame.header)
            if not isinstance(message, Fork):
                raise ProtocolError(f"a `{message.type_name}` message does not belong here")
            if len(descriptors) != 5:
                self._channel.send(encode(ForkFailed(message.request, f"five descriptors are needed, {len(descriptors)} came")))
                return None
            _output.flush()
            parent = os.getpid()
            try:
                with warnings.catch_warnings():
                    # Python warns of threads; the server has been told how many there are.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    child = os.fork()
            except OSError as error:
                self._channel.send(encode(ForkFailed(message.request, message_of(error))))
                return None
            if child == 0:
                return self._become_worker(message, descriptors, parent)
            self._announce(message.request, child)
            return None
        finally:
            # A child that becomes a worker has moved them and left the list empty.
            for descriptor in descriptors:
                os.close(descriptor)

    def _announce(self, request: int, child: int) -> None:
        try:
            handle = open_process(child)
        except OSError as error:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._channel.send(encode(ForkFailed(request, message_of(error))))
            return
        self._children[handle] = child
        self._poll.register(handle, select.POLLIN)
        self._channel.send(encode(Forked(request, child, 1)), (), [handle])

    def _reap(self, handle: int) -> None:
        child = self._children.pop(handle)
        self._poll.unregister(handle)
        os.close(handle)
        # Before it is reaped its id, which is its group's, cannot belong to anybody else.
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        self._channel.send(encode(Exited(child, code, None) if code >= 0 else Exited(child, None, -code)))

    def _leave(self, status: int) -> int:
        for child in self._children.values():
            with suppress(OSError):
                os.killpg(child, signal.SIGKILL)
            with suppress(OSError):
                # It may not have come as far as a group of its own.
                os.kill(child, signal.SIGKILL)
        for child in self._children.values():
            with suppress(OSError):
                os.waitpid(child, 0)
        return status

    def _on_terminate(self, number: int, frame: object) -> NoReturn:
        os._exit(self._leave(0))

    # In the child.

    def _become_worker(self, message: Fork, descriptors: list[int], parent: int) -> WorkerStart:
        try:
            control, data, output, error_output, dump = descriptors
            descriptors.clear()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.setsid()
            _output.attach(output, error_output)
            _die_with_parent(signal.SIGKILL, parent)
            self._channel.close()
            for handle in self._children:
                os.close(handle)
            control, data, dump = move_up(control), move_up(data), move_up(dump)
            os.chdir(message.directory)
            apply_limits(message.limits)
            if message.fresh:
                self._execute(control, data, dump, message.limits.cpu_seconds)
            reseed()
            gc.enable()
            return WorkerStart(control, data, dump, message.limits.cpu_seconds)
        except BaseException as error:
            with suppress(BaseException):
                sys.stderr.write(f"worker could not start: {type(error).__name__}: {message_of(error)}\n")
                _output.flush()
            os._exit(NOT_STARTED)

    def _execute(self, control: int, data: int, dump: int, cpu_seconds: int | None) -> NoReturn:
        for descriptor in (control, data, dump):
            os.set_inheritable(descriptor, True)
        words = [sys.executable, "-I", self._script, "worker", "--control", str(control), "--data", str(data), "--dump", str(dump)]
        if cpu_seconds is not None:
            words += ["--cpu-seconds", str(cpu_seconds)]
        os.execv(sys.executable, words)


def import_all(names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Imports what is there. Names that imported, and those that failed with the last line of their traceback."""
    imported: list[str] = []
    failed: list[tuple[str, str]] = []
    for name in names:
        try:
            __import__(name)
            imported.append(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                failed.append((name, _last_line(error)))
        except BaseException as error:
            failed.append((name, _last_line(error)))
    return imported, failed


def _last_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def warm_up(imported: Sequence[str]) -> None:
    """Uses what was imported once: much of it loads at first use, which is then done once instead of in every child."""
    for name in imported:
        step = _WARM_UP.get(name)
        if step is not None:
            with suppress(Exception):
                step()


def _warm_numpy() -> None:
    import numpy

    values: Any = numpy.arange(64, dtype="float64").reshape(8, 8)
    (values @ values).sum()
    numpy.random.default_rng(0).normal(size=8)


def _warm_pandas() -> None:
    import pandas

    frame = pandas.DataFrame({"key": ["a", "b", "a"], "value": [1.0, 2.0, 3.0]})
    frame.groupby("key")["value"].mean().to_dict()
    frame.merge(frame, on="key").sort_values("value_x").to_json()


_WARM_UP: Final[dict[str, Callable[[], None]]] = {"numpy": _warm_numpy, "pandas": _warm_pandas}


def apply_limits(limits: Limits) -> None:
    """Resource limits of this process. Processor time is the host's, call by call."""
    for kind, wanted in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_CORE, 0),
    ):
        if wanted is not None:
            _, hard = resource.getrlimit(kind)
            value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (value, value))
    if limits.file_bytes is not None:
        # Soft only: the host lifts it while it writes a shared value, which is memory and no file.
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, hard))
    # Not every container allows it; the limits above hold anyway.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def reseed() -> None:
    """Every child of one zygote has the same state of the random generators; not any more."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _die_with_parent(number: int, parent: int | None = None) -> None:
    expected = os.getppid() if parent is None else parent
    set_parent_death_signal(number)
    if os.getppid() != expected:
        # It went before the kernel could be told.
        os._exit(NOT_STARTED)


def _take_standard_input() -> int:
    """The socket out of the way, nothing in its place."""
    channel = move_up(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return channel
