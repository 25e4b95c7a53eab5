"""Lists of artifacts that are asked for anew after half a minute."""

from __future__ import annotations

import copy
import functools
import threading
import time
from typing import Any, ClassVar

from ..api.meta import Meta

__all__ = ["CachedMeta"]

LIFETIME_SECONDS = 30.0


class CachedMeta(Meta):
    """One per process."""

    _instance: ClassVar[CachedMeta | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _kept: ClassVar[dict[tuple[Any, ...], tuple[float, Any]]] = {}

    def __new__(cls) -> CachedMeta:
        with cls._lock:
            if cls._instance is None:
                cls._instance = super().__new__(cls)
        return cls._instance

    def clear_cache(self) -> None:
        self._kept.clear()


def _for_a_while(name: str) -> Any:
    method = getattr(Meta, name)

    @functools.wraps(method)
    def answer(self: CachedMeta, *arguments: Any, **named: Any) -> Any:
        key = (name, arguments, tuple(sorted(named.items())))
        kept = self._kept.get(key)
        if kept is None or time.monotonic() - kept[0] > LIFETIME_SECONDS:
            kept = self._kept[key] = (time.monotonic(), method(self, *arguments, **named))
        value = kept[1]
        return value.copy() if hasattr(value, "iloc") else copy.deepcopy(value)

    return answer


for _name in ("data_sources", "feature_sets", "models", "endpoints", "views", "pipelines", "champion_models", "challenger_models"):
    setattr(CachedMeta, _name, _for_a_while(_name))
