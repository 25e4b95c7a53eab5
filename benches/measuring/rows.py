"""The measurements. In each, Pegboard and the peer take turns, a round each; a first round warms both up and is not counted."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections import defaultdict
from typing import Any, Final

from .dashboard import dashboard
from .effort import Effort, Measurement, rounds
from .hub import hub
from .original import flowdapt
from .pages import pages
from .probe import Probe
from .report import Comparison, Row, Series
from .staging import apply, bare_engine, installed, serving
from .workshop import Workshop

__all__ = ["MEASUREMENTS"]


def items(shop: Workshop, effort: Effort) -> list[Row]:
    """Trivial items through a parameterized stage. Each side is started afresh every round, so that none waits behind."""
    stages: list[dict[str, Any]] = [
        {"name": "numbers", "target": "pegboard_bench.numbers"},
        {"name": "same", "target": "pegboard_bench.same", "type": "parameterized", "depends_on": ["numbers"]},
    ]
    data = installed(shop, "producer")
    figures: dict[str, list[float]] = defaultdict(list)
    peers = {"Dask distributed": "dask_items", "Ray": "ray_items"}
    for number in range(effort.rounds):
        with serving(shop, data) as server:
            apply(server, shop, "bench-items", stages)
            server.run("bench-items", {"count": effort.items // 10})
            run = server.run("bench-items", {"count": effort.items})
            counts = next(stage["items"] for stage in run.record["stages"] if stage["name"] == "same")
            if counts["done"] != effort.items:
                raise RuntimeError(f"items were lost: {counts}")
        figures["client"].append(effort.items / run.seconds)
        figures["recorded"].append(effort.items / run.recorded_seconds)
        told = [f"Pegboard {figures['client'][-1]:,.0f}"]
        for peer, script in peers.items():
            with Probe(shop.peer(script), shop.log) as probe:
                probe.ask(items=effort.items // 10)
                figures[peer].append(effort.items / probe.ask(items=effort.items)["seconds"])
            told.append(f"{peer} {figures[peer][-1]:,.0f}")
        shop.say(f"  round {number + 1}: {', '.join(told)} items/s")
    ours = Series("Pegboard", "items/s", figures["client"])
    what = f"{effort.items:,} trivial items through a parameterized stage"
    rows = [
        Row(what, ours, Series(peer, "items/s", figures[peer]), Comparison(factor=10), higher_is_better=True) for peer in peers
    ]
    rows.append(Row("the same, from start to finish as the run records it", Series("", "items/s", figures["recorded"])))
    return rows


def calls(shop: Workshop, effort: Effort) -> list[Row]:
    """A call to a warm worker and its answer."""
    figures: dict[str, list[float]] = defaultdict(list)
    with bare_engine(shop) as engine, Probe(shop.peer("pool_calls"), shop.log) as pool:
        for number in rounds(effort):
            for side, probe in (("ours", engine), ("pool", pool)):
                answer = probe.ask(calls=effort.calls)
                if number:
                    figures[side].append(answer["median_seconds"])
                    figures[f"{side} p99"].append(answer["p99_seconds"])
    what = f"call to a warm worker and back, median of {effort.calls:,}"
    peer = "ProcessPoolExecutor"
    return [
        Row(what, Series("", "µs", figures["ours"]), Series(peer, "µs", figures["pool"]), Comparison(factor=2)),
        Row("the same, 99th percentile", Series("", "µs", figures["ours p99"]), Series(peer, "µs", figures["pool p99"])),
    ]


def handover(shop: Workshop, effort: Effort) -> list[Row]:
    """A large value from the end of one stage to the beginning of the next, in another process."""
    data = installed(shop, "producer", "consumer")
    rows = []
    with serving(shop, data) as server, Probe(shop.peer("socket_handover"), shop.log) as socket:
        for value, noun in (("array", "array"), ("frame", "DataFrame")):
            stages: list[dict[str, Any]] = [
                {"name": "make", "target": f"pegboard_bench.{value}"},
                {"name": "take", "target": "pegboard_bench_consumer.receive", "depends_on": ["make"]},
            ]
            name = f"bench-{value}"
            apply(server, shop, name, stages)
            ours, theirs = [], []
            for number in rounds(effort):
                result = server.run(name, {"megabytes": effort.megabytes}).record["result"]
                other = socket.ask(value=value, megabytes=effort.megabytes)
                same = math.isclose(result["sum"], other["sum"], rel_tol=1e-12)  # the order of addition depends on alignment
                if result["producer"] == result["consumer"] or not same:
                    raise RuntimeError(f"not the same value in another process: {result}, {other}")
                if number:
                    ours.append(result)
                    theirs.append(other)

            def series(key: str, unit: str, ours: list[Any] = ours, theirs: list[Any] = theirs) -> tuple[Series, Series]:
                peer = "pickle over a Unix socket"
                return Series("", unit, [o[key] for o in ours]), Series(peer, unit, [t[key] for t in theirs])

            what = f"{noun} of {effort.megabytes} MB to the next process"
            rows.append(Row(what, *series("seconds", "ms"), Comparison(factor=5)))
            rows.append(Row(f"{noun}: first reading of all of it", *series("read_seconds", "ms")))
            own = Comparison(limit=effort.megabytes * 1e6)
            rows.append(Row(f"{noun}: the consumer's own memory with the value held and read", *series("own_bytes", "MB"), own))
    return rows


def worker(shop: Workshop, effort: Effort) -> list[Row]:
    """One more worker that has pandas imported: from the request to its first answer."""
    ours, theirs = [], []
    with bare_engine(shop) as engine:
        python = engine.about["python"]
        for number in rounds(effort):
            answer = engine.ask(start=True)
            fresh = _fresh_interpreter(python)
            if number:
                ours.append(answer["seconds"])
                theirs.append(fresh)
    peer = Series("fresh interpreter", "ms", theirs)
    return [Row("worker with pandas imported, request to answer", Series("", "ms", ours), peer, Comparison(limit=0.05))]


def server(shop: Workshop, effort: Effort) -> list[Row]:
    """The server alone: first answer, memory."""
    new, again, memory = [], [], []
    for number in range(effort.rounds):
        data = shop.data / f"empty-{number}"
        with serving(shop, data) as first:
            new.append(first.first_answer_seconds)
        with serving(shop, data) as second:
            again.append(second.first_answer_seconds)
            for _ in range(20):
                second.request("GET", "/-/health")
            time.sleep(0.3)
            if second.children():
                raise RuntimeError("the server has children although it has no plugin")
            memory.append(float(second.resident_bytes()))
    return [
        Row("server, process start to first answer", Series("", "ms", again), target=Comparison(limit=0.1)),
        Row("the same on a data directory that does not exist yet", Series("", "ms", new)),
        Row("server's resident memory, no workers", Series("", "MB", memory), target=Comparison(limit=60e6)),
    ]


def chain(shop: Workshop, effort: Effort) -> list[Row]:
    """Stages that do nothing, one after the other, each durably recorded."""
    stages: list[dict[str, Any]] = [{"name": "s0", "target": "pegboard_bench.nothing"}]
    for number in range(1, effort.chain):
        stages.append({"name": f"s{number}", "target": "pegboard_bench.nothing", "depends_on": [f"s{number - 1}"]})
    data = installed(shop, "producer")
    recorded, client = [], []
    with serving(shop, data) as server:
        apply(server, shop, "bench-chain", stages)
        for number in rounds(effort):
            run = server.run("bench-chain", {})
            if number:
                recorded.append(run.recorded_seconds / effort.chain)
                client.append(run.seconds / effort.chain)
    what = f"chain of {effort.chain} stages that do nothing, durably recorded, per stage"
    return [
        Row(what, Series("", "ms", recorded), target=Comparison(limit=0.001)),
        Row("the same, as the client sees it", Series("", "ms", client)),
    ]


MEASUREMENTS: Final[dict[str, Measurement]] = {
    "items": items,
    "calls": calls,
    "handover": handover,
    "worker": worker,
    "server": server,
    "chain": chain,
    "flowdapt": flowdapt,
    "hub": hub,
    "dashboard": dashboard,
    "pages": pages,
}


def _fresh_interpreter(python: str) -> float:
    """From the start of a process until it has imported pandas."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    begin = time.perf_counter()
    with subprocess.Popen([python, "-c", "import pandas; print(flush=True)"], stdout=subprocess.PIPE, env=environment) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError(f"{python} cannot import pandas")
        return time.perf_counter() - begin
