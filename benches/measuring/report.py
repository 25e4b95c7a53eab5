"""Medians, spreads, ratios and the Markdown that shows them."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Comparison", "Row", "Series", "machine", "markdown"]

# How a unit is written: factor, digits after the point.
_UNITS: Final = {
    "s": (1.0, 2),
    "ms": (1e3, 2),
    "µs": (1e6, 1),
    "MB": (1e-6, 1),
    "items/s": (1.0, 0),
    "runs/s": (1.0, 1),
    "beats/s": (1.0, 0),
    "conns/s": (1.0, 0),
    "KiB": (1 / 1024, 1),
    "%": (100.0, 2),
}


@dataclass(frozen=True)
class Series:
    """One side's figures, a figure per round, in seconds, bytes, items or runs per second."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self) -> str:
        """Median, and the range when there is more than one figure."""
        factor, digits = _UNITS[self.unit]
        median, low, high = (f"{value * factor:,.{digits}f}" for value in (self.median, min(self.values), max(self.values)))
        spread = f" ({low}–{high})" if len(self.values) > 1 else ""
        return f"{median} {self.unit}{spread}"


@dataclass(frozen=True)
class Comparison:
    """What must hold: at least `factor` times as good as the peer, or a median below `limit` in the series' own measure."""

    factor: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Row:
    """One measurement: our side, the peer's if there is one, and what was promised."""

    what: str
    ours: Series
    peer: Series | None = None
    target: Comparison | None = None
    higher_is_better: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer, by medians."""
        if self.peer is None:
            return None
        ours, peer = self.ours.median, self.peer.median
        return ours / peer if self.higher_is_better else peer / ours

    @property
    def met(self) -> bool | None:
        """Whether the target holds; none without one."""
        if self.target is None:
            return None
        if self.target.factor is not None and (self.ratio is None or self.ratio < self.target.factor):
            return False
        return self.target.limit is None or self.ours.median < self.target.limit

    def target_text(self) -> str:
        if self.target is None:
            return ""
        parts = []
        if self.target.factor is not None:
            parts.append(f"≥ {self.target.factor:g}×")
        if self.target.limit is not None:
            factor, _ = _UNITS[self.ours.unit]
            parts.append(f"< {self.target.limit * factor:g} {self.ours.unit}")
        return ", ".join(parts)

    def as_json(self) -> dict[str, object]:
        """Everything, with the figure of every round."""
        sides = {"ours": self.ours, "peer": self.peer}
        return {
            "what": self.what,
            **{side: {"name": s.name, "unit": s.unit, "values": s.values} for side, s in sides.items() if s is not None},
            "ratio": self.ratio,
            "target": self.target_text(),
            "met": self.met,
            "notes": self.notes,
        }


def markdown(rows: list[Row]) -> str:
    """A table, and the notes below it."""
    lines = [
        "| Measurement | Pegboard | Peer | Ratio | Target | Met |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        peer = f"{row.peer.name}: {row.peer.text()}" if row.peer else ""
        ratio = f"**{row.ratio:.1f}×**" if row.ratio is not None else ""
        met = {True: "yes", False: "no", None: ""}[row.met]
        lines.append(f"| {row.what} | {row.ours.text()} | {peer} | {ratio} | {row.target_text()} | {met} |")
    notes = [f"- {row.what}: {note}" for row in rows for note in row.notes]
    return "\n".join(lines + ([""] if notes else []) + notes) + "\n"


def machine() -> str:
    """What the figures were taken on, in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )
