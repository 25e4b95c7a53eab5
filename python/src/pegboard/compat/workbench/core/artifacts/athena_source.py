"""A data source."""

from __future__ import annotations

from .data_source_abstract import DataSourceAbstract

__all__ = ["AthenaSource"]


class AthenaSource(DataSourceAbstract):
    """A table as it came in."""

    KIND = "data_source"
