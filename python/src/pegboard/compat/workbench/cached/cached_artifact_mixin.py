"""Answers kept by class, name, method and arguments until the artifact changes. Whoever gets one may change it: it is a copy."""

from __future__ import annotations

import copy
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["CachedArtifactMixin"]

# Answers that are kept in this process.
MOST = 256

_lock = threading.Lock()
_kept: OrderedDict[tuple[Any, ...], tuple[str, Any]] = OrderedDict()


class CachedArtifactMixin:
    """Before a core class in the bases: the methods that `CACHED` names are answered from memory."""

    CACHED: ClassVar[tuple[str, ...]] = ()
    COMMON: ClassVar[tuple[str, ...]] = ("summary", "details", "workbench_meta", "health_check")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in (*cls.COMMON, *cls.CACHED):
            method = getattr(cls, name)
            if not hasattr(method, "_answers_from_memory"):
                setattr(cls, name, _remembered(method))


def _remembered(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def answer(self: Any, *arguments: Any, **named: Any) -> Any:
        key = (type(self).__name__, self.name, method.__name__, repr(arguments), repr(sorted(named.items())))
        stamp = str(self.record().get("modified_at", ""))
        with _lock:
            found = _kept.get(key)
            if found is not None and found[0] == stamp:
                _kept.move_to_end(key)
                return _copied(found[1])
        value = method(self, *arguments, **named)
        with _lock:
            _kept[key] = (stamp, value)
            while len(_kept) > MOST:
                _kept.popitem(last=False)
        return _copied(value)

    answer._answers_from_memory = True  # type: ignore[attr-defined]
    return answer


def _copied(value: Any) -> Any:
    if hasattr(value, "iloc"):
        return value.copy()
    return copy.deepcopy(value)
