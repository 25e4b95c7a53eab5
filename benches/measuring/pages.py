"""Pages: all of the demo, and those over a project of 100,000 assets and 100,000 runs against 10 of each."""

from __future__ import annotations

import html
import http.client
import json
import re
import shutil
import sqlite3
import statistics
import subprocess
import time
import urllib.parse
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from .effort import Effort
from .report import Comparison, Row, Series
from .server import Server
from .staging import apply, serving
from .workshop import Workshop

__all__ = ["pages"]

FEW: Final = 10
CHUNK: Final = 1000
WARM: Final = 3
LINK: Final = re.compile(r'href="([^"]+)"')
FIRST_BYTE: Final = Comparison(limit=0.010)
WHOLE: Final = Comparison(limit=0.050)


class _Times:
    """Of one path: seconds to the first byte and to the last, a figure per request."""

    def __init__(self, server: Server, path: str, accept: str) -> None:
        self.first: list[float] = []
        self.whole: list[float] = []
        self.path = path
        self._server, self._accept = server, accept

    def ask(self, count: bool) -> None:
        """One request on a connection of its own, which is open before the clock starts."""
        with closing(http.client.HTTPConnection(*self._server.address, timeout=60)) as connection:
            connection.connect()
            begin = time.perf_counter()
            connection.request("GET", self.path, headers={"Accept": self._accept})
            response = connection.getresponse()
            first = time.perf_counter() - begin
            body = response.read()
            whole = time.perf_counter() - begin
        if response.status != 200:
            raise RuntimeError(f"`{self.path}` answered {response.status}: {body[:300]!r}")
        if count:
            self.first.append(first)
            self.whole.append(whole)


def _post(server: Server, path: str, body: object) -> dict[str, Any]:
    status, answer = server.request("POST", path, body)
    if status >= 400:
        raise RuntimeError(f"`{path}` answered {status}: {answer}")
    return answer


def _project(server: Server, assets: int) -> str:
    """A project of so many pictures with a box and a class each; its id."""
    project: str = _post(server, "/api/v1/projects", {"name": f"{assets} assets"})["id"]
    schema = {
        "tools": [{"tool": "bounding-box", "title": "Car", "schemaId": "car"}],
        "classifications": [{"tool": "radio", "title": "Weather", "schemaId": "weather", "options": [{"value": "Sunny"}]}],
    }
    status, answer = server.request("PUT", f"/api/v1/projects/{project}/schema", schema)
    if status >= 400:
        raise RuntimeError(f"the schema was refused: {answer}")
    for begin in range(0, assets, CHUNK):
        items = [
            {
                "data": f"https://pictures.example/{number}.jpg",
                "externalId": f"{number:06}.jpg",
                "metadata": {"width": 640, "height": 480},
                "objects": [{"schemaId": "car", "bounding-box": {"x": 10, "y": 20, "width": 30, "height": 40}}],
                "classifications": [{"schemaId": "weather", "answer": "Sunny"}],
            }
            for number in range(begin, min(begin + CHUNK, assets))
        ]
        _post(server, f"/api/v1/projects/{project}/assets", {"items": items})
    return project


def _copy_runs(database: Path, runs: int) -> None:
    """Makes copies of the one run that there is, while no server has the database: each with identity and name of its own."""
    with closing(sqlite3.connect(database)) as connection:
        ordinal, workflow, state, text = connection.execute(
            "select ordinal, workflow, state, document from runs limit 1"
        ).fetchone()
        stages = connection.execute("select position, document from stage_runs where run = ?", (ordinal,)).fetchall()
        run = json.loads(text)
        for _ in range(runs - 1):
            run["uid"], run["name"] = str(uuid.uuid4()), f"copy-{uuid.uuid4().hex[:12]}"
            row = (run["uid"], run["name"], workflow, state, json.dumps(run))
            done = connection.execute("insert into runs (uid, name, workflow, state, document) values (?, ?, ?, ?, ?)", row)
            connection.executemany(
                "insert into stage_runs (run, position, document) values (?, ?, ?)",
                [(done.lastrowid, position, document) for position, document in stages],
            )
        connection.commit()


def _with_runs(shop: Workshop, name: str, runs: int) -> Path:
    """A data directory with so many runs."""
    data = shop.data / name
    if not data.exists():
        with serving(shop, data) as server:
            server.command("install", str(shop.plugin("producer")))
            apply(server, shop, "bench-pages", [{"name": "only", "target": "pegboard_bench.nothing"}])
            server.run("bench-pages", {})
        _copy_runs(data / "pegboard.db", runs)
    return data


def _demo(shop: Workshop) -> Path:
    """A data directory as `pegboard demo` leaves it."""
    data = shop.data / "demo"
    if not data.exists():
        command = [str(shop.pegboard), "demo", "--once", "--listen", "127.0.0.1:0", "--data", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return data


def _linked(server: Server) -> list[str]:
    """Every page that links lead to from Home, in the order in which they are found."""
    found, place = ["/ui/"], 0
    while place < len(found):
        status, text = server.request("GET", found[place])
        if status != 200:
            raise RuntimeError(f"`{found[place]}` answered {status}")
        here = found[place]
        place += 1
        if not isinstance(text, str):
            continue
        links = (urllib.parse.urljoin(here, html.unescape(link)).partition("#")[0] for link in LINK.findall(text))
        for link in links:
            if link.startswith("/ui/") and not link.startswith("/ui/assets/") and link not in found:
                found.append(link)
    return found


def _of_the_demo(shop: Workshop, effort: Effort) -> list[Row]:
    """The slowest of all pages of the demo's server."""
    data = _demo(shop)
    with serving(shop, data, "--plugins", str(data / "examples" / "dashboard")) as server:
        all_of_them = [_Times(server, path, "text/html") for path in _linked(server)]
        shop.say(f"  {len(all_of_them)} pages of the demo …")
        for number in range(WARM + effort.rounds):
            for one in all_of_them:
                one.ask(count=number >= WARM)
    slowest = max(all_of_them, key=lambda one: statistics.median(one.first))
    worst = max(all_of_them, key=lambda one: max(one.whole))
    what = f"{len(all_of_them)} pages of the demo's server"
    return [
        Row(f"{what}, slowest first byte: `{slowest.path}`", Series("", "ms", slowest.first), None, FIRST_BYTE),
        Row(f"{what}, slowest whole answer: `{worst.path}`", Series("", "ms", [max(worst.whole)]), None, WHOLE),
    ]


def pages(shop: Workshop, effort: Effort) -> list[Row]:
    """Each page of the demo; then ten times as many requests as rounds to each path over much data. Paths take turns."""
    return [*_of_the_demo(shop, effort), *_of_much(shop, effort)]


def _of_much(shop: Workshop, effort: Effort) -> list[Row]:
    times: dict[tuple[str, int], _Times] = {}
    for many in (FEW, effort.assets):
        data = _with_runs(shop, f"pages-{many}", many)
        shop.say(f"  {many:,} assets and runs …")
        with serving(shop, data) as server:
            project = _project(server, many)
            deep = max(0, many - 100)
            assets = f"/api/v1/projects/{project}/assets?tasks=true&limit=60"
            _, page = server.request("GET", f"{assets}&skip={deep}")
            last = page["next"] or 0
            paths = {
                "project": (f"/ui/projects/{project}", "text/html"),
                "list of projects": ("/ui/projects", "text/html"),
                "assets, first page": (f"/ui/projects/{project}/assets", "text/html"),
                "assets, last page": (f"/ui/projects/{project}/assets?skip={deep}", "text/html"),
                "one asset": (f"/ui/projects/{project}/assets/{page['assets'][0]['id']}", "text/html"),
                "runs, first page": ("/ui/runs", "text/html"),
                "API: assets, first page": (assets, "application/json"),
                "API: assets behind a place, last page": (f"{assets}&after={last}", "application/json"),
                "API: assets by skipping, last page": (f"{assets}&skip={deep}", "application/json"),
                "API: runs, first page": ("/api/v1/runs?limit=50", "application/json"),
                "API: runs of a state": ("/api/v1/runs?limit=50&state=finished", "application/json"),
            }
            these = {(what, many): _Times(server, path, accept) for what, (path, accept) in paths.items()}
            for number in range(WARM + 10 * effort.rounds):
                for one in these.values():
                    one.ask(count=number >= WARM)
            times.update(these)
    rows = []
    for what in [what for what, many in times if many == FEW]:
        few, much = times[what, FEW], times[what, effort.assets]
        peer = Series(f"of {FEW}", "ms", few.first)
        rows.append(Row(f"{what}, of {effort.assets:,}: first byte", Series("", "ms", much.first), peer, FIRST_BYTE))
        worst = Series("", "ms", [max(much.whole)])
        rows.append(Row(f"{what}, of {effort.assets:,}: slowest whole answer", worst, None, WHOLE))
    return rows
