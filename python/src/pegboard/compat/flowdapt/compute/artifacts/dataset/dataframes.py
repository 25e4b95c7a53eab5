"""The two frame hooks, under the path that some plugins import them from."""

from __future__ import annotations

from . import dataframe_from_artifact, dataframe_to_artifact

__all__ = ["dataframe_from_artifact", "dataframe_to_artifact"]
