"""The table of the page Endpoints, and what it shows of one."""

from __future__ import annotations

from typing import Any

from ...cached.cached_endpoint import CachedEndpoint
from ...cached.cached_meta import CachedMeta
from .page_view import PageView

__all__ = ["EndpointsPageView"]


class EndpointsPageView(PageView):
    def __init__(self) -> None:
        super().__init__()
        self.meta = CachedMeta()
        self.refresh()

    def refresh(self) -> None:
        frame = self.meta.endpoints(details=True)
        frame["name"] = frame.iloc[:, 0]
        frame["id"] = range(len(frame))
        self.frame = self.concise_timestamps(frame)

    def endpoints(self) -> Any:
        return self.frame

    def view_data(self) -> Any:
        return self.frame

    @staticmethod
    def details(name: str) -> dict[str, Any] | None:
        artifact = CachedEndpoint(name)
        return artifact.details() if artifact.exists() else None
