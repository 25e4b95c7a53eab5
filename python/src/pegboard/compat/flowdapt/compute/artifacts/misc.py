"""Hooks that keep one value in one file, as JSON or as a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ...lib.serializers import CloudPickleSerializer
from .interface import Artifact

__all__ = ["json_from_artifact", "json_to_artifact", "pickle_from_artifact", "pickle_to_artifact"]


def json_to_artifact(name: str = "file") -> Callable[[Artifact, Any], None]:
    def save(artifact: Artifact, value: Any) -> None:
        artifact.get_file(f"{name}.json", create=True).write(json.dumps(value, indent=4))
        artifact.set_meta("value_type", "json")

    return save


def json_from_artifact(name: str = "file") -> Callable[[Artifact], Any]:
    def load(artifact: Artifact) -> Any:
        found = artifact.get_meta("value_type")
        assert found == "json", f"Artifact `{artifact.name}` holds `{found}`, not json"
        return json.loads(artifact.get_file(f"{name}.json").read())

    return load


def pickle_to_artifact(name: str = "file") -> Callable[[Artifact, Any], None]:
    def save(artifact: Artifact, value: Any) -> None:
        artifact.get_file(f"{name}.pkl", create=True).write(CloudPickleSerializer.dumps(value))
        artifact.set_meta("value_type", "pickle")

    return save


def pickle_from_artifact(name: str = "file") -> Callable[[Artifact], Any]:
    def load(artifact: Artifact) -> Any:
        found = artifact.get_meta("value_type")
        assert found == "pickle", f"Artifact `{artifact.name}` holds `{found}`, not pickle"
        return CloudPickleSerializer.loads(artifact.get_file(f"{name}.pkl").read())

    return load
