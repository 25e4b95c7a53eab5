"""Where the artifacts of a namespace are, with what the caller leaves out filled in from the run and the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from ...lib.config import get_app_dir, get_configuration
from ..resources.workflow.context import get_run_context
from .files import LOCAL, Files, files_of
from .interface import NAME, Artifact

__all__ = ["Place", "locate", "place"]

# As the server has it when nobody names one.
DEFAULT_APP_DIR: Final = ".flowdapt"


class Place(NamedTuple):
    """One namespace on one file system."""

    namespace: str
    protocol: str
    folder: str
    files: Files

    def artifact(self, name: str) -> Artifact:
        return Artifact(name, self.namespace, f"{self.folder}/{name}", self.protocol, self.files)


def locate(name: str, namespace: str, protocol: str, base_path: str, parameters: dict[str, Any]) -> Artifact:
    """Where an artifact is or would be; empty arguments come from the run."""
    if not NAME.fullmatch(name):
        raise ValueError(f"Artifact `name` can only contain alphanumeric characters, underscores, and hyphens. Got: `{name}`")
    return place(namespace, protocol, base_path, parameters).artifact(name)


def place(namespace: str, protocol: str, base_path: str, parameters: dict[str, Any]) -> Place:
    """Needs a run, even when everything is given."""
    namespace = namespace or get_run_context().namespace
    storage = get_configuration().storage
    protocol = protocol or storage.protocol or "file"
    base_path = base_path or storage.base_path
    if protocol in LOCAL:
        protocol = "file"
        base_path = base_path or str(get_app_dir() or Path.home() / DEFAULT_APP_DIR)
    if namespace in (".", "..") or "/" in namespace or "\0" in namespace:
        raise ValueError(f"`{namespace}` is no name of a namespace")
    # What the configuration says is meant for its own protocol.
    given = {**(storage.parameters if protocol == (storage.protocol or "file") else {}), **parameters}
    folder = f"{base_path.rstrip('/')}/artifacts/{namespace}" if base_path else f"artifacts/{namespace}"
    if protocol == "file":
        folder = str(Path(folder).absolute())
    return Place(namespace, protocol, folder, files_of(protocol, given))
