"""How much is measured, and what a measurement is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .report import Row
from .workshop import Workshop

__all__ = ["Effort", "Measurement", "rounds"]


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    rounds: int
    items: int
    calls: int
    megabytes: int
    chain: int
    runs: int
    clients: int
    assets: int


Measurement = Callable[[Workshop, Effort], list[Row]]


def rounds(effort: Effort) -> range:
    """Round 0 warms up."""
    return range(effort.rounds + 1)
