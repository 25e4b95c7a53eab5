"""Round trips to a warm worker of `concurrent.futures.ProcessPoolExecutor`."""

from __future__ import annotations

import concurrent.futures
import platform
import statistics
import time
from typing import Any

from probe import answer


def same(item: int) -> int:
    return item


def main() -> None:
    with concurrent.futures.ProcessPoolExecutor(max_workers=1) as pool:

        def measure(request: dict[str, Any]) -> dict[str, Any]:
            samples = []
            for item in range(request["calls"]):
                begin = time.perf_counter()
                pool.submit(same, item).result()
                samples.append(time.perf_counter() - begin)
            return {
                "median_seconds": statistics.median(samples),
                "p99_seconds": statistics.quantiles(samples, n=100)[98],
            }

        measure({"calls": 200})
        answer(measure, {"version": platform.python_version()})


if __name__ == "__main__":
    main()
