"""Takes what `pegboard_bench` made, in a process of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

__all__ = ["receive"]


def receive(handed: dict[str, Any]) -> dict[str, Any]:
    """How long the hand-over took, and what the value costs this process once all of it has been read."""
    seconds = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - handed["made"]) / 1e9
    value = handed["value"]
    before = _memory()
    begin = time.perf_counter()
    total = float(value.to_numpy().sum()) if hasattr(value, "to_numpy") else float(value.sum())
    read_seconds = time.perf_counter() - begin
    after = _memory()
    return {
        "seconds": seconds,
        "read_seconds": read_seconds,
        "sum": total,
        "own_bytes": after["RssAnon"],
        "shared_bytes": after["RssShmem"] + after["RssFile"],
        "own_bytes_before_reading": before["RssAnon"],
        "producer": handed["process"],
        "consumer": os.getpid(),
    }


def _memory() -> dict[str, int]:
    """Resident bytes by kind: `RssAnon` is what a second copy would be charged to."""
    fields = (line.split() for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return {field[0][:-1]: int(field[1]) * 1024 for field in fields if field and field[0].startswith("Rss")}
