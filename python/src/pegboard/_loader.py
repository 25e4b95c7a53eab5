"""Imports plugins and finds targets (specification, sections 9.7 and 10).

A module is imported once. Before a call the file of the target's module is looked at, and the module is executed again when size or
time of change differ: an edit takes effect with the next call, a fan-out does not import per item. Only that module is executed again,
not its package nor what it imports. An edit that does not load is told on standard error, once, and what was loaded goes on.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

from pegboard._binding import Plan
from pegboard._errors import TargetError
from pegboard._imported import last_imported, modules_since
from pegboard._user_modules import NAME as USER_MODULES
from pegboard._user_modules import Stamps

Stamp = tuple[int, int]


class Target:
    """A callable and how its arguments are bound."""

    __slots__ = ("function", "is_async", "plan", "source")

    def __init__(self, function: Callable[..., Any], source: _Source) -> None:
        self.function = function
        self.plan = Plan(function)
        self.is_async = inspect.iscoroutinefunction(function)
        self.source = source


class _Source:
    """A module and the file that it came from."""

    __slots__ = ("module", "path", "stamp")

    def __init__(self, module: ModuleType, path: str | None, stamp: Stamp | None) -> None:
        self.module = module
        self.path = path
        self.stamp = stamp


class Loader:
    """Targets that were resolved so far."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._targets: dict[str, Target] = {}
        self._stamps = Stamps()

    def load(self, modules: Iterable[str], called: Iterable[str] = ()) -> None:
        """Imports the modules of a plugin, and those that calls have named before if they still exist. What they raise comes through."""
        before = last_imported()
        owned = set()
        for name in modules:
            _import(name)
            owned.add(name.partition(".")[0])
        for name in called:
            try:
                _import(name)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                    raise
        # What was imported now is what these files said; an edit before the first call must be seen.
        for name, module in modules_since(before).items():
            if name.partition(".")[0] in owned:
                self._sources[name] = _source(module)

    def resolve(self, target: str) -> Target:
        """The callable that a dotted path names. `TargetError` with the dialect's own error as its cause."""
        is_loose = target.startswith(f"{USER_MODULES}.")
        if is_loose and self._stamps.forget_changed():
            self._sources = {name: each for name, each in self._sources.items() if not name.startswith(USER_MODULES)}
            self._targets = {name: each for name, each in self._targets.items() if not name.startswith(USER_MODULES)}
        found = self._targets.get(target)
        if found is not None and _is_current(found.source):
            return found
        try:
            made = self._resolve(target.strip())
        except Exception as error:
            raise TargetError from error
        except SystemExit as error:
            raise TargetError from error
        if is_loose:
            self._stamps.note()
        self._targets[target] = made
        return made

    def _resolve(self, target: str) -> Target:
        name, _, attribute = target.rpartition(".")
        if not name or not attribute or name.startswith("."):
            raise ImportError(f"{target} isn't a valid module path.")
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _source(_import(name))
        elif not _is_current(source):
            source = self._reload(name, source)
        try:
            function = getattr(source.module, attribute)
        except AttributeError:
            raise ImportError(f"Module {source.module} does not have a `{attribute}` attribute") from None
        if not inspect.isfunction(function):
            # Raises TypeError for what is neither a function nor a class written in Python.
            inspect.getfile(function)
        return Target(function, source)

    def _reload(self, name: str, source: _Source) -> _Source:
        module = source.module
        fresh = _source(module)
        importlib.invalidate_caches()
        if source.path is not None:
            linecache.checkcache(source.path)
        loaded = dict(module.__dict__)
        try:
            _execute(module, source.path)
        except (Exception, SystemExit):
            module.__dict__.clear()
            module.__dict__.update(loaded)
            traceback.print_exc(limit=-8)
            sys.stderr.write(f"`{name}` was changed and does not load: what was loaded before goes on\n")
            # Not tried again before the next change.
            source.stamp = fresh.stamp
            return source
        self._sources[name] = fresh
        self._targets = {key: each for key, each in self._targets.items() if each.source is not source}
        return fresh


def _execute(module: ModuleType, path: str | None) -> None:
    """Once more, in place."""
    loader = getattr(module.__spec__, "loader", None)
    if isinstance(loader, SourceFileLoader) and path is not None:
        # Not through the byte code cache: it knows seconds only and would miss a quick edit of the same length.
        exec(loader.source_to_code(loader.get_data(path), path), module.__dict__)
    else:
        importlib.reload(module)


def _import(name: str) -> ModuleType:
    # The builtin, because Python takes its own frames out of the traceback then.
    __import__(name)
    return sys.modules[name]


def _source(module: ModuleType) -> _Source:
    path = getattr(module, "__file__", None)
    if not isinstance(path, str) or not path.endswith(".py"):
        return _Source(module, None, None)
    return _Source(module, path, _stamp(path))


def _is_current(source: _Source) -> bool:
    if source.path is None:
        return True
    stamp = _stamp(source.path)
    # A file that is gone for the moment is being replaced: what is loaded goes on.
    return stamp is None or stamp == source.stamp


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
