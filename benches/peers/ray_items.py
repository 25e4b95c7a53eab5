"""Trivial items through Ray: remote tasks on two cores."""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from probe import answer


def main() -> None:
    # `local`: a node of its own, whatever other Ray runs on this machine.
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error", configure_logging=False)

    @ray.remote  # type: ignore[untyped-decorator]
    def same(item: int) -> int:
        return item

    def measure(request: dict[str, Any]) -> dict[str, Any]:
        items = range(request["items"])
        begin = time.perf_counter()
        results = ray.get([same.remote(item) for item in items])
        seconds = time.perf_counter() - begin
        if results != list(items):
            raise RuntimeError("Ray lost or reordered items")
        return {"seconds": seconds}

    answer(measure, {"version": ray.__version__})
    ray.shutdown()


if __name__ == "__main__":
    main()
