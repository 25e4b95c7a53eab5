"""Values that all runs and workers share, by namespace and key."""

from __future__ import annotations

import importlib
from typing import Any, Final

from ..resources.workflow.context import get_run_context
from .base import ClusterMemory
from .local import LocalClusterMemory

__all__ = [
    "ClusterMemory",
    "LocalClusterMemory",
    "check_for_key_in_cluster_memory",
    "delete_from_cluster_memory",
    "get_cluster_memory_backend",
    "get_from_cluster_memory",
    "put_in_cluster_memory",
]

# Kind of executor to module and class.
BACKENDS: Final = {
    "local": (".local", "LocalClusterMemory"),
    "ray": ("..executor.ray", "RayClusterMemory"),
    "dask": ("..executor.dask", "DaskClusterMemory"),
}


def get_cluster_memory_backend(backend: str, **options: Any) -> ClusterMemory:
    """The cluster memory of an executor's kind; `KeyError` for names that are no backend."""
    module, name = BACKENDS[backend]
    made: ClusterMemory = getattr(importlib.import_module(module, __package__), name)(**options)
    return made


def _backend(backend: str | None, options: dict[str, Any]) -> ClusterMemory:
    return get_cluster_memory_backend(backend or get_run_context().executor, **options)


def put_in_cluster_memory(key: str, value: Any, *, namespace: str = "", backend: str | None = None, **options: Any) -> Any:
    return _backend(backend, options).put(key, value, namespace=namespace or get_run_context().namespace)


def get_from_cluster_memory(key: str, *, namespace: str = "", backend: str | None = None, **options: Any) -> Any:
    return _backend(backend, options).get(key, namespace=namespace or get_run_context().namespace)


def delete_from_cluster_memory(key: str, *, namespace: str = "", backend: str | None = None, **options: Any) -> None:
    _backend(backend, options).delete(key, namespace=namespace or get_run_context().namespace)


def check_for_key_in_cluster_memory(key: str, *, namespace: str = "", backend: str | None = None, **options: Any) -> bool:
    return _backend(backend, options).exists(key, namespace=namespace or get_run_context().namespace)
