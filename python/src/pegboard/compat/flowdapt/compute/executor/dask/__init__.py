"""Dask. A server drives a cluster with `flow.executor.target`; these classes are for scripts and tests, and for stages."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pegboard._dask import DaskCluster, DaskMemory

from ...cluster_memory.base import ClusterMemory
from .._cluster import ClusterExecutor

__all__ = ["DaskClusterMemory", "DaskExecutor"]

# Package and class of the values that Dask keeps well.
KEPT: Final = {
    ("pandas", "DataFrame"),
    ("pandas", "Series"),
    ("numpy", "ndarray"),
    ("dask", "DataFrame"),
    ("dask", "Series"),
    ("dask", "Array"),
}


class DaskExecutor(ClusterExecutor):
    kind: ClassVar[str] = "dask"

    def __init__(self, **options: Any) -> None:
        super().__init__(DaskCluster(options))


class DaskClusterMemory(ClusterMemory):
    """Frames and arrays, held by the workers. For other values the object store falls back to an artifact."""

    def __init__(self, **options: Any) -> None:
        """Takes what the original's takes; there is nothing to choose."""
        self._memory = DaskMemory()

    def get(self, key: str, *, namespace: str = "default") -> Any:
        return self._memory.get(namespace, key)

    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        kind = type(value)
        if (kind.__module__.partition(".")[0].partition("_")[0], kind.__name__) not in KEPT:
            raise ValueError(f"the memory of a dask cluster keeps frames and arrays, not `{kind.__name__}`")
        self._memory.put_object(namespace, key, value)

    def delete(self, key: str, *, namespace: str = "default") -> None:
        self._memory.delete(namespace, key)

    def clear(self) -> None:
        self._memory.clear(None)

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        return self._memory.exists(namespace, key)
