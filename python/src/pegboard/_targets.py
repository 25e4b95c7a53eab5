"""Asked by the server: which targets of a workflow would not resolve, and what their parameters are.

It runs in a worker of the plugin, like a stage. What resolves says nothing; the rest is raised, one line for each.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType

from pegboard._user_modules import NAME as USER_MODULES

__all__ = ["UnresolvedTargets", "check", "describe"]


class UnresolvedTargets(Exception):
    """One line for each target that does not resolve."""


def check(targets: Iterable[str]) -> None:
    """Raises `UnresolvedTargets` when there are such."""
    with _loose_modules_apart():
        problems = [problem for problem in map(_problem, targets) if problem is not None]
    if problems:
        raise UnresolvedTargets("\n".join(problems))


def describe(targets: Iterable[str]) -> dict[str, list[dict[str, object]]]:
    """What each target's parameters are, for a form: `name`, `annotation`, `default` as JSON text or none, `required`.

    A target that does not resolve, or has no signature, is left out.
    """
    found: dict[str, list[dict[str, object]]] = {}
    with _loose_modules_apart():
        for target in targets:
            name, _, attribute = target.strip().rpartition(".")
            try:
                __import__(name)
                signature = inspect.signature(getattr(sys.modules[name], attribute))
            except (Exception, SystemExit):
                continue
            found[target] = [_parameter(each) for each in signature.parameters.values() if each.kind not in _MANY]
    return found


_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameter(parameter: inspect.Parameter) -> dict[str, object]:
    empty = inspect.Parameter.empty
    annotation = "" if parameter.annotation is empty else inspect.formatannotation(parameter.annotation)
    try:
        default = None if parameter.default is empty else json.dumps(parameter.default)
    except (TypeError, ValueError):
        default = None
    required = parameter.default is empty
    return {"name": parameter.name, "annotation": annotation, "default": default, "required": required}


@contextmanager
def _loose_modules_apart() -> Iterator[None]:
    """Loose modules are loaded anew, and forgotten again: a call later takes what their files say then."""

    def take() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name == USER_MODULES or name.startswith(f"{USER_MODULES}.")]
        return {name: sys.modules.pop(name) for name in names}

    loaded, writes_byte_code = take(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_byte_code
        take()
        sys.modules.update(loaded)


def _problem(target: str) -> str | None:
    target = target.strip()
    name, _, attribute = target.rpartition(".")
    if not name or not attribute or name.startswith("."):
        return f"target `{target}` does not resolve: it is not a dotted path such as `package.module.function`"
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            return f"target `{target}` does not resolve: {_no_module(error.name)}"
        return _does_not_import(target, name, error)
    except (Exception, SystemExit) as error:
        return _does_not_import(target, name, error)
    module = sys.modules[name]
    if not hasattr(module, attribute):
        is_loose = name.partition(".")[0] == USER_MODULES
        return None if _is_newer(module) and not is_loose else f"target `{target}` does not resolve: module `{name}` has no `{attribute}`"
    function = getattr(module, attribute)
    if not callable(function) or inspect.ismodule(function):
        return f"target `{target}` does not resolve: it is not callable, but {type(function).__name__}"
    if not inspect.isfunction(function):
        try:
            inspect.getfile(function)
        except (TypeError, OSError):
            return f"target `{target}` does not resolve: it is {_kind(function)}, not a function written in Python; wrap it in one"
    return None


def _no_module(name: str) -> str:
    parent, _, child = name.rpartition(".")
    found = getattr(sys.modules.get(parent), child, None) if parent else None
    if found is None:
        return f"there is no module `{name}`"
    return f"`{name}` is {_kind(found)}, not a module; a target names a function of a module"


def _kind(found: object) -> str:
    if inspect.isclass(found):
        return "a built-in class" if found.__module__ == "builtins" else "a class"
    return "a built-in function" if inspect.isbuiltin(found) else f"an object of type {type(found).__name__}"


def _does_not_import(target: str, name: str, error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"target `{target}` does not resolve: module `{name}` does not import: {type(error).__name__}: {text}"


def _is_newer(module: object) -> bool:
    """Whether the file was changed after this process loaded it: then a run sees more than we do."""
    path = getattr(module, "__file__", None)
    try:
        changed = os.stat(path).st_mtime if isinstance(path, str) else 0.0
    except OSError:
        return False
    return changed > time.time() - _age()


def _age() -> float:
    """Seconds since this process began."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        begun = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0]) - begun
