"""An endpoint whose answers are kept."""

from __future__ import annotations

from ..core.artifacts.endpoint_core import EndpointCore
from .cached_artifact_mixin import CachedArtifactMixin

__all__ = ["CachedEndpoint"]


class CachedEndpoint(CachedArtifactMixin, EndpointCore):
    CACHED = ("endpoint_metrics",)
