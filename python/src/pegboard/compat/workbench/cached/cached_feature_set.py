"""A feature set whose answers are kept."""

from __future__ import annotations

from ..core.artifacts.feature_set_core import FeatureSetCore
from .cached_artifact_mixin import CachedArtifactMixin

__all__ = ["CachedFeatureSet"]


class CachedFeatureSet(CachedArtifactMixin, FeatureSetCore):
    CACHED = ("column_stats", "correlations", "descriptive_stats", "outliers", "sample", "smart_sample", "value_counts")
