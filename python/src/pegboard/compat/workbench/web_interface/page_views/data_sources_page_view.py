"""The table of the page Data Sources, and what it shows of one."""

from __future__ import annotations

from typing import Any

from ...cached.cached_data_source import CachedDataSource
from ...cached.cached_meta import CachedMeta
from .page_view import PageView

__all__ = ["DataSourcesPageView"]


class DataSourcesPageView(PageView):
    def __init__(self) -> None:
        super().__init__()
        self.meta = CachedMeta()
        self.refresh()

    def refresh(self) -> None:
        frame = self.meta.data_sources()
        frame["name"] = frame.iloc[:, 0]
        frame["id"] = range(len(frame))
        self.frame = self.concise_timestamps(frame)

    def data_sources(self) -> Any:
        return self.frame

    def view_data(self) -> Any:
        return self.frame

    @staticmethod
    def details(name: str) -> dict[str, Any] | None:
        artifact = CachedDataSource(name)
        return artifact.details() if artifact.exists() else None

    @staticmethod
    def smart_sample(name: str) -> Any:
        artifact = CachedDataSource(name)
        return artifact.smart_sample() if artifact.exists() else None
