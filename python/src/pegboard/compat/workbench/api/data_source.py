"""A data source."""

from __future__ import annotations

from ..core.artifacts.athena_source import AthenaSource

__all__ = ["DataSource"]


class DataSource(AthenaSource):
    """As plugins make one by its name."""
