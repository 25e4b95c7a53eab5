"""Stages for the benchmarks: as little work of their own as possible."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

__all__ = ["array", "frame", "hold", "imported", "nothing", "numbers", "same"]


def nothing(*args: object) -> None:
    """A stage of a chain; takes whatever its predecessor returns."""


def numbers(count: int) -> list[int]:
    """Items for `same`."""
    return list(range(count))


def same(item: int) -> int:
    """A trivial item."""
    return item


def hold(seconds: float) -> int:
    """Keeps a worker busy; says which."""
    time.sleep(seconds)
    return os.getpid()


def imported(*args: object) -> list[object]:
    """The process, and whether pandas was there when the call came."""
    return [os.getpid(), "pandas" in sys.modules]


def array(megabytes: int) -> dict[str, Any]:
    """An array of so many million bytes, with the time at which it was made: what follows is hand-over."""
    import numpy as np

    value = np.random.default_rng(1).random(megabytes * 1_000_000 // 8)
    return _made(value)


def frame(megabytes: int) -> dict[str, Any]:
    """A frame of ten columns of numbers, likewise."""
    import numpy as np
    import pandas as pd

    rows = megabytes * 1_000_000 // 80
    value = pd.DataFrame(np.random.default_rng(1).random((rows, 10)), columns=[f"c{i}" for i in range(10)])
    return _made(value)


def _made(value: object) -> dict[str, Any]:
    # The monotonic clock is one for all processes of a machine.
    return {"value": value, "process": os.getpid(), "made": time.clock_gettime_ns(time.CLOCK_MONOTONIC)}
