"""A server that speaks Flowdapt's dialect, Pegboard or the original: the same requests to both, byte for byte."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from .crowd import Crowd

__all__ = ["Dialect", "Original", "resident_bytes", "tree_bytes"]

START_DEADLINE: Final = 120.0


class Dialect:
    """A client of one server, on a connection that it keeps."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._connection = http.client.HTTPConnection(host, port, timeout=600)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded body."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        raw = response.read()
        return response.status, json.loads(raw)

    def create(self, name: str, stages: list[dict[str, Any]]) -> None:
        """Stores a workflow."""
        document = {"kind": "workflow", "metadata": {"name": name}, "spec": {"stages": stages}}
        status, answer = self.request("POST", "/workflows/", document)
        if status != 200:
            raise RuntimeError(f"`{name}` is not accepted: {answer}")

    def remove(self, *names: str) -> None:
        """Removes workflows."""
        for name in names:
            status, answer = self.request("DELETE", f"/workflows/{name}")
            if status != 200:
                raise RuntimeError(f"`{name}` is not removed: {answer}")

    def run(self, name: str, given: dict[str, Any]) -> tuple[float, Any]:
        """Runs a workflow and waits: the seconds as the client sees them, and the result."""
        begin = time.perf_counter()
        status, run = self.request("POST", f"/workflows/{name}/run?wait=true", given)
        seconds = time.perf_counter() - begin
        if status != 200 or run["state"] != "finished":
            raise RuntimeError(f"`{name}` did not finish: {run}")
        return seconds, run["result"]

    def crowd(self, name: str, clients: int, runs: int) -> float:
        """So many runs from so many clients, each waiting for its run before it starts the next; runs per second."""
        with Crowd(self.host, self.port, clients) as crowd:
            seconds, replies = crowd.post(f"/workflows/{name}/run?wait=true", {}, runs)
        for reply in replies:
            if reply.status != 200 or json.loads(reply.body)["state"] != "finished":
                raise RuntimeError(f"a run of `{name}` did not finish: {reply.status} {reply.body.decode()}")
        return runs / seconds

    def close(self) -> None:
        self._connection.close()


class Original:
    """Flowdapt's own server with its local executor, as its command starts it; ends with the `with` block."""

    def __init__(self, program: Path, data: Path, log: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        settings = {"FLOWDAPT__RPC__API__PORT": str(port), "TMPDIR": str(data), "NO_COLOR": "1"}
        self._log = log.open("ab")
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [str(program), "--app-dir", str(data), "run"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **settings},
        )
        try:
            self.client = Dialect("127.0.0.1", port)
            self._wait(begin + START_DEADLINE)
        except BaseException:
            self.close()
            raise
        self.first_answer_seconds = time.perf_counter() - begin

    def _wait(self, deadline: float) -> None:
        """Until it answers with anything but `503`, which it says while its services start."""
        while True:
            try:
                status, _ = self.client.request("GET", "/")
            except OSError:
                status = 0
                self.client.close()
            if status == 200:
                return
            if self._process.poll() is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"Flowdapt does not start; {self._log.name} says why")
            time.sleep(0.005)

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self.client.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def __enter__(self) -> Original:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def resident_bytes(pid: int) -> int:
    """Of one process, shared pages included."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") * 1024


def tree_bytes(pid: int) -> int:
    """Of a process and all of its descendants, where a page that several have counts once (proportional set size)."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text(encoding="ascii").split()
    ]
    own = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") * 1024
    return own + sum(tree_bytes(child) for child in children)


def _kilobytes(path: Path, key: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text(encoding="ascii").splitlines() if line.startswith(key))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
