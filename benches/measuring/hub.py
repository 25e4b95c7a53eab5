"""The hub against one of python-socketio on uvicorn: the same plugins, connections, heartbeats and runs on both, a turn each.

The load comes from one process of bare sockets (`peers/fleet.py`), which costs either side the same.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

from .effort import Effort
from .probe import Probe
from .report import Comparison, Row, Series
from .server import Server
from .workshop import ROOT, Workshop

__all__ = ["hub"]

PLUGINS: Final = 10_000
BEATS: Final = 5
RUNS: Final = 200
CLIENTS: Final = 20
LINES: Final = 1_000
# The kernel counts processor time in these.
TICK: Final = os.sysconf("SC_CLK_TCK")


class Side(Protocol):
    """What is asked of either."""

    pid: int
    address: tuple[str, int]
    plugins: list[tuple[str, str]]

    def live(self) -> int:
        """Plugins that are live."""

    def run(self, plugin: str, config: dict[str, Any]) -> str:
        """Runs a plugin and waits for its result; the session."""

    def lines(self, session: str) -> list[str]:
        """The session's log."""


class Ours:
    def __init__(self, server: Server, plugins: list[tuple[str, str]]) -> None:
        self.pid, self.address, self.plugins = server.pid, server.address, plugins
        self.project = self._ask("POST", "/api/v1/projects", {"name": "bench"})["id"]

    @classmethod
    def made(cls, server: Server, count: int) -> Ours:
        """With that many plugins."""
        side = cls(server, [])

        def create(number: int) -> tuple[str, str]:
            made = side._ask("POST", "/api/v1/hub/plugins", {"type": "batch_model", "name": f"plugin {number}"})
            return made["id"], made["secret"]

        with ThreadPoolExecutor(8) as pool:
            side.plugins = list(pool.map(create, range(count)))
        return side

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 any JSON
        return _ask(self.address, method, path, body)

    def live(self) -> int:
        live, after = 0, ""
        while True:
            page = self._ask("GET", f"/api/v1/hub/plugins?limit=1000{after}")
            live += sum(plugin["live"] for plugin in page["plugins"])
            if not page["next"]:
                return live
            after = f"&after={page['next']}"

    def run(self, plugin: str, config: dict[str, Any]) -> str:
        session = self._ask("POST", f"/api/v1/hub/plugins/{plugin}/sessions", {"project": self.project, "config": config})
        if session["state"] != "finished":
            session = self._ask("GET", f"/api/v1/hub/sessions/{session['id']}?wait=50")
        if session["state"] != "finished" or session["result"] != "done":
            raise RuntimeError(f"a session did not finish: {session}")
        return str(session["id"])

    def lines(self, session: str) -> list[str]:
        return [line["text"] for line in self._ask("GET", f"/api/v1/hub/sessions/{session}/log?limit=10000")["lines"]]


class Peer:
    def __init__(self, pid: int, address: tuple[str, int], plugins: list[tuple[str, str]]) -> None:
        self.pid, self.address, self.plugins = pid, address, plugins

    def live(self) -> int:
        return int(_ask(self.address, "GET", "/live"))

    def run(self, plugin: str, config: dict[str, Any]) -> str:
        answer = _ask(self.address, "POST", f"/run/{plugin}", config)
        if answer["response"] != "done":
            raise RuntimeError(f"a run did not finish: {answer}")
        return str(answer["session"])

    def lines(self, session: str) -> list[str]:
        lines: list[str] = _ask(self.address, "GET", f"/log/{session}")
        return lines


_connections: dict[tuple[int, tuple[str, int]], http.client.HTTPConnection] = {}


def _ask(address: tuple[str, int], method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 any JSON
    """Over a connection of the calling thread."""
    key = (threading.get_ident(), address)
    connection = _connections.get(key)
    if connection is None:
        connection = _connections[key] = http.client.HTTPConnection(*address, timeout=120)
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {} if text is None else {"Content-Type": "application/json"})
    response = connection.getresponse()
    raw = response.read()
    if response.status >= 400:
        raise RuntimeError(f"{method} {path}: {response.status} {raw[:500]!r}")
    return json.loads(raw)


@contextmanager
def our_side(shop: Workshop, number: int) -> Iterator[Side]:
    with Server(shop.pegboard, shop.data / f"hub-{number}", shop.log) as server:
        yield Ours.made(server, PLUGINS)


@contextmanager
def peer_side(shop: Workshop, number: int) -> Iterator[Side]:
    plugins = [(uuid.uuid4().hex[:24], str(uuid.uuid4())) for _ in range(PLUGINS)]
    folder = shop.data / f"socketio-{number}"
    folder.mkdir()
    command = [str(shop.socketio), str(ROOT / "benches" / "peers" / "socketio_hub.py"), str(folder)]
    with shop.log.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        json.dump(dict(plugins), process.stdin)
        process.stdin.close()
        line = process.stdout.readline()
        if not line.startswith("listening on http://"):
            raise RuntimeError(f"the peer did not start; {shop.log} says why")
        host, _, port = line.strip().rpartition("http://")[2].rpartition(":")
        side = Peer(process.pid, (host, int(port)), plugins)
        _until_it_answers(side)
        yield side
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(side: Side) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            side.live()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            _connections.clear()
            time.sleep(0.05)


def hub(shop: Workshop, effort: Effort) -> list[Row]:
    """Connections, heartbeats, runs; our side first in even rounds, the peer first in odd ones."""
    figures: dict[str, dict[str, list[float]]] = {"ours": defaultdict(list), "peer": defaultdict(list)}
    for number in range(effort.rounds):
        turns = [("ours", our_side), ("peer", peer_side)]
        for name, start in turns if number % 2 == 0 else reversed(turns):
            load = [str(shop.python_here), str(ROOT / "benches" / "peers" / "fleet.py")]
            with start(shop, number) as side, Probe(load, shop.log) as fleet:
                _measure(figures[name], side, fleet)
        told = ", ".join(f"{key} {figures['ours'][key][-1]:.6g} / {figures['peer'][key][-1]:.6g}" for key in figures["ours"])
        shop.say(f"  round {number + 1}: {told}")

    def row(what: str, key: str, unit: str, target: Comparison | None = None, higher: bool = False) -> Row:
        sides = Series("", unit, figures["ours"][key]), Series("python-socketio", unit, figures["peer"][key])
        return Row(what, *sides, target, higher)

    turned = sum(figures["peer"]["turned"])
    rows = [
        row(f"heartbeats of {PLUGINS:,} live plugins per processor second", "beats", "beats/s", Comparison(factor=10), True),
        row("resident memory of a live connection", "connection", "KiB", Comparison(limit=12 * 1024)),
        row(f"{PLUGINS:,} connections opened, per processor second", "opened", "conns/s", None, True),
        row("processor time while nothing happens but pings, share of a core", "idle", "%"),
        row(f"run of an idle plugin and back, through HTTP, median of {RUNS}", "round trip", "ms"),
        row(f"runs by {CLIENTS} clients at once, their state on disk on both sides", "runs", "runs/s", None, True),
    ]
    order = (
        f"{LINES:,} log lines of one connection arrived in order in every round; of the peer's, {turned:,.0f} overtook another"
    )
    rows[0].notes.append(order)
    return rows


def _measure(figures: dict[str, list[float]], side: Side, fleet: Probe) -> None:
    host, port = side.address
    # What it takes to be asked at all is not the connections' fault.
    side.live()
    before, cpu = _resident(side.pid), _cpu(side.pid)
    fleet.ask(open=side.plugins, host=host, port=port)
    _until_live(side)
    figures["opened"].append(PLUGINS / (_cpu(side.pid) - cpu))
    figures["connection"].append((_resident(side.pid) - before) / PLUGINS)

    fleet.ask(beat=1)
    cpu = _cpu(side.pid)
    fleet.ask(beat=BEATS)
    figures["beats"].append(BEATS * PLUGINS / (_cpu(side.pid) - cpu))

    cpu, begin = _cpu(side.pid), time.monotonic()
    fleet.ask(idle=26)
    figures["idle"].append((_cpu(side.pid) - cpu) / (time.monotonic() - begin))
    if side.live() != PLUGINS:
        raise RuntimeError(f"only {side.live()} of {PLUGINS} plugins are live")

    plugins = [id for id, _ in side.plugins]
    for plugin in plugins[:10]:
        side.run(plugin, {})
    times = []
    for plugin in plugins[10 : 10 + RUNS]:
        begin = time.perf_counter()
        side.run(plugin, {})
        times.append(time.perf_counter() - begin)
    figures["round trip"].append(statistics.median(times))

    def client(plugin: str) -> None:
        for _ in range(RUNS // CLIENTS):
            side.run(plugin, {})

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, plugins[:CLIENTS]))
        begin = time.perf_counter()
        list(pool.map(client, plugins[:CLIENTS]))
        figures["runs"].append(RUNS / (time.perf_counter() - begin))

    session = side.run(plugins[0], {"lines": LINES})
    # The answer and the last of the lines are written by different hands.
    end = time.monotonic() + 5
    while len(said := side.lines(session)) < LINES and time.monotonic() < end:
        time.sleep(0.05)
    numbers = [int(line) for line in said]
    turned = sum(1 for one, other in pairwise(numbers) if other < one)
    figures["turned"].append(turned)
    if isinstance(side, Ours) and numbers != list(range(LINES)):
        raise RuntimeError(f"lines were lost or turned: {numbers[:20]} … ({len(numbers)})")


def _until_live(side: Side) -> None:
    end = time.monotonic() + 60
    while (live := side.live()) < PLUGINS:
        if time.monotonic() > end:
            raise RuntimeError(f"only {live} of {PLUGINS} plugins became live")
        time.sleep(0.2)


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024.0
    raise RuntimeError(f"process {pid} has no resident memory")


def _cpu(pid: int) -> float:
    """Seconds of processor time so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK
