"""Packages that a plugin's environment may lack."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["optional"]


def optional(module: str, distribution: str = "", purpose: str = "") -> Any:
    """The module; an `ImportError` that says what to add when it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        name = distribution or module
        need = f"{purpose} needs `{name}`" if purpose else f"`{name}` is needed"
        raise ImportError(f"{need}, which is not installed: add it to the dependencies of the plugin's package", name=module) from error
