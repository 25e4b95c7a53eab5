"""Trivial items through Dask distributed: two workers of one thread each."""

from __future__ import annotations

import time
from typing import Any

import distributed
from probe import answer


def same(item: int) -> int:
    return item


def main() -> None:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def measure(request: dict[str, Any]) -> dict[str, Any]:
            items = range(request["items"])
            begin = time.perf_counter()
            results = client.gather(client.map(same, items, pure=False))
            seconds = time.perf_counter() - begin
            if results != list(items):
                raise RuntimeError("Dask lost or reordered items")
            return {"seconds": seconds}

        answer(measure, {"version": distributed.__version__})


if __name__ == "__main__":
    main()
