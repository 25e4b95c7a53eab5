"""Serializers for any Python value. Reading a pickle runs code: only load what you have written."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any, Final

from ..optional import optional

__all__ = ["CloudPickleSerializer", "DillPickleSerializer", "PickleSerializer", "SecureCloudPickleSerializer"]

SIGNATURE_SIZE: Final = hashlib.sha256().digest_size


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


class DillPickleSerializer:
    """Needs dill."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return bytes(optional("dill").dumps(value))

    @staticmethod
    def loads(data: bytes) -> Any:
        return optional("dill").loads(data)


class SecureCloudPickleSerializer:
    """A pickle behind a signature made with a key: bytes that were signed with another key, or changed since, are refused."""

    def __init__(self, key: str | bytes) -> None:
        self._key = key.encode() if isinstance(key, str) else bytes(key)
        if not self._key:
            raise ValueError("an empty key protects nothing")

    def dumps(self, value: Any) -> bytes:
        pickled = CloudPickleSerializer.dumps(value)
        return self._sign(pickled) + pickled

    def loads(self, data: bytes) -> Any:
        signature, pickled = data[:SIGNATURE_SIZE], data[SIGNATURE_SIZE:]
        if not hmac.compare_digest(signature, self._sign(pickled)):
            raise ValueError("the signature does not fit: other key, or changed data")
        return CloudPickleSerializer.loads(pickled)

    def _sign(self, pickled: bytes) -> bytes:
        return hmac.new(self._key, pickled, hashlib.sha256).digest()
