"""A data source whose answers are kept."""

from __future__ import annotations

from ..core.artifacts.athena_source import AthenaSource
from .cached_artifact_mixin import CachedArtifactMixin

__all__ = ["CachedDataSource"]


class CachedDataSource(CachedArtifactMixin, AthenaSource):
    CACHED = ("column_stats", "correlations", "descriptive_stats", "outliers", "sample", "smart_sample", "value_counts")
