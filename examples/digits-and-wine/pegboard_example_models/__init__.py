"""Digits and wine: an example of a plugin package.

The stages are in `stages`, what they do is in `data`, `models` and `scores`, and the workflow that
joins them is the data file `workflows/train.yaml`.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "1.0.0"
