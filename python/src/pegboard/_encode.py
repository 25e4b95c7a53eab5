"""A result as JSON (specification, section 8.3). Never fails: what has no JSON form is told as a string."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Mapping, Set
from typing import Any, Final

from pegboard._messages import dump_json

# Readers refuse deeper nesting; a serious result is far below.
MAX_DEPTH: Final = 100
MAX_TEXT: Final = 10_000
# A larger result is told by its size; the value itself is kept whole elsewhere.
MAX_JSON: Final = 256 << 20
_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 64) - 1


def to_json(value: object) -> bytes:
    """JSON text of any value."""
    text = dump_json(simplify(value))
    return text if len(text) <= MAX_JSON else dump_json(f"<{type(value).__name__} of {len(text)} bytes as JSON>")


def simplify(value: object) -> Any:
    """The value in terms of None, bool, int, float, str, list and dict with text keys."""
    return _simplify(value, [])


def _simplify(value: Any, above: list[int]) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if _LEAST <= value <= _MOST else _number_text(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if len(above) >= MAX_DEPTH or id(value) in above:
        return _text(value)
    above.append(id(value))
    try:
        return _simplify_object(value, above)
    except Exception:
        return _text(value)
    finally:
        above.pop()


def _simplify_object(value: Any, above: list[int]) -> Any:
    if isinstance(value, enum.Enum):
        return _simplify(value.value, above)
    if isinstance(value, Mapping):
        return {_key(key): _simplify(item, above) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_simplify(item, above) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return _simplify(float(value), above)
    if isinstance(value, int):
        return _simplify(int(value), above)
    if isinstance(value, (datetime.date, datetime.time)):
        # pandas' missing time is a datetime that is not equal to itself.
        return value.isoformat() if value == value else None  # noqa: PLR0124
    if isinstance(value, (uuid.UUID, pathlib.PurePath, decimal.Decimal)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _simplify(getattr(value, field.name), above) for field in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return _simplify(dump(value), above)
    if type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "ndim", None) == 0:
        return _simplify(value.item(), above)
    return _text(value)


def _key(key: object) -> str:
    if type(key) is str:
        return key
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    simple = simplify(key)
    return simple if isinstance(simple, str) else str(simple)


def _number_text(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        # Over Python's limit of decimal digits.
        return hex(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
