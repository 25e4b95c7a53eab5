"""The four tables of the main page."""

from __future__ import annotations

from typing import Any

from ...cached.cached_meta import CachedMeta
from .page_view import PageView

__all__ = ["MainPageView"]


class MainPageView(PageView):
    def __init__(self) -> None:
        super().__init__()
        self.meta = CachedMeta()

    def refresh(self) -> None:
        self.meta.clear_cache()

    def data_sources(self) -> Any:
        return self._table(self.meta.data_sources())

    def feature_sets(self) -> Any:
        return self._table(self.meta.feature_sets(details=True))

    def models(self) -> Any:
        return self._table(self.meta.models(details=True).drop(columns=["Ver", "Status", "_aws_url"]))

    def endpoints(self) -> Any:
        return self._table(self.meta.endpoints(details=True))

    def view_data(self) -> dict[str, Any]:
        return {name: getattr(self, name)() for name in ("data_sources", "feature_sets", "models", "endpoints")}

    def _table(self, frame: Any) -> Any:
        frame = frame.drop(columns=[name for name in ("_aws_url",) if name in frame.columns])
        frame["name"] = frame.iloc[:, 0]
        return self.concise_timestamps(frame)
