"""Imports by name, digests, sizes and other small helpers."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
import time
import uuid
from collections.abc import Hashable, Iterable, Iterator, MutableSet
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, TypeVar

from .names import generate_name

__all__ = [
    "OrderedSet",
    "compute_hash",
    "current_directory",
    "dict_to_list_string",
    "flatten_list",
    "generate_name",
    "get_full_path_type",
    "hash_file",
    "import_from_string",
    "is_valid_uuid",
    "parse_bytes",
    "timer",
]

Item = TypeVar("Item", bound=Hashable)
UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{letter}{ending}": 1000**power for power, letter in enumerate("kmgtp", 1) for ending in ("", "b")},
    **{f"{letter}{ending}": 1024**power for power, letter in enumerate("kmgtp", 1) for ending in ("i", "ib")},
}
CHUNK: Final = 1 << 20
# Time of change and size of the files that modules were executed from.
_stamps: Final[dict[str, tuple[int, int]]] = {}


def import_from_string(path: str, is_module: bool = False, use_cache: bool = False) -> Any:
    """What a dotted path names: `package.module.attribute`, or a module with `is_module`.

    A module whose file has changed since it was imported is executed again, unless `use_cache` is set.
    """
    path = path.strip()
    if is_module:
        return _module(path, use_cache)
    name, _, attribute = path.rpartition(".")
    if not name or not attribute or name.startswith("."):
        raise ImportError(f"{path} isn't a valid module path.")
    module = _module(name, use_cache)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ImportError(f"Module {module} does not have a `{attribute}` attribute") from None


def _module(name: str, use_cache: bool) -> ModuleType:
    module = sys.modules.get(name)
    if module is None:
        module = importlib.import_module(name)
        _remember(name, module)
        return module
    stamp = _stamp(module)
    if not use_cache and stamp is not None and _stamps.setdefault(name, stamp) != stamp:
        importlib.invalidate_caches()
        module = importlib.reload(module)
        _remember(name, module)
    return module


def _remember(name: str, module: ModuleType) -> None:
    stamp = _stamp(module)
    if stamp is not None:
        _stamps[name] = stamp


def _stamp(module: ModuleType) -> tuple[int, int] | None:
    try:
        found = os.stat(str(module.__file__))
    except (AttributeError, OSError):
        return None
    return found.st_mtime_ns, found.st_size


def dict_to_list_string(given: dict[str, Any]) -> tuple[list[str], str]:
    """Values of the entries that are true, as strings, and the same joined by `_`."""
    values = [str(value) for value in given.values() if value]
    return values, "_".join(values)


def get_full_path_type(value: object) -> str:
    """Module and name of a value's type."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def parse_bytes(size: float | str) -> int:
    """Bytes from a number or a text such as `5.4 kB` or `1 GiB`. A unit without a number means one of it."""
    if not isinstance(size, str):
        return int(size)
    text = size.replace(" ", "")
    found = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)?([^\d.]*)", text)
    if not text or found is None:
        raise ValueError(f"Could not interpret '{size}' as a number of bytes")
    number, unit = found.groups()
    if unit.lower() not in UNITS:
        raise ValueError(f"Could not interpret '{unit}' as a byte unit")
    return int(float(number or 1) * UNITS[unit.lower()])


def hash_file(path: str | os.PathLike[str]) -> str:
    """BLAKE2b of a file's content, as hex digits."""
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def compute_hash(content: str | bytes) -> str:
    """BLAKE2b of a text or of bytes, as hex digits."""
    return hashlib.blake2b(content.encode() if isinstance(content, str) else content).hexdigest()


def is_valid_uuid(text: object) -> bool:
    try:
        uuid.UUID(str(text))
    except ValueError:
        return False
    return True


def flatten_list(nested: Iterable[Any]) -> list[Any]:
    """The items of lists and tuples at any depth, in one list."""
    flat: list[Any] = []
    for item in nested:
        flat.extend(flatten_list(item) if isinstance(item, (list, tuple)) else [item])
    return flat


@contextmanager
def current_directory(path: str | os.PathLike[str]) -> Iterator[str]:
    """Makes a folder the current one inside the block."""
    before = os.getcwd()
    os.chdir(path)
    try:
        yield os.getcwd()
    finally:
        os.chdir(before)


class Elapsed:
    """Seconds since the block began; after its end, how long it took."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._ended: float | None = None

    @property
    def elapsed(self) -> float:
        return (time.perf_counter() if self._ended is None else self._ended) - self._begun

    def stop(self) -> None:
        self._ended = time.perf_counter()


@contextmanager
def timer() -> Iterator[Elapsed]:
    """Measures a block: `with timer() as t: …`, then `t.elapsed` in seconds."""
    watch = Elapsed()
    try:
        yield watch
    finally:
        watch.stop()


class OrderedSet(MutableSet[Item]):
    """A set that keeps the order in which its items came."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items: dict[Item, None] = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: Item) -> None:
        self._items[value] = None

    def discard(self, value: Item) -> None:
        self._items.pop(value, None)

    def __repr__(self) -> str:
        return f"OrderedSet({list(self._items)!r})"
