"""Pegboard for plugin authors. What authors import is in `pegboard.api`."""

from __future__ import annotations

from pegboard._version import __version__

__all__ = ["__version__"]
