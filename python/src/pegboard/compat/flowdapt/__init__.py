"""What Flowdapt plugins import, provided by Pegboard. Installed as the top-level package `flowdapt`."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.52"
