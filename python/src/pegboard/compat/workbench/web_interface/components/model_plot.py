"""Where `ModelPlot` was until it became a plugin of its own: in the form of that time, one figure."""

from __future__ import annotations

from .former.model_plot import ModelPlot

__all__ = ["ModelPlot"]
