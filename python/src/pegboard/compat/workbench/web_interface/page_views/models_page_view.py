"""The table of the page Models, and what it shows of one."""

from __future__ import annotations

from typing import Any

from ...cached.cached_meta import CachedMeta
from ...cached.cached_model import CachedModel
from .page_view import PageView

__all__ = ["ModelsPageView"]


class ModelsPageView(PageView):
    def __init__(self) -> None:
        super().__init__()
        self.meta = CachedMeta()
        self.refresh()

    def refresh(self) -> None:
        frame = self.meta.models(details=True)
        frame = frame.drop(columns=[name for name in ("Ver", "Status", "_aws_url") if name in frame.columns])
        frame["name"] = frame.iloc[:, 0]
        frame["id"] = range(len(frame))
        self.frame = self.concise_timestamps(frame)

    def models(self) -> Any:
        return self.frame

    def view_data(self) -> Any:
        return self.frame

    @staticmethod
    def details(name: str) -> dict[str, Any] | None:
        artifact = CachedModel(name)
        return artifact.details() if artifact.exists() else None
