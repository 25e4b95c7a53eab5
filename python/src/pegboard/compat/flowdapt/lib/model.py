"""Records with the part of pydantic's surface that plugins use of Flowdapt's models: attributes, `model_dump`, `model_copy`, comparison.

Classes of our own, so that a plugin's environment need not hold pydantic, and a plugin may bring whichever version it likes.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, ClassVar

__all__ = ["Fields", "Model"]

Convert = Callable[[Any], Any]
# Name to default and conversion.
Fields = dict[str, tuple[Any, Convert | None]]


class Model:
    """Named fields with defaults. Fields that it does not know are kept: a newer server may say more."""

    known: ClassVar[Fields] = {}

    def __init__(self, **fields: Any) -> None:
        for name, (default, convert) in self.known.items():
            value = fields.pop(name, None)
            if value is None:
                value = copy.copy(default)
            setattr(self, name, value if convert is None or value is None else convert(value))
        for name, value in fields.items():
            setattr(self, name, value)

    @classmethod
    def model_validate(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if hasattr(value, "model_dump"):
            value = value.model_dump()
        if not isinstance(value, dict):
            raise ValueError(f"`{cls.__name__}` cannot be made of a value of type `{type(value).__name__}`")
        return cls(**value)

    def model_dump(self, *, mode: str = "python", exclude: set[str] | None = None, **options: Any) -> dict[str, Any]:
        """The fields as plain values; with `mode="json"` times and states as text."""
        return {name: _dumped(value, mode) for name, value in vars(self).items() if name not in (exclude or ())}

    def model_dump_json(self, *, indent: int | None = None, exclude: set[str] | None = None, **options: Any) -> str:
        return json.dumps(self.model_dump(mode="json", exclude=exclude), indent=indent, default=str)

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> Any:
        made = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(made, name, value)
        return made

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def dict(self, **options: Any) -> Any:
        return self.model_dump(**options)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _dumped(value: Any, mode: str) -> Any:
    if isinstance(value, Model):
        return value.model_dump(mode=mode)
    if isinstance(value, dict):
        return {key: _dumped(item, mode) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dumped(item, mode) for item in value]
    if mode == "json" and isinstance(value, (datetime.datetime, Enum)):
        return value.isoformat() if isinstance(value, datetime.datetime) else value.value
    return value
