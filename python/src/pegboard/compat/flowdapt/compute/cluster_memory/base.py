"""What a cluster memory does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["ClusterMemory"]


class ClusterMemory(ABC):
    """A missing key is a `KeyError` on `get`, and no error on `delete`."""

    @abstractmethod
    def get(self, key: str, *, namespace: str = "default") -> Any: ...
    @abstractmethod
    def put(self, key: str, value: Any, *, namespace: str = "default") -> Any: ...
    @abstractmethod
    def delete(self, key: str, *, namespace: str = "default") -> None: ...
    @abstractmethod
    def clear(self) -> None: ...
    @abstractmethod
    def exists(self, key: str, *, namespace: str = "default") -> bool: ...
