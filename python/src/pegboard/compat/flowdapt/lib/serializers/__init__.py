"""Serializers: values to bytes and back, as static methods.

Those that need a package that is not there say so when they are used.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..optional import optional
from .base import Serializer
from .pickles import CloudPickleSerializer, DillPickleSerializer, PickleSerializer, SecureCloudPickleSerializer

__all__ = [
    "CloudPickleSerializer",
    "DillPickleSerializer",
    "JSONSerializer",
    "MsgPackSerializer",
    "NoOpSerializer",
    "ORJSONSerializer",
    "PickleSerializer",
    "SecureCloudPickleSerializer",
    "Serializer",
    "YAMLSerializer",
]

# Strings stay as they are; comments go; a comma goes when only a closing bracket follows.
NOT_JSON: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
LAST_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])', re.DOTALL)


class JSONSerializer:
    """Written for people; comments and trailing commas are read over."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return json.dumps(value, indent=4).encode()

    @staticmethod
    def loads(data: bytes | str) -> Any:
        text = data if isinstance(data, str) else bytes(data).decode()
        try:
            return json.loads(text)
        except ValueError:
            for pattern in (NOT_JSON, LAST_COMMA):
                text = pattern.sub(lambda found: found[0] if found[0].startswith('"') else "", text)
            return json.loads(text)


class ORJSONSerializer:
    """Compact and quick. Needs orjson."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        orjson = optional("orjson")
        return bytes(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY))

    @staticmethod
    def loads(data: bytes) -> Any:
        return optional("orjson").loads(data)


class YAMLSerializer:
    """Plain values only. Needs PyYAML."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return str(optional("yaml", "PyYAML").safe_dump(value, sort_keys=False, allow_unicode=True)).encode()

    @staticmethod
    def loads(data: bytes) -> Any:
        return optional("yaml", "PyYAML").safe_load(data)


class MsgPackSerializer:
    """Needs msgpack."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return bytes(optional("msgpack").packb(value))

    @staticmethod
    def loads(data: bytes) -> Any:
        return optional("msgpack").unpackb(data, strict_map_key=False)


class NoOpSerializer:
    """For values that are bytes already."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return bytes(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        return data
