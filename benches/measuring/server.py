"""A real `pegboard serve`, and the few requests that the measurements make of it."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

__all__ = ["FinishedRun", "Server"]

START_DEADLINE: Final = 60.0


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended well."""

    record: dict[str, Any]
    """As the server tells it."""
    seconds: float
    """From the request to the answer, seen by the client."""

    @property
    def recorded_seconds(self) -> float:
        """From its first stage's begin to its end, as recorded."""
        begin, end = (datetime.fromisoformat(self.record[key].replace("Z", "+00:00")) for key in ("started_at", "finished_at"))
        return (end - begin).total_seconds()


class Server:
    """Started at once on a free port; ends with the `with` block."""

    def __init__(self, binary: Path, data: Path, log: Path, *arguments: str) -> None:
        self._binary = binary
        self._log = log.open("ab")
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [str(binary), "serve", "--listen", "127.0.0.1:0", "--data", str(data), *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "NO_COLOR": "1"},
        )
        try:
            self.url = self._address()
            host = self.url.removeprefix("http://")
            self._connection = http.client.HTTPConnection(host, timeout=600)
            status, _ = self.request("GET", "/-/health")
            if status != 200:
                raise RuntimeError(f"`/-/health` answered {status}")
        except BaseException:
            self.close()
            raise
        self.first_answer_seconds = time.perf_counter() - begin

    def _address(self) -> str:
        output = self._process.stdout
        if output is None:
            raise RuntimeError("the server has no output")
        end, text = time.monotonic() + START_DEADLINE, b""
        while b"\n" not in text.rpartition(b"listening on ")[2]:
            ready, _, _ = select.select([output], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(output.fileno(), 4096) if ready else b""
            if not piece:
                raise RuntimeError(f"`pegboard serve` did not say where it listens; {self._log.name} may say why")
            text += piece
        return text.rpartition(b"listening on ")[2].split()[0].decode()

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded body."""
        text = None if body is None else json.dumps(body)
        headers = {} if text is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, text, headers)
        response = self._connection.getresponse()
        raw = response.read()
        kind = response.getheader("Content-Type", "")
        return response.status, json.loads(raw) if "json" in kind else raw.decode()

    def command(self, *arguments: str) -> None:
        """A client command of the binary."""
        command = [str(self._binary), *arguments, "--url", self.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")

    def run(self, workflow: str, input: dict[str, Any]) -> FinishedRun:
        """Runs a workflow and waits for its end."""
        begin = time.perf_counter()
        status, started = self.request("POST", "/api/v1/runs", {"workflow": workflow, "input": input})
        if status >= 400:
            raise RuntimeError(f"`{workflow}` does not start: {started}")
        self._wait(started["uid"])
        seconds = time.perf_counter() - begin
        _, record = self.request("GET", f"/api/v1/runs/{started['uid']}")
        if record["state"] != "finished":
            raise RuntimeError(f"`{workflow}` did not finish: {record}")
        return FinishedRun(record, seconds)

    def _wait(self, uid: str) -> None:
        """Until the stream of the run's events says that it is over."""
        self._connection.request("GET", f"/api/v1/runs/{uid}/events")
        over = False
        with self._connection.getresponse() as events:
            while line := events.readline():
                over = over or line.strip() in (b"event: end", b"event:end")
        if not over:
            raise RuntimeError(f"the events of run {uid} stopped before its end")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def resident_bytes(self) -> int:
        """Of the server's own process."""
        fields = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in fields if line.startswith("VmRSS:"))

    def children(self) -> list[int]:
        """Its direct children."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
