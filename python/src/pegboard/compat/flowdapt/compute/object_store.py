"""Values by key: in cluster memory, as artifacts, or in whichever of the two can be had."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Final

from ..lib.config import get_configuration
from ..lib.logger import get_logger
from ..lib.serializers import CloudPickleSerializer, Serializer
from .artifacts import Artifact, check_if_artifact_exists, get_artifact
from .artifacts.recorded import load_recorded
from .cluster_memory import (
    check_for_key_in_cluster_memory,
    delete_from_cluster_memory,
    get_from_cluster_memory,
    put_in_cluster_memory,
)

__all__ = ["Strategy", "default_load_hook", "default_save_hook", "delete", "exists", "get", "put"]

OBJECT_FILE: Final = "object"
SaveHook = Callable[[Artifact, Any], Any]
LoadHook = Callable[[Artifact], Any]
logger = get_logger(__name__)


class Strategy(str, Enum):
    FALLBACK = "fallback"
    ARTIFACT = "artifact"
    CLUSTER_MEMORY = "cluster_memory"


def default_save_hook(serializer: type[Serializer] = CloudPickleSerializer) -> SaveHook:
    """Writes one file `object`."""

    def save(artifact: Artifact, value: Any) -> None:
        artifact.get_file(OBJECT_FILE, create=True).write(serializer.dumps(value))
        artifact.set_meta("value_type", "object")

    return save


def default_load_hook(serializer: type[Serializer] = CloudPickleSerializer) -> LoadHook:
    """Reads the file `object`; an artifact that another hook saved is loaded by the type that it recorded."""

    def load(artifact: Artifact) -> Any:
        if artifact.has_file(OBJECT_FILE):
            return serializer.loads(artifact.get_file(OBJECT_FILE).read())
        found, value = load_recorded(artifact)
        if found:
            return value
        logger.warning(f"Artifact `{artifact.name}` was not saved with the default hook, pass the load hook that belongs to it")
        raise FileNotFoundError(f"Artifact `{artifact.name}` has no `{OBJECT_FILE}` file")

    return load


def put(
    key: str,
    value: Any,
    *,
    namespace: str = "",
    artifact_only: bool = False,
    strategy: Strategy | str | None = None,
    executor: str | None = None,
    save_artifact_hook: SaveHook | None = None,
    cluster_memory_params: dict[str, Any] | None = None,
    artifact_params: dict[str, Any] | None = None,
) -> Any:
    """Stores a value. With `fallback` it goes to cluster memory, or to an artifact when that fails."""
    chosen = _strategy(strategy, artifact_only)
    if chosen != Strategy.ARTIFACT:
        try:
            return put_in_cluster_memory(key, value, namespace=namespace, backend=executor, **(cluster_memory_params or {}))
        except Exception:
            if chosen == Strategy.CLUSTER_MEMORY:
                raise
    hook = save_artifact_hook or default_save_hook()
    hook(get_artifact(key, namespace, create=True, **(artifact_params or {})), value)
    return None


def get(
    key: str,
    *,
    namespace: str = "",
    artifact_only: bool = False,
    strategy: Strategy | str | None = None,
    executor: str | None = None,
    load_artifact_hook: LoadHook | None = None,
    cluster_memory_params: dict[str, Any] | None = None,
    artifact_params: dict[str, Any] | None = None,
) -> Any:
    """A value. A missing one is a `KeyError` in cluster memory and a `FileNotFoundError` otherwise."""
    chosen = _strategy(strategy, artifact_only)
    if chosen != Strategy.ARTIFACT:
        try:
            return get_from_cluster_memory(key, namespace=namespace, backend=executor, **(cluster_memory_params or {}))
        except Exception:
            if chosen == Strategy.CLUSTER_MEMORY:
                raise
    hook = load_artifact_hook or default_load_hook()
    return hook(get_artifact(key, namespace, **(artifact_params or {})))


def delete(
    key: str,
    *,
    namespace: str = "",
    artifact_only: bool = False,
    strategy: Strategy | str | None = None,
    executor: str | None = None,
    cluster_memory_params: dict[str, Any] | None = None,
    artifact_params: dict[str, Any] | None = None,
) -> None:
    """Removes a value; a missing one is no error. With `fallback` an artifact goes only when cluster memory fails."""
    chosen = _strategy(strategy, artifact_only)
    if chosen != Strategy.ARTIFACT:
        try:
            delete_from_cluster_memory(key, namespace=namespace, backend=executor, **(cluster_memory_params or {}))
            return
        except Exception:
            if chosen == Strategy.CLUSTER_MEMORY:
                raise
    get_artifact(key, namespace, create=True, **(artifact_params or {})).delete()


def exists(
    key: str,
    *,
    namespace: str = "",
    artifact_only: bool = False,
    strategy: Strategy | str | None = None,
    executor: str | None = None,
    cluster_memory_params: dict[str, Any] | None = None,
    artifact_params: dict[str, Any] | None = None,
) -> bool:
    """Whether there is a value. Artifacts count with every strategy."""
    chosen = _strategy(strategy, artifact_only)
    if chosen == Strategy.ARTIFACT:
        return check_if_artifact_exists(key, namespace, **(artifact_params or {}))
    with suppress(Exception):
        if check_for_key_in_cluster_memory(key, namespace=namespace, backend=executor, **(cluster_memory_params or {})):
            return True
    try:
        return check_if_artifact_exists(key, namespace, **(artifact_params or {}))
    except ValueError:
        # A key that no artifact can have.
        return False


def _strategy(strategy: Strategy | str | None, artifact_only: bool) -> Strategy:
    if artifact_only:
        logger.warning("`artifact_only` is deprecated, use `strategy='artifact'`")
        return Strategy.ARTIFACT
    if strategy is None:
        strategy = get_configuration().services.compute.default_os_strategy
    try:
        return Strategy(strategy)
    except ValueError:
        return Strategy.FALLBACK
