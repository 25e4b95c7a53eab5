"""What a user may choose about a run, and what holds otherwise.

A value in the run's input wins over one in a config that selects the workflow; that wins over the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .data import LOADERS
from .models import LARGEST_GRID

__all__ = ["Settings"]

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Settings:
    """Choices of one run."""

    seed: int = 7
    """Decides the split and every model's random numbers."""
    grid_size: int = LARGEST_GRID
    """Candidates for each data set."""
    test_share: float = 0.3
    """Part of the rows that is held out."""
    datasets: tuple[str, ...] = tuple(LOADERS)
    """Names of data sets."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"`seed` must not be negative, got {self.seed}")
        if not 1 <= self.grid_size <= LARGEST_GRID:
            raise ValueError(f"`grid_size` must be between 1 and {LARGEST_GRID}, got {self.grid_size}")
        if not 0.0 < self.test_share < 1.0:
            raise ValueError(f"`test_share` must be between 0 and 1, got {self.test_share}")
        if not self.datasets:
            raise ValueError("`datasets` is empty, so there is nothing to train on")
        for name in self.datasets:
            if name not in LOADERS:
                raise ValueError(f"there is no data set `{name}`; choose from {', '.join(LOADERS)}")

    @classmethod
    def read(cls, given: Mapping[str, Any], config: Mapping[str, Any]) -> Settings:
        """Settings from a run's input and config. A command line sends text, so numbers and lists may come as text."""
        both = {**config, **given}
        defaults = cls()
        datasets = both.get("datasets", defaults.datasets)
        if isinstance(datasets, str):
            datasets = [name.strip() for name in datasets.split(",") if name.strip()]
        return cls(
            seed=_number(int, both, "seed", defaults.seed),
            grid_size=_number(int, both, "grid_size", defaults.grid_size),
            test_share=_number(float, both, "test_share", defaults.test_share),
            datasets=tuple(str(name) for name in datasets),
        )


def _number(kind: type[Number], both: Mapping[str, Any], key: str, default: Number) -> Number:
    value = both.get(key, default)
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{key}` must be a number, got {value!r}") from None
