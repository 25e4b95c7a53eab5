"""Against Flowdapt: the same plugin, the same workflows, the same requests, each side started afresh every round."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from .dialect import Dialect, Original, resident_bytes, tree_bytes
from .effort import Effort
from .report import Comparison, Row, Series
from .staging import installed, serving
from .workshop import Workshop

__all__ = ["flowdapt"]

PLUGIN: Final = "plain"
ITEMS: Final = 1_000
FAN_OUTS: Final = 5
WARM_UP: Final = 10
# Every run costs the original a little more than the one before; so both do the same number, in the same order.
RUNS_PER_CLIENT: Final = 2

NOTHING: Final[list[dict[str, Any]]] = [{"name": "only", "target": "pegboard_bench_plain.nothing"}]
FAN_OUT: Final[list[dict[str, Any]]] = [
    {"name": "numbers", "target": "pegboard_bench_plain.numbers"},
    {"name": "same", "target": "pegboard_bench_plain.same", "type": "parameterized", "depends_on": ["numbers"]},
]


def flowdapt(shop: Workshop, effort: Effort) -> list[Row]:
    """Start, memory, a run, a fan-out, a crowd; Pegboard first in even rounds, the original first in odd ones."""
    program = shop.flowdapt(shop.plugin(PLUGIN))
    prepared = installed(shop, PLUGIN)
    figures: dict[str, dict[str, list[float]]] = {"ours": defaultdict(list), "peer": defaultdict(list)}

    def ours(_: int) -> None:
        # Runs of earlier rounds stay in the store: they must not cost anything.
        with serving(shop, prepared) as server:
            client = Dialect(*server.address)
            _measure(figures["ours"], server.pid, client, server.first_answer_seconds, effort)
            client.remove("nothing", "fan-out")
            client.close()

    def peer(number: int) -> None:
        with Original(program, shop.data / f"flowdapt-{number}", shop.log) as original:
            _measure(figures["peer"], original.pid, original.client, original.first_answer_seconds, effort)

    for number in range(effort.rounds):
        turns: list[Callable[[int], None]] = [ours, peer] if number % 2 == 0 else [peer, ours]
        for turn in turns:
            turn(number)
        told = ", ".join(f"{key} {figures['ours'][key][-1]:.6g} / {figures['peer'][key][-1]:.6g}" for key in figures["ours"])
        shop.say(f"  round {number + 1}: {told}")

    def row(what: str, key: str, unit: str, factor: float | None, higher_is_better: bool = False) -> Row:
        target = None if factor is None else Comparison(factor=factor)
        sides = Series("", unit, figures["ours"][key]), Series("Flowdapt", unit, figures["peer"][key])
        return Row(what, *sides, target, higher_is_better)

    crowd = f"{effort.clients} parallel clients starting runs and waiting for them"
    return [
        row("run of one stage that does nothing, through REST, waiting", "nothing", "ms", 10),
        row(f"run of a parameterized stage over {ITEMS:,} items, through REST, waiting", "fan-out", "ms", 10),
        row(crowd, "crowd", "runs/s", 20, True),
        row("server process, resident memory before the first run", "idle", "MB", 4),
        row("server process, resident memory after all of these runs", "used", "MB", 4),
        row("server and all of its processes after all of these runs", "tree", "MB", 4),
        row("process start to first answer", "start", "ms", 20),
        row("process start to the result of the first run", "first run", "ms", None),
    ]


def _measure(figures: dict[str, list[float]], pid: int, client: Dialect, start: float, effort: Effort) -> None:
    ready = time.perf_counter()
    figures["start"].append(start)
    client.create("nothing", NOTHING)
    figures["idle"].append(float(resident_bytes(pid)))
    client.run("nothing", {})
    figures["first run"].append(start + time.perf_counter() - ready)

    for _ in range(WARM_UP):
        client.run("nothing", {})
    figures["nothing"].append(statistics.median(client.run("nothing", {})[0] for _ in range(effort.runs)))

    client.create("fan-out", FAN_OUT)
    times = []
    for _ in range(FAN_OUTS + 1):
        seconds, result = client.run("fan-out", {"count": ITEMS})
        if result != list(range(ITEMS)):
            raise RuntimeError(f"items were lost or changed: {str(result)[:200]}")
        times.append(seconds)
    figures["fan-out"].append(statistics.median(times[1:]))

    figures["crowd"].append(client.crowd("nothing", effort.clients, effort.clients * RUNS_PER_CLIENT))
    figures["used"].append(float(resident_bytes(pid)))
    figures["tree"].append(float(tree_bytes(pid)))
