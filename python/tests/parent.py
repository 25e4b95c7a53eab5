"""A scripted parent: starts the real zygote and speaks to it and to its workers as the server does."""

from __future__ import annotations

import array
import json
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pegboard._session import Frame, Session, head
from pegboard._shm import layout, read_block

SOURCE = Path(__file__).resolve().parents[1] / "src"
MAIN = SOURCE / "pegboard" / "__main__.py"
PATIENCE = 20.0


class Peer:
    """The server's end of a channel."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.session = Session()
        self.arrived: list[int] = []

    def send(self, header: dict[str, Any], parts: list[bytes] = [], descriptors: list[int] = []) -> None:  # noqa: B006
        if descriptors:
            header = {**header, "descriptors": len(descriptors)}
        data = head(json.dumps(header).encode(), parts) + b"".join(parts)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def receive(self, timeout: float = PATIENCE) -> tuple[Frame, list[int]]:
        due = time.monotonic() + timeout
        while (frame := self.session.next_frame()) is None:
            self.socket.settimeout(max(0.001, due - time.monotonic()))
            data, ancillary, _, _ = self.socket.recvmsg(self.session.read_size, 4096)
            for _, _, content in ancillary:
                numbers = array.array("i")
                numbers.frombytes(content)
                self.arrived += numbers
            if not data:
                raise EOFError
            self.session.feed(data)
        count = frame.header.get("descriptors", 0)
        mine, self.arrived = self.arrived[:count], self.arrived[count:]
        return frame, mine

    def close(self) -> None:
        self.socket.close()


class Zygote:
    """The real one, as a child process."""

    def __init__(self, *preload: str, path: list[Path] = [], environment: dict[str, str] | None = None) -> None:  # noqa: B006
        ours, theirs = socket.socketpair()
        words = [sys.executable, "-I", str(MAIN), "zygote", "--preload", ",".join(preload)]
        if path:
            # Stands for an installed package: isolated mode reads no PYTHONPATH.
            program = f"import sys, runpy; sys.path[:0] = {[str(item) for item in path]!r}; sys.argv = {words[2:]!r}; "
            program += f"runpy.run_path({str(MAIN)!r}, run_name='__main__')"
            words = [sys.executable, "-I", "-c", program]
        self.process = subprocess.Popen(words, stdin=theirs, env=environment)
        theirs.close()
        self.peer = Peer(ours)
        self.parked = self.peer.receive()[0].header
        self.workers: list[Worker] = []
        self.memory: dict[tuple[str, str], bytes] = {}

    def fork(
        self, directory: Path, *, fresh: bool = False, limits: dict[str, int] | None = None, greet: bool = True, **hello: Any
    ) -> Worker:
        worker = Worker(self, directory, fresh, limits or {})
        self.workers.append(worker)
        if greet:
            worker.greet(**hello)
        return worker

    def exited(self, worker: Worker, timeout: float = PATIENCE) -> dict[str, Any]:
        header = self.peer.receive(timeout)[0].header
        assert (header["type"], header["process_id"]) == ("exited", worker.process_id), header
        return header

    def close(self) -> None:
        self.peer.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            for worker in self.workers:
                worker.close()


class Worker:
    """A worker that the zygote forked."""

    def __init__(self, zygote: Zygote, directory: Path, fresh: bool, limits: dict[str, int]) -> None:
        self.zygote = zygote
        control, their_control = socket.socketpair()
        data, their_data = socket.socketpair()
        (self.output, output), (self.error_output, error_output), (self.dump, dump) = os.pipe(), os.pipe(), os.pipe()
        theirs = [their_control.detach(), their_data.detach(), output, error_output, dump]
        zygote.peer.send({"type": "fork", "request": 7, "fresh": fresh, "directory": str(directory), "limits": limits}, [], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.control, self.data = Peer(control), Peer(data)
        frame, descriptors = zygote.peer.receive()
        assert frame.header["type"] == "forked", frame.header
        self.process_id: int = frame.header["process_id"]
        self.handle = descriptors[0]
        self.calls = 0
        self.closed = False
        self.memory = zygote.memory

    def greet(self, *, inline_limit: int = 64 << 10, read_only: bool = False, major: int = 1) -> dict[str, Any]:
        self.hello = self.control.receive()[0].header
        self.control.send(
            {
                "type": "hello",
                "protocol": {"major": major, "minor": 0},
                "features": ["shared-memory", "a-future-one"],
                "inline_limit": inline_limit,
                "read_only": read_only,
            }
        )
        return self.hello

    def load(self, *modules: str, called: Sequence[str] = ()) -> dict[str, Any]:
        self.data.send({"type": "load", "plugin": "test", "modules": list(modules), "called": list(called)})
        return self.data.receive()[0].header

    def start(self, kind: str, parts: list[bytes] = [], descriptors: list[int] = [], **fields: Any) -> int:  # noqa: B006
        self.calls += 1
        header = {"type": kind, "call": self.calls, "stage": "s", "context": context(), **fields}
        self.data.send(header, parts, descriptors)
        return self.calls

    def finish(self, timeout: float = PATIENCE) -> Answer:
        answer = Answer()
        while True:
            frame, descriptors = self.data.receive(timeout)
            kind = frame.header["type"]
            if kind == "log":
                answer.log += [(item["level"], item["text"]) for item in frame.header["records"]]
            elif kind == "progress":
                answer.progress.append(frame.header)
            elif kind == "items":
                assert frame.header["first"] == answer.next(frame.header["first"])
                answer.items += [read_value(part, descriptors) for part in frame.parts]
                answer.frames += 1
            elif kind == "request":
                answer.requests.append(frame.header)
                self.answer(frame, descriptors)
            else:
                answer.header = frame.header
                answer.parts = frame.parts
                answer.descriptors = descriptors
                return answer

    def answer(self, frame: Frame, descriptors: list[int]) -> None:
        """Plays the server's memory."""
        header = frame.header
        key = (header["namespace"], header["key"])
        found, parts = key in self.memory, []
        if header["method"] == "memory_put":
            self.memory[key] = b"v" + pickle.dumps(read_value(frame.parts[0], descriptors))
        elif header["method"] == "memory_get" and found:
            parts = [self.memory[key]]
        elif header["method"] == "memory_delete":
            self.memory.pop(key, None)
        elif header["method"] == "memory_clear":
            for other in [other for other in self.memory if other[0] == key[0]]:
                del self.memory[other]
        self.data.send({"type": "response", "request": header["request"], "found": found}, parts)

    def stage(self, target: str, *values: Any, root: dict[str, Any] | None = None, timeout: float = PATIENCE, **fields: Any) -> Answer:
        if root is not None:
            self.start("stage", target=target, **{"context": context(root), **fields})
        else:
            shapes = [{"kind": "single"}] * len(values)
            self.start("stage", [inline(value) for value in values], target=target, arguments=shapes, **fields)
        return self.finish(timeout)

    def items(self, target: str, items: list[Any], *, stop: bool = False, first: int = 0, **fields: Any) -> Answer:
        fields = {"arguments": [], **fields}
        extra = fields.pop("extra", [])
        parts = [inline(value) for value in [*extra, *items]]
        self.start("items", parts, target=target, first=first, count=len(items), stop_on_failure=stop, **fields)
        return self.finish()

    def read(self, descriptor: int, timeout: float = PATIENCE) -> bytes:
        """What is in a pipe, at least one byte."""
        ready, _, _ = select.select([descriptor], [], [], timeout)
        return os.read(descriptor, 1 << 20) if ready else b""

    def read_all(self, descriptor: int) -> bytes:
        found = b""
        while chunk := os.read(descriptor, 1 << 20):
            found += chunk
        return found

    def kill(self) -> None:
        signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.control.close()
            self.data.close()
            for descriptor in (self.output, self.error_output, self.dump, self.handle):
                os.close(descriptor)


class Answer:
    """How a call ended, and what came before."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.parts: list[memoryview] = []
        self.descriptors: list[int] = []
        self.items: list[Any] = []
        self.log: list[tuple[str, str]] = []
        self.progress: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.frames = 0
        self._first: int | None = None

    def next(self, first: int) -> int:
        if self._first is None:
            self._first = first
        return self._first + len(self.items)

    @property
    def value(self) -> Any:
        assert self.header["type"] == "finished", self.header
        assert len(self.parts) == 1
        return read_value(self.parts[0], self.descriptors)

    @property
    def failure(self) -> dict[str, Any]:
        assert self.header["type"] == "failed", self.header
        return self.header["failure"]

    @property
    def error(self) -> tuple[str, str, str]:
        return self.failure["kind"], self.failure["class"], self.failure["message"]


class Failure(dict[str, Any]):
    """An item that raised."""


def inline(value: Any) -> bytes:
    return b"v" + pickle.dumps(value, 5)


def shared(value: Any, folder: Path) -> tuple[bytes, int]:
    """A shared part (index 0) as a plain file, the way a spilled value is."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    first, offsets, size = layout(len(pickled), [view.nbytes for view in views])
    path = folder / "spilled"
    with open(path, "wb") as file:
        file.write(first + pickled)
        for view, offset in zip(views, offsets, strict=True):
            file.seek(offset)
            file.write(view)
        file.truncate(size)
    return struct.pack("<cIQ", b"s", 0, size), os.open(path, os.O_RDONLY)


def read_value(part: memoryview, descriptors: list[int]) -> Any:
    tag = bytes(part[:1])
    if tag == b"v":
        return pickle.loads(part[1:])
    if tag == b"j":
        return json.loads(bytes(part[1:]))
    if tag == b"e":
        return Failure(json.loads(bytes(part[1:])))
    assert tag == b"s"
    _, index, size = struct.unpack("<cIQ", part)
    pickled, buffers = read_block(descriptors[index], size, False)
    return pickle.loads(pickled, buffers=buffers)


def context(given: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    return {"id": "run-1", "body": {"input": given or {}, "namespace": "default", "executor": "local", "config": {}, **body}}
