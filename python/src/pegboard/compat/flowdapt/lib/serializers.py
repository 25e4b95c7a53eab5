"""Serializers: values to bytes and back, as static methods."""

from __future__ import annotations

import json
import pickle
from typing import Any, Protocol

__all__ = ["CloudPickleSerializer", "JSONSerializer", "NoOpSerializer", "PickleSerializer", "Serializer"]


class Serializer(Protocol):
    """A class with two static methods."""

    @staticmethod
    def dumps(value: Any) -> bytes: ...
    @staticmethod
    def loads(data: bytes) -> Any: ...


class PickleSerializer:
    @staticmethod
    def dumps(value: Any) -> bytes:
        return pickle.dumps(value, 5)

    @staticmethod
    def loads(data: bytes) -> Any:
        return pickle.loads(data)


class CloudPickleSerializer:
    """Takes functions and classes by value where cloudpickle is installed; plain pickle otherwise. Reads both."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        try:
            import cloudpickle
        except ImportError:
            return pickle.dumps(value, 5)
        return bytes(cloudpickle.dumps(value))

    @staticmethod
    def loads(data: bytes) -> Any:
        return pickle.loads(data)


class JSONSerializer:
    @staticmethod
    def dumps(value: Any) -> bytes:
        return json.dumps(value, indent=4).encode()

    @staticmethod
    def loads(data: bytes) -> Any:
        return json.loads(data)


class NoOpSerializer:
    """For values that are bytes already."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return bytes(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return data
