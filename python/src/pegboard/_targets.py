"""Asked by the server when a workflow is stored: which of its targets would not resolve.

It runs in a worker of the plugin, like a stage. What resolves says nothing; the rest is raised, one line for each.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Iterable

__all__ = ["UnresolvedTargets", "check"]


class UnresolvedTargets(Exception):
    """One line for each target that does not resolve."""


def check(targets: Iterable[str]) -> None:
    """Raises `UnresolvedTargets` when there are such."""
    problems = [problem for problem in map(_problem, targets) if problem is not None]
    if problems:
        raise UnresolvedTargets("\n".join(problems))


def _problem(target: str) -> str | None:
    name, _, attribute = target.rpartition(".")
    if not name or not attribute or name.startswith("."):
        return f"target `{target}` does not resolve: it is not a dotted path such as `package.module.function`"
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            return f"target `{target}` does not resolve: there is no module `{error.name}`"
        return _does_not_import(target, name, error)
    except (Exception, SystemExit) as error:
        return _does_not_import(target, name, error)
    module = sys.modules[name]
    if not hasattr(module, attribute):
        return None if _is_newer(module) else f"target `{target}` does not resolve: module `{name}` has no `{attribute}`"
    function = getattr(module, attribute)
    if not callable(function) or inspect.ismodule(function):
        return f"target `{target}` does not resolve: it is not callable, but {type(function).__name__}"
    return None


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
