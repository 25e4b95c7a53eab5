"""What a serializer is."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Serializer"]


class Serializer(Protocol):
    """A class with two static methods."""

    @staticmethod
    def dumps(value: Any) -> bytes: ...
    @staticmethod
    def loads(data: bytes) -> Any: ...
