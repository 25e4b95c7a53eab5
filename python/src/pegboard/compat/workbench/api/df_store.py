"""Frames by a path."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, ClassVar

from ..core.artifacts.artifact import source

__all__ = ["DFStore"]

log = logging.getLogger("workbench")


class DFStore:
    """Locations are absolute paths below `path_prefix`."""

    KIND: ClassVar[str] = "frame"

    def __init__(self, path_prefix: str | None = None) -> None:
        self.path_prefix = "" if path_prefix is None else path_prefix.strip("/")

    def _name(self, location: str) -> str:
        return "/".join(part for part in (self.path_prefix, location.strip("/")) if part)

    def _all(self) -> list[tuple[str, dict[str, Any]]]:
        start = f"{self.path_prefix}/" if self.path_prefix else ""
        found = source().artifacts(self.KIND)
        return [(f"/{each['name'][len(start) :]}", each) for each in found if each["name"].startswith(start)]

    def list(self, prefix: str | None = None) -> list[str]:
        return [location for location, _ in self._all() if prefix is None or location.startswith(f"/{prefix.strip('/')}")]

    def summary(self) -> Any:
        return self.details()[["location", "size (MB)", "modified"]]

    def details(self) -> Any:
        import pandas as pd

        rows = [
            {
                "location": location,
                "size (MB)": round(each["bytes"] / 1_000_000, 3),
                "modified": pd.Timestamp(each["modified_at"]),
                "name": each["name"],
                "version": each["version"],
            }
            for location, each in self._all()
        ]
        return pd.DataFrame(rows, columns=["location", "size (MB)", "modified", "name", "version"])

    def check(self, location: str) -> bool:
        return source().find(self.KIND, self._name(location)) is not None

    def get(self, location: str) -> Any:
        if not self.check(location):
            log.warning(f"Data '{location}' not found")
            return None
        return self._read(self._name(location))

    def _read(self, name: str) -> Any:
        found = source().artifact(self.KIND, name)
        rows = next(file["rows"] for file in found["files"] if file["role"] == "data")
        return source().frame(self.KIND, name, limit=max(rows or 0, 1))

    def upsert(self, location: str, data: Any) -> None:
        source().put_frame(self._name(location), data.to_frame() if hasattr(data, "to_frame") and not hasattr(data, "columns") else data)

    def last_modified(self, location: str) -> datetime | None:
        found = source().find(self.KIND, self._name(location))
        return None if found is None else datetime.fromisoformat(found["modified_at"].replace("Z", "+00:00"))

    def delete(self, location: str) -> None:
        source().remove(self.KIND, self._name(location))

    def __repr__(self) -> str:
        return str(self.summary())
