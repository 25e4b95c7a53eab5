"""The table of the page Feature Sets, and what it shows of one."""

from __future__ import annotations

from typing import Any

from ...cached.cached_feature_set import CachedFeatureSet
from ...cached.cached_meta import CachedMeta
from .page_view import PageView

__all__ = ["FeatureSetsPageView"]


class FeatureSetsPageView(PageView):
    def __init__(self) -> None:
        super().__init__()
        self.meta = CachedMeta()
        self.refresh()

    def refresh(self) -> None:
        frame = self.meta.feature_sets(details=True)
        frame["name"] = frame.iloc[:, 0]
        frame["id"] = range(len(frame))
        self.frame = self.concise_timestamps(frame)

    def feature_sets(self) -> Any:
        return self.frame

    def view_data(self) -> Any:
        return self.frame

    @staticmethod
    def details(name: str) -> dict[str, Any] | None:
        artifact = CachedFeatureSet(name)
        return artifact.details() if artifact.exists() else None

    @staticmethod
    def smart_sample(name: str) -> Any:
        artifact = CachedFeatureSet(name)
        return artifact.smart_sample() if artifact.exists() else None
