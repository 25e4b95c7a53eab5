"""The worker: two channels, one call at a time.

The main thread reads the data channel and runs the calls, so that a round trip needs no hand-over between threads. A daemon thread
serves the control channel. Invariants: plugin code runs in the main thread only; a call has exactly one answer; after the server has
gone nothing of this process group is left.
"""

from __future__ import annotations

import faulthandler
import os
import platform
import resource
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final, NoReturn

from pegboard import _output
from pegboard._calls import Calls, CallState
from pegboard._errors import ChannelClosed, ProtocolError, failure_of
from pegboard._linux import CANCEL_SIGNAL, STACK_SIGNAL
from pegboard._loader import Loader
from pegboard._messages import (
    FEATURES,
    PROTOCOL,
    TO_WORKER,
    Cancel,
    Direction,
    Encode,
    Expand,
    Failed,
    Invoke,
    Items,
    Load,
    Loaded,
    Log,
    LogRecord,
    Message,
    Ping,
    Pong,
    Progress,
    Request,
    Response,
    ServerHello,
    Stage,
    Stop,
    WorkerHello,
    encode,
    finished_header,
    finite,
)
from pegboard._run import connection
from pegboard._session import Frame
from pegboard._shm import MAPPED
from pegboard._transport import Channel, move_up
from pegboard._values import Outgoing, Values

# Exit statuses of a worker that ends by itself.
LOST_SERVER: Final = 70
BROKEN_PROTOCOL: Final = 71
# Longest text in a header that a plugin writes: log lines, keys.
MAX_TEXT: Final = 256 << 10
# A signal that came just before the system call that it should interrupt is lost: it is repeated this often.
REPEAT_MS: Final = 50


class _StopHost(BaseException):
    """Wakes the idle main thread."""


class Host:
    """One worker process."""

    def __init__(self, control: int, data: int, dump: int, cpu_seconds: int | None) -> None:
        """Takes the descriptors over."""
        self._control = Channel(move_up(control))
        self._data = Channel(move_up(data))
        self._dump = move_up(dump)
        self._cpu_seconds = cpu_seconds
        self._direction = Direction(TO_WORKER)
        self._state = CallState()
        self._main = threading.get_ident()
        # Held by whoever waits for a frame on the data channel.
        self._receiving = threading.Lock()
        self._requests = 0
        self._idle = False
        self._stopping = False

    def run(self) -> int:
        """Until the server says stop; the exit status."""
        faulthandler.register(STACK_SIGNAL, file=self._dump, all_threads=True, chain=False)
        signal.signal(CANCEL_SIGNAL, self._on_signal)
        os.register_at_fork(after_in_child=self._after_fork)
        try:
            hello = self._greet()
        except ChannelClosed:
            self._abandon()
        except ProtocolError as error:
            return self._refuse(error)
        self._values = Values(hello.inline_limit, hello.read_only)
        self._loader = Loader()
        self._calls = Calls(self._values, self._loader, self._state, self._send_parts, self._leave_fork)
        self._operations: dict[type[Message], Any] = {
            Stage: self._calls.stage,
            Expand: self._calls.expand,
            Items: self._calls.items,
            Encode: self._calls.encode,
            Invoke: self._calls.invoke,
        }
        connection.server = self
        threading.Thread(target=self._serve_control, name="pegboard-control", daemon=True).start()
        try:
            while True:
                try:
                    self._idle = True
                    if self._stopping:
                        # No more signals from the control thread: exit handlers must not be cut short.
                        self._idle = False
                        return 0
                    with self._receiving:
                        frame, descriptors = self._data.receive()
                    self._idle = False
                except _StopHost:
                    return 0
                self._handle(frame, descriptors)
        except ChannelClosed:
            # When the server has gone, the control thread ends the whole group.
            os._exit(LOST_SERVER)
        except ProtocolError as error:
            return self._refuse(error)

    # Calls.

    def _handle(self, frame: Frame, descriptors: list[int]) -> None:
        message = self._direction.parse(frame.header)
        if self._cpu_seconds is not None:
            _move_cpu_limit(self._cpu_seconds)
        if isinstance(message, Load):
            self._load(message)
            return
        operation = self._operations.get(type(message))
        if operation is None:
            raise ProtocolError(f"a `{message.type_name}` message does not belong on the data channel")
        call: int = message.call  # type: ignore[attr-defined]
        outgoing = Outgoing()
        state = self._state
        state.begin(call)
        started = time.perf_counter_ns()
        failure: BaseException | None = None
        try:
            try:
                state.interruptible = True
                operation(message, frame.parts, descriptors, outgoing)
            finally:
                state.interruptible = False
        except BaseException as error:
            failure = error
        if state.forked:
            self._leave_fork(failure)
        if isinstance(failure, (ChannelClosed, ProtocolError)):
            raise failure
        state.call = 0
        _output.flush()
        _output.restore()
        if failure is None:
            header = finished_header(call, (time.perf_counter_ns() - started) // 1000, len(outgoing.descriptors))
            self._send_parts(header, outgoing)
        else:
            outgoing.clear()
            self._data.send(encode(Failed(call, failure_of(failure))))
        for descriptor in descriptors:
            with suppress(OSError):
                os.close(descriptor)

    def _load(self, message: Load) -> None:
        started = time.perf_counter()
        answer: Message
        try:
            self._loader.load(message.modules, message.called or ())
            if message.executor is not None:
                from pegboard._executor import choose

                self._calls.executor = choose(message.executor, message.modules, self._values, self._state)
            answer = Loaded(time.perf_counter() - started)
        except BaseException as error:
            if self._state.forked:
                self._leave_fork(error)
            answer = Failed(0, failure_of(error, "load"))
        if self._state.forked:
            self._leave_fork(None)
        _output.flush()
        _output.restore()
        self._data.send(encode(answer))

    def _send_parts(self, header: bytes, outgoing: Outgoing) -> None:
        try:
            self._data.send(header, outgoing.parts, outgoing.descriptors)
        finally:
            outgoing.clear()

    # What plugin code may ask for; see `_run.Server`. Any thread.

    def log(self, level: str, text: str) -> None:
        if not self._state.call:
            # While the plugin is imported, and in its threads between calls.
            sys.stderr.write(f"[{level}] {text}\n")
            return
        with self._state:
            self._data.send(encode(Log([LogRecord(level, _cut(text))])))

    def progress(self, done: float, total: float | None, message: str) -> None:
        if not self._state.call:
            return
        known = None if total is None else finite(float(total))
        with self._state:
            self._data.send(encode(Progress(finite(float(done)) or 0.0, known, _cut(message))))

    def put(self, namespace: str, key: str, value: object) -> None:
        outgoing = Outgoing()
        self._values.dump(value, outgoing)
        self._request("memory_put", namespace, key, outgoing)

    def ask(self, method: str, namespace: str, key: str) -> tuple[bool, object]:
        return self._request(method, namespace, key, Outgoing())

    def _request(self, method: str, namespace: str, key: str, outgoing: Outgoing) -> tuple[bool, object]:
        try:
            if len(key) > MAX_TEXT or len(namespace) > MAX_TEXT:
                raise ValueError(f"a key of {len(key)} characters is over the limit of {MAX_TEXT}")
            if not self._state.call:
                raise RuntimeError("the server can be asked only while a stage runs")
            with self._state, self._receiving:
                self._requests += 1
                number = self._requests
                self._send_parts(encode(Request(number, method, namespace, key, len(outgoing.descriptors))), outgoing)
                frame, descriptors = self._data.receive()
        finally:
            outgoing.clear()
        try:
            answer = self._direction.parse(frame.header)
            if not isinstance(answer, Response) or answer.request != number:
                raise ProtocolError(f"a `{answer.type_name}` message came instead of the answer to request {number}")
            if answer.failure is not None:
                raise RuntimeError(answer.failure.message)
            value = self._values.load(frame.parts[0], descriptors) if frame.parts else None
            return answer.found, value
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    # Control.

    def _greet(self) -> ServerHello:
        self._control.send(encode(WorkerHello(PROTOCOL, list(FEATURES), os.getpid(), platform.python_version(), STACK_SIGNAL)))
        frame, _ = self._control.receive()
        hello = self._direction.parse(frame.header)
        if not isinstance(hello, ServerHello):
            raise ProtocolError(f"a `{hello.type_name}` message came instead of the server's hello")
        if hello.protocol.major != PROTOCOL.major:
            theirs = f"{hello.protocol.major}.{hello.protocol.minor}"
            raise ProtocolError(f"protocol version {theirs} does not fit ours, {PROTOCOL.major}.{PROTOCOL.minor}")
        return hello

    def _serve_control(self) -> None:
        try:
            poll = select.poll()
            poll.register(self._control.fileno(), select.POLLIN)
            while True:
                if not self._control.has_bytes and not poll.poll(REPEAT_MS if self._stopping or self._state.requested else None):
                    self._interrupt()
                    continue
                frame, _ = self._control.receive()
                message = self._direction.parse(frame.header)
                if isinstance(message, Ping):
                    self._control.send(encode(Pong(message.sequence, MAPPED.total)))
                elif isinstance(message, Cancel):
                    if message.call == self._state.call:
                        self._state.requested = message.call
                        self._interrupt()
                elif isinstance(message, Stop):
                    self._stopping = True
                    self._interrupt()
                else:
                    raise ProtocolError(f"a `{message.type_name}` message does not belong on the control channel")
        except ProtocolError as error:
            os._exit(self._refuse(error))
        except (ChannelClosed, OSError):
            self._abandon()

    def _interrupt(self) -> None:
        state = self._state
        if state.requested and state.requested != state.call:
            # Too late: that call is over.
            state.requested = 0
        if state.requested or (self._stopping and self._idle):
            signal.pthread_kill(self._main, CANCEL_SIGNAL)

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stopping and self._idle:
            self._idle = False
            raise _StopHost
        self._state.on_signal()

    # Ends.

    def _after_fork(self) -> None:
        """In a child that plugin code forked: it has no business with the server."""
        self._state.forked = True
        connection.server = None
        with suppress(Exception):
            faulthandler.unregister(STACK_SIGNAL)
        for channel in (self._control, self._data):
            with suppress(OSError):
                channel.close()
        with suppress(OSError):
            os.close(self._dump)
        _output.forget()

    def _leave_fork(self, error: BaseException | None) -> NoReturn:
        """A forked child came back from plugin code as if it were the worker."""
        status = 0
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            status = 1
            with suppress(Exception):
                sys.stderr.write(failure_of(error).traceback or "")
        _output.flush()
        os._exit(status & 0xFF)

    def _refuse(self, error: ProtocolError) -> int:
        with suppress(Exception):
            sys.stderr.write(f"worker ends: {error}\n")
        _output.flush()
        return BROKEN_PROTOCOL

    def _abandon(self) -> NoReturn:
        """The server is gone: so goes everything that was started here."""
        if os.getpgrp() == os.getpid():
            with suppress(OSError):
                os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(LOST_SERVER)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def _move_cpu_limit(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime) + seconds + 1
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
