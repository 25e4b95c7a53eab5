"""Round trip of a no-op stage on a forked worker, and items per second. Run: `python tests/bench.py` with `src` and `tests` on the path."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from parent import Zygote, context, inline

MODULE = "def noop():\n    return None\n\ndef same(x):\n    return x\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pegboard_bench_plugin.py").write_text(MODULE)
        zygote = Zygote("numpy", "pandas", path=[Path(folder)])
        starts = []
        for _ in range(10):
            at = time.perf_counter()
            worker = zygote.fork(Path(folder))
            starts.append(time.perf_counter() - at)
        worker.load("pegboard_bench_plugin")
        worker.stage("pegboard_bench_plugin.noop", root={})
        times = []
        for _ in range(20_000):
            at = time.perf_counter_ns()
            worker.data.send({"type": "stage", "call": 1, "stage": "s", "context": {"id": "run-1"}, "target": "pegboard_bench_plugin.noop"})
            worker.data.receive()
            times.append(time.perf_counter_ns() - at)
        times.sort()
        parts = [inline(number) for number in range(10_000)]
        rates = []
        for _ in range(10):
            worker.start(
                "items", parts, target="pegboard_bench_plugin.same", arguments=[], first=0, count=len(parts), stop_on_failure=False
            )
            frame, _ = worker.data.receive()
            while frame.header["type"] != "finished":
                frame, _ = worker.data.receive()
            rates.append(len(parts) / (frame.header["busy_us"] / 1e6))
        out = sys.stdout.write
        out(f"fork to hello        {statistics.median(starts) * 1e3:.1f} ms\n")
        out(f"round trip           p50 {times[len(times) // 2] / 1e3:.1f} us, p99 {times[len(times) * 99 // 100] / 1e3:.1f} us\n")
        out(f"items (inside)       {statistics.median(rates):,.0f} per second\n")
        assert context()["id"] == "run-1"
        zygote.close()


if __name__ == "__main__":
    main()
