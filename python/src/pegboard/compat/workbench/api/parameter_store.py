"""Small values by a path."""

from __future__ import annotations

import logging
from typing import Any

from ..core.artifacts.artifact import source

__all__ = ["ParameterStore"]

log = logging.getLogger("workbench")


class ParameterStore:
    """Names are absolute paths: `/workbench/dashboard/theme`."""

    def list(self, prefix: str | None = None) -> list[str]:
        names = [f"/{each['name']}" for each in source().artifacts("parameter")]
        return [name for name in names if prefix is None or name.startswith(f"/{prefix.strip('/')}")]

    def get(self, name: str, warn: bool = True, decompress: bool = True) -> Any:
        found = source().find("parameter", name)
        if found is None and warn:
            log.warning(f"Parameter '{name}' not found")
        return None if found is None else found["facts"].get("value")

    def upsert(self, name: str, value: Any, precision: int = 3) -> None:
        source().put_parameter(name, value)

    def delete(self, name: str) -> None:
        source().remove("parameter", name)

    def __repr__(self) -> str:
        return "\n".join(self.list())
