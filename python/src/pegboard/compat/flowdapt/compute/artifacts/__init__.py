"""Artifacts: what runs leave behind, by namespace and name. Where they are is said by the server."""

from __future__ import annotations

from typing import Any

from .interface import NAME, Artifact, ArtifactFile
from .place import locate, place

__all__ = ["Artifact", "ArtifactFile", "check_if_artifact_exists", "get_artifact", "list_artifacts", "new_artifact"]


def get_artifact(
    name: str, namespace: str = "", protocol: str = "", base_path: str = "", *, create: bool = False, **params: Any
) -> Artifact:
    """An artifact that is there, or a new one with `create`; `FileNotFoundError` otherwise."""
    artifact = locate(name, namespace, protocol, base_path, params)
    if not artifact.exists:
        if not create:
            raise FileNotFoundError(f"No Artifact existing in namespace `{artifact.namespace}` with the path `{name}`")
        artifact.create()
    return artifact


def new_artifact(name: str, namespace: str = "", protocol: str = "", base_path: str = "", **params: Any) -> Artifact:
    """An artifact that was not there; `FileExistsError` when it was."""
    assert name, "Artifact name must be given"
    artifact = locate(name, namespace, protocol, base_path, params)
    if artifact.exists:
        raise FileExistsError(f"Artifact `{name}` already exists in namespace `{artifact.namespace}`")
    artifact.create()
    return artifact


def list_artifacts(namespace: str = "", protocol: str = "", base_path: str = "", **params: Any) -> list[Artifact]:
    """Those of a namespace, sorted by name."""
    found = place(namespace, protocol, base_path, params)
    try:
        names = found.files.names(found.folder)
    except FileNotFoundError:
        return []
    artifacts = [found.artifact(name) for name in names if NAME.fullmatch(name)]
    return [artifact for artifact in artifacts if artifact.exists]


def check_if_artifact_exists(name: str, namespace: str = "", protocol: str = "", base_path: str = "", **params: Any) -> bool:
    return locate(name, namespace, protocol, base_path, params).exists
