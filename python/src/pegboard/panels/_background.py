"""Background callbacks, each in a process of its own, forked from the worker: the worker's other callbacks go on, and a job can be ended.

What a job changes in memory is seen by nobody else, as with Dash's own managers. The browser asks again and again, and must reach the
same worker. Invariants: a job ends with its worker, whatever becomes of that; one that was cancelled is dead, with all that it has
started, when the browser hears of it; a result is kept until it was asked for once.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import secrets
import select
import signal
import struct
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn, final

import flask
from dash._callback_context import context_value
from dash._utils import AttributeDict
from dash.background_callback._proxy_set_props import ProxySetProps
from dash.background_callback.managers import BaseBackgroundCallbackManager
from dash.exceptions import PreventUpdate

from pegboard._linux import open_process, set_parent_death_signal

__all__ = ["ProcessJobs"]

NO_UPDATE: Final = {"_dash_no_update": "_dash_no_update"}
# Results that no browser came for: the oldest ones go.
MOST_KEPT: Final = 32
_LENGTH: Final = struct.Struct("<Q")
# Longest wait for a killed process.
KILL_SECONDS: Final = 5.0


@final
class _Job:
    """One run of a function, from the worker's side."""

    def __init__(self, process: int, reading: int) -> None:
        self._process = process
        self._reading = reading
        # Held where the process is killed or waited for, so that its number is its own.
        self._lock = threading.Lock()
        self._is_reaped = False
        self._over = threading.Event()
        self._progress: Any = None
        self._properties: dict[str, Any] = {}
        self._result: Any = BaseBackgroundCallbackManager.UNDEFINED
        threading.Thread(target=self._listen, name=f"background-{process}", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def take_progress(self) -> Any:
        with self._lock:
            said, self._progress = self._progress, None
        return said

    def take_properties(self) -> dict[str, Any]:
        with self._lock:
            said, self._properties = self._properties, {}
        return said

    def result(self) -> Any:
        """Only when the process is gone: it would be killed otherwise, and nothing of it is lost."""
        return self._result if self.is_over else BaseBackgroundCallbackManager.UNDEFINED

    def end(self) -> None:
        """Kills it and all that it has started; returns when it is gone."""
        with self._lock:
            if self._is_reaped:
                return
            _kill(_tree(self._process))
        self._over.wait(KILL_SECONDS)

    # In a thread.

    def _listen(self) -> None:
        received = bytearray()
        handle = open_process(self._process)
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        poll.register(handle, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._reading in ready:
                    piece = os.read(self._reading, 1 << 20)
                    if piece:
                        received += piece
                        self._hear(received)
                        continue
                    poll.unregister(self._reading)
                elif handle in ready:
                    break
        finally:
            os.close(handle)
            os.close(self._reading)
            self._reap()

    def _hear(self, received: bytearray) -> None:
        while len(received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
            if len(received) < end:
                return
            kind, value = pickle.loads(memoryview(received)[_LENGTH.size : end])
            del received[:end]
            with self._lock:
                if kind == "progress":
                    self._progress = value
                elif kind == "properties":
                    name, properties = value
                    self._properties[name] = {**self._properties.get(name, {}), **properties}
                else:
                    self._result = value

    def _reap(self) -> None:
        status = 0
        with self._lock:
            # Gone already, unless what it said could not be read.
            _kill([self._process])
            # The plugin may have waited for it.
            with suppress(ChildProcessError):
                status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
            self._is_reaped = True
            if self._result is BaseBackgroundCallbackManager.UNDEFINED:
                how = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
                self._result = _failed(f"its process {how} before it had a result", "")
        self._over.set()


@final
class ProcessJobs(BaseBackgroundCallbackManager):  # type: ignore[misc]
    """Called by the worker's main thread only."""

    def __init__(self) -> None:
        super().__init__(None)
        self._jobs: dict[str, _Job] = {}
        # What was delivered last: Dash asks for its properties after the result.
        self._last: dict[str, Any] = {}

    def make_job_fn(self, fn: Callable[..., Any], progress: bool, key: str | None = None) -> Callable[..., Any]:
        def run(say: Callable[[str, Any], None], arguments: Any, context: Mapping[str, Any]) -> Any:
            def set_progress(value: Any) -> None:
                say("progress", list(value) if isinstance(value, (list, tuple)) else [value])

            properties = ProxySetProps(lambda name, value: say("properties", (name, value)))
            context_value.set(AttributeDict({**context, "updated_props": properties, "ignore_register_page": False}))
            return _called(fn, (set_progress,) if progress else (), arguments)

        return run

    def call_job_fn(self, key: str, job_fn: Callable[..., Any], args: Any, context: Mapping[str, Any]) -> str:
        self._forget_the_oldest()
        reading, writing = os.pipe()
        parent = os.getpid()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        try:
            with warnings.catch_warnings():
                # Python warns of threads: the worker's own are ready for it.
                warnings.simplefilter("ignore", DeprecationWarning)
                process = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if process == 0:
            _work(parent, writing, job_fn, args, context)
        os.close(writing)
        name = secrets.token_hex(8)
        self._jobs[name] = _Job(process, reading)
        return name

    def terminate_job(self, job: Any) -> None:
        found = self._jobs.pop(str(job), None)
        if found is not None:
            found.end()

    def terminate_unhealthy_job(self, job: Any) -> bool:
        return False

    def job_running(self, job: Any) -> bool:
        # One that ended since its result was asked for counts: the result is for the next question.
        return str(job) in self._jobs

    def get_progress(self, key: str) -> Any:
        job = self._asked_for()
        return None if job is None else job.take_progress()

    def result_ready(self, key: str) -> bool:
        job = self._asked_for()
        return job is not None and job.is_over

    def get_result(self, key: str, job: Any) -> Any:
        found = self._jobs.get(str(job))
        self._last = {}
        if found is None:
            return self.UNDEFINED
        result = found.result()
        if result is not self.UNDEFINED:
            del self._jobs[str(job)]
            self._last = found.take_properties()
        return result

    def get_updated_props(self, key: str) -> dict[str, Any]:
        job = self._asked_for()
        said, self._last = self._last, {}
        return said if job is None else job.take_properties()

    def _asked_for(self) -> _Job | None:
        """By the request: two browsers with the same arguments have the same key, and a job each."""
        return self._jobs.get(flask.request.args.get("job", ""))

    def _forget_the_oldest(self) -> None:
        over = [name for name, job in self._jobs.items() if job.is_over]
        for name in over[: max(0, len(over) - MOST_KEPT + 1)]:
            del self._jobs[name]


def _called(function: Callable[..., Any], before: tuple[Any, ...], arguments: Any) -> Any:
    if isinstance(arguments, dict):
        made = function(*before, **arguments)
    elif isinstance(arguments, Sequence) and not isinstance(arguments, str):
        made = function(*before, *arguments)
    else:
        made = function(*before, arguments)
    return asyncio.run(made) if inspect.iscoroutine(made) else made


def _failed(message: str, trace: str) -> dict[str, Any]:
    return {"background_callback_error": {"msg": message, "tb": trace}}


# In the job's process.


def _work(parent: int, writing: int, function: Callable[..., Any], arguments: Any, context: Mapping[str, Any]) -> NoReturn:
    """Whatever happens, this process never goes back to what the worker does."""

    def say(kind: str, value: Any) -> None:
        message = pickle.dumps((kind, value), 5)
        with os.fdopen(os.dup(writing), "wb", buffering=0) as pipe:
            left = memoryview(_LENGTH.pack(len(message)) + message)
            while left:
                left = left[pipe.write(left) :]

    try:
        set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        try:
            result = function(say, arguments, context)
        except PreventUpdate:
            result = NO_UPDATE
        except (Exception, SystemExit) as error:
            result = _failed(str(error) or type(error).__name__, traceback.format_exc())
        try:
            say("result", result)
        except Exception as error:
            say("result", _failed(f"what it returned cannot leave its process: {error}", traceback.format_exc()))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:
        with suppress(BaseException):
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)
    os._exit(0)


# Killing.


def _tree(process: int) -> list[int]:
    """The process and its descendants, stopped, so that none of them starts another meanwhile."""
    found: list[int] = []
    new = [process]
    while new:
        for each in new:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGSTOP)
        found += new
        new = [child for child, its_parent in _processes() if its_parent in found and child not in found]
    return found


def _processes() -> Iterable[tuple[int, int]]:
    """Number and parent of every process."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                # The name in brackets may hold anything.
                yield int(name), int(file.read().rpartition(")")[2].split()[1])


def _kill(processes: Iterable[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
