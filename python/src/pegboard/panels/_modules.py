"""Executes plugin files. A file is executed once per process, whoever asks for it.

The module has the name of its file, as plugins expect, unless an installed module has that name already: then plugin code that imports
the installed one must still get it, and the plugin's module is called otherwise.
"""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

from pegboard._imported import last_imported, modules_since

__all__ = ["classes_of", "executed_files", "make_importable", "module_of"]

KINDS: Final = ("components", "views", "pages")

_EXECUTED: dict[str, ModuleType | BaseException] = {}
# The last module that no plugin has asked for.
_BEFORE: list[str] = []
# Folders that plugins import from, and the folder that each must stay in; without links.
_INSIDE: dict[str, str] = {}


def make_importable(roots: Iterable[str | os.PathLike[str]]) -> None:
    """Packages of the folders, and files beside each other; at the end of the path, so that nothing installed is hidden."""
    if not _BEFORE:
        _BEFORE.append(last_imported())
    for root in roots:
        for folder in ("packages", *KINDS):
            path = os.path.join(root, folder)
            if path not in sys.path and (folder == "packages" or os.path.isdir(path)):
                sys.path.append(path)
                _INSIDE[path + os.sep] = os.path.realpath(root) + os.sep
    if not any(isinstance(finder, _NoWayOut) for finder in sys.meta_path):
        # After those that know names of their own, such as the former ones of a package.
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _NoWayOut())


class _NoWayOut(MetaPathFinder):
    """Imports nothing over a link that leads out of the plugin folder."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        places = [spec.origin] if spec is not None and spec.origin else list(spec.submodule_search_locations or ()) if spec else []
        for place in places:
            _stay_inside(place)
        return spec


def _stay_inside(path: str) -> None:
    for folder, root in _INSIDE.items():
        if path.startswith(folder) and not (os.path.realpath(path) + os.sep).startswith(root):
            raise ImportError(f"`{path}` is reached by a link that leads out of the plugin folder: put the file itself there")


def module_of(path: str | os.PathLike[str], text: str | None = None) -> ModuleType:
    """The module of a plugin file, or of the text that the file had. What executing it raised comes through, each time."""
    real = os.path.realpath(path)
    found = _EXECUTED.get(real)
    if found is None:
        try:
            found = _execute(os.fspath(path), text)
        except (Exception, SystemExit) as error:
            found = error
        _EXECUTED[real] = found
    if isinstance(found, BaseException):
        raise found
    return found


def classes_of(module: ModuleType) -> list[type]:
    """Classes that were written in the file, by name."""
    return [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]


def executed_files(roots: Iterable[str]) -> list[str]:
    """Files below the folders that this process has read."""
    above = tuple({f"{place}{os.sep}" for root in roots for place in (os.path.abspath(root), os.path.realpath(root))})
    named = [getattr(module, "__file__", None) for module in (modules_since(_BEFORE[0]) if _BEFORE else sys.modules).values()]
    loaded = {os.path.realpath(file) for file in named if isinstance(file, str) and file.startswith(above)}
    return sorted(loaded | {path for path in _EXECUTED if path.startswith(above)})


def _execute(path: str, text: str | None) -> ModuleType:
    _stay_inside(path)
    stem = Path(path).stem
    present = sys.modules.get(stem)
    if present is not None and _is(present, path):
        # A sibling has imported it.
        return present
    spec = importlib.util.spec_from_file_location(_free_name(stem, path), path)
    assert spec is not None and isinstance(spec.loader, SourceFileLoader)
    # The byte code cache knows seconds only: it would miss a quick save of the same length. What a plugin imports must not meet one either.
    sys.dont_write_bytecode = True
    if text is not None:
        # Tracebacks show what was executed, whatever the file has become.
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up.
    sys.modules[spec.name] = module
    try:
        exec(spec.loader.source_to_code(spec.loader.get_data(path) if text is None else text.encode(), path), module.__dict__)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _free_name(stem: str, path: str) -> str:
    if stem not in sys.modules and not _is_elsewhere(stem, path):
        return stem
    name, number = f"{Path(path).parent.name}_{stem}", 2
    while name in sys.modules:
        name, number = f"{Path(path).parent.name}_{stem}_{number}", number + 1
    return name


def _is_elsewhere(stem: str, path: str) -> bool:
    try:
        spec = importlib.util.find_spec(stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin is None or os.path.realpath(spec.origin) != os.path.realpath(path))


def _is(module: ModuleType, path: str) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and os.path.realpath(file) == os.path.realpath(path)
