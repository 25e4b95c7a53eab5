"""What Workbench dashboard plugins import, provided by Pegboard. Installed as the top-level package `workbench`."""

from __future__ import annotations

from .utils.log_levels import install

__all__ = ["__version__"]

__version__ = "0.8.466"

install()
