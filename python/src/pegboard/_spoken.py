"""What a stage says on a cluster on its way into the run's log: print, structured logger, progress.

A task opens a connection to its driver with its first word. When there is no way the words are held and travel with the result. The driver
has dealt with everything once it closes the connection, so words come before the result.
"""

from __future__ import annotations

import hmac
import io
import json
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final, Protocol

from pegboard._run import Server

__all__ = ["Listener", "Record", "RemoteServer", "Sink", "address_towards", "capture", "replay", "speaking"]

# Kind (`out`, `err`, `log`, `progress`) and its values.
Record = list[Any]

CONNECT_SECONDS: Final = 2.0
# Until the driver has dealt with the last word.
FLUSH_SECONDS: Final = 10.0
MAX_LINE: Final = 1 << 20
MAX_HELD: Final = 100_000


class Sink:
    """Of one task. Any thread."""

    def __init__(self, channel: tuple[str, int, str] | None, call: str) -> None:
        self._channel = channel
        self._call = call
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._lines = {"out": "", "err": ""}
        self.held: list[Record] = []

    def write(self, name: str, text: str) -> None:
        with self._lock:
            *lines, rest = (self._lines[name] + text).split("\n")
            self._lines[name] = rest
            for line in lines:
                self._say([name, line])

    def say(self, record: Record) -> None:
        with self._lock:
            self._say(record)

    def close(self) -> None:
        """Says what is left of a line, and waits until everything was dealt with."""
        with self._lock:
            for name, rest in self._lines.items():
                if rest:
                    self._say([name, rest])
            self._lines = {"out": "", "err": ""}
            if self._socket is not None:
                with suppress(OSError), self._socket:
                    self._socket.shutdown(socket.SHUT_WR)
                    self._socket.settimeout(FLUSH_SECONDS)
                    self._socket.recv(1)
                self._socket = None
            self._channel = None

    def _say(self, record: Record) -> None:
        if self._channel is not None:
            try:
                if self._socket is None:
                    host, port, word = self._channel
                    self._socket = socket.create_connection((host, port), CONNECT_SECONDS)
                    self._socket.settimeout(None)
                    self._socket.sendall(f"{word}\n{self._call}\n".encode())
                self._socket.sendall(json.dumps(record).encode() + b"\n")
                return
            except OSError:
                if self._socket is not None:
                    self._socket.close()
                self._channel = self._socket = None
        if len(self.held) < MAX_HELD:
            self.held.append(record)


_sink: Final[ContextVar[Sink | None]] = ContextVar("pegboard_sink", default=None)


@contextmanager
def speaking(channel: tuple[str, int, str] | None, call: str) -> Iterator[Sink]:
    sink = Sink(channel, call)
    try:
        yield sink
    finally:
        sink.close()


@contextmanager
def capture(sink: Sink) -> Iterator[None]:
    """What this thread prints inside the block goes to the sink."""
    for name, stream in (("out", "stdout"), ("err", "stderr")):
        present = getattr(sys, stream)
        if not isinstance(present, _Stream):
            setattr(sys, stream, _Stream(name, present))
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


class _Stream(io.TextIOBase):
    """A standard stream that knows whose thread writes."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def write(self, text: str) -> int:
        sink = _sink.get()
        if sink is None:
            return int(self._original.write(text) or 0)
        sink.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        self._original.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._original.fileno())

    def isatty(self) -> bool:
        return False


class Memory(Protocol):
    """A cluster's memory."""

    def put(self, namespace: str, key: str, value: object) -> None: ...
    def get(self, namespace: str, key: str) -> object: ...
    def exists(self, namespace: str, key: str) -> bool: ...
    def delete(self, namespace: str, key: str) -> bool: ...
    def clear(self, namespace: str) -> None: ...


_cluster: Final[ContextVar[tuple[str, dict[str, Any]] | None]] = ContextVar("pegboard_cluster", default=None)


class RemoteServer:
    """Stands for the server in a cluster's worker."""

    @staticmethod
    @contextmanager
    def on_cluster(kind: str, options: dict[str, Any]) -> Iterator[None]:
        token = _cluster.set((kind, options))
        try:
            yield
        finally:
            _cluster.reset(token)

    @staticmethod
    def memory_options() -> dict[str, Any]:
        """What the executor's settings say of the cluster memory; empty outside of a task."""
        found = _cluster.get()
        return {} if found is None else found[1]

    def log(self, level: str, text: str) -> None:
        sink = _sink.get()
        if sink is None:
            sys.stderr.write(f"[{level}] {text}\n")
        else:
            sink.say(["log", level, text])

    def progress(self, done: float, total: float | None, message: str) -> None:
        sink = _sink.get()
        if sink is not None:
            sink.say(["progress", float(done), None if total is None else float(total), message])

    def put(self, namespace: str, key: str, value: object) -> None:
        self._memory().put(namespace, key, value)

    def ask(self, method: str, namespace: str, key: str) -> tuple[bool, object]:
        memory = self._memory()
        if method == "memory_get":
            try:
                return True, memory.get(namespace, key)
            except KeyError:
                return False, None
        if method == "memory_exists":
            return memory.exists(namespace, key), None
        if method == "memory_delete":
            return memory.delete(namespace, key), None
        memory.clear(namespace)
        return True, None

    @staticmethod
    def _memory() -> Memory:
        found = _cluster.get()
        if found is None:
            raise RuntimeError("cluster memory can be used only while a stage runs")
        kind, options = found
        if kind == "ray":
            from pegboard._ray import RayMemory

            return RayMemory(options)
        from pegboard._dask import DaskMemory

        return DaskMemory()


def replay(record: Record, server: Server) -> None:
    """Says in the driver what was said on the cluster."""
    kind, *values = record
    if kind == "log":
        server.log(str(values[0]), str(values[1]))
    elif kind == "progress":
        server.progress(*values)
    else:
        stream = sys.stderr if kind == "err" else sys.stdout
        stream.write(f"{values[0]}\n")


class Listener:
    """Hears the tasks of one driver. Words for a call that is over are dropped."""

    def __init__(self, host: str, hear: Callable[[Record], None]) -> None:
        self._word = secrets.token_hex(32)
        self._hear = hear
        self.call = ""
        self._socket = socket.create_server((host, 0), backlog=512)
        threading.Thread(target=self._accept, name="pegboard-listener", daemon=True).start()

    @property
    def channel(self) -> tuple[str, int, str]:
        host, port = self._socket.getsockname()[:2]
        return host, port, self._word

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError, IndexError, TypeError), connection, connection.makefile("rb") as lines:
            word = lines.readline(200).strip()
            if not hmac.compare_digest(word, self._word.encode()):
                return
            call = lines.readline(200).strip().decode()
            while line := lines.readline(MAX_LINE):
                if call == self.call:
                    self._hear(json.loads(line))


def address_towards(host: str) -> str:
    """This machine's address as somebody at `host` sees it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
