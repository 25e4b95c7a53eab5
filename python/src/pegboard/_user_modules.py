"""Loose modules of the data directory, importable as `user_modules.x`.

Nothing else of the data directory becomes importable. A module that is installed under the same name wins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import cache_from_source, spec_from_file_location
from types import ModuleType
from typing import Final

__all__ = ["NAME", "Stamps", "offer"]

NAME: Final = "user_modules"

Stamp = tuple[int, int]


class _Finder:
    """Finds the package; its modules are found along its path as usual."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != NAME or not os.path.isdir(self._folder):
            return None
        init = os.path.join(self._folder, "__init__.py")
        if os.path.isfile(init):
            return spec_from_file_location(NAME, init, submodule_search_locations=[self._folder])
        spec = ModuleSpec(NAME, None, is_package=True)
        spec.submodule_search_locations = [self._folder]
        return spec


def offer(folder: str) -> None:
    """Makes the package importable, last of all."""
    sys.meta_path.append(_Finder(folder))


class Stamps:
    """What the files of the loaded modules were like."""

    def __init__(self) -> None:
        self._seen: dict[str, Stamp] = {}

    def forget_changed(self) -> bool:
        """When a file is not what was loaded, all modules are forgotten: each may have names of any other. Whether it was so."""
        loaded = {name: module for name, module in list(sys.modules.items()) if name == NAME or name.startswith(f"{NAME}.")}
        changed = False
        for name, module in loaded.items():
            stamp = _stamp(module)
            if stamp is not None and self._seen.setdefault(name, stamp) != stamp:
                changed = True
                _forget_byte_code(module)
        if changed:
            for name in loaded:
                del sys.modules[name]
            self._seen.clear()
        return changed

    def note(self) -> None:
        """Looks at what was loaded just now."""
        for name, module in list(sys.modules.items()):
            if name not in self._seen and (name == NAME or name.startswith(f"{NAME}.")):
                stamp = _stamp(module)
                if stamp is not None:
                    self._seen[name] = stamp


def _forget_byte_code(module: ModuleType) -> None:
    # The cache knows seconds only and would miss a quick edit of the same length.
    with suppress(OSError, NotImplementedError, TypeError):
        os.unlink(cache_from_source(str(module.__file__)))


def _stamp(module: ModuleType) -> Stamp | None:
    path = getattr(module, "__file__", None)
    if not isinstance(path, str):
        return None
    try:
        found = os.stat(path)
    except OSError:
        # A file that is gone for the moment is being replaced: what is loaded goes on.
        return None
    return found.st_mtime_ns, found.st_size
