"""Frames below `/reports`."""

from __future__ import annotations

from .df_store import DFStore

__all__ = ["Reports"]


class Reports(DFStore):
    def __init__(self) -> None:
        super().__init__("/reports")
