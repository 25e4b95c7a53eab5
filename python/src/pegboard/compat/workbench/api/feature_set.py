"""A feature set."""

from __future__ import annotations

from ..core.artifacts.feature_set_core import FeatureSetCore

__all__ = ["FeatureSet"]


class FeatureSet(FeatureSetCore):
    """As plugins make one by its name."""
