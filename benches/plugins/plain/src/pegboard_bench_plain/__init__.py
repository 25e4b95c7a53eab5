"""Stages that do next to nothing and need nothing."""

from __future__ import annotations

__all__ = ["nothing", "numbers", "same"]


def nothing() -> None:
    """A run of one stage."""


def numbers(count: int) -> list[int]:
    """Items for `same`."""
    return list(range(count))


def same(item: int) -> int:
    """A trivial item."""
    return item
