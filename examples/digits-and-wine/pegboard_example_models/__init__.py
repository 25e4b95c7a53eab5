"""Digits and wine: an example of a plugin package.

The stages are in `stages`, what they do is in `data`, `models` and `scores`, and the workflow that joins them is the data
file `workflows/train.yaml`. The entry point names this module; it imports the stages, so that a mistake in one of them is
found when the plugin is loaded, not in the middle of a run.
"""

from __future__ import annotations

from . import stages

__all__ = ["__version__", "stages"]

__version__ = "1.0.0"
