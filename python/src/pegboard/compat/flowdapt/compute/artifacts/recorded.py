"""Loads an artifact by the type that the hook which saved it has recorded."""

from __future__ import annotations

from typing import Any

from .dataset import array_from_artifact, dataframe_from_artifact
from .interface import Artifact
from .misc import json_from_artifact, pickle_from_artifact

__all__ = ["load_recorded"]


def load_recorded(artifact: Artifact) -> tuple[bool, Any]:
    """Whether the type is one that can be told from its files, and the value."""
    kind = artifact.get_meta("value_type") or ""
    names = [file.name for file in artifact.list_files()]
    if kind in ("json", "pickle") and len(names) == 1:
        stem = names[0].rpartition(".")[0]
        return True, (json_from_artifact(stem) if kind == "json" else pickle_from_artifact(stem))(artifact)
    parts = [name for name in names if name.startswith("partition-")]
    if parts and kind.endswith(".DataFrame"):
        return True, dataframe_from_artifact(parts[0].rpartition(".")[2])(artifact)
    if parts and kind == "numpy.ndarray":
        return True, array_from_artifact()(artifact)
    return False, None
