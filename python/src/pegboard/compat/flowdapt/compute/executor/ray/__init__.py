"""Ray. A server drives a cluster with `flow.executor.target`; these classes are for scripts and tests, and for stages."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

from pegboard._ray import RayCluster, RayMemory

from ...cluster_memory.base import ClusterMemory
from .._cluster import ClusterExecutor

__all__ = ["ExecuteStrategy", "RayClusterMemory", "RayExecutor"]


class ExecuteStrategy(str, Enum):
    """Taken and not needed: every stage starts as soon as it can."""

    GROUP_BY_GROUP = "group_by_group"
    ALL_AT_ONCE = "all_at_once"


class RayExecutor(ClusterExecutor):
    kind: ClassVar[str] = "ray"

    def __init__(self, **options: Any) -> None:
        super().__init__(RayCluster(options))


class RayClusterMemory(ClusterMemory):
    """Any picklable value, in Ray's object store; the keys are in a detached actor."""

    def __init__(self, **options: Any) -> None:
        self._memory = RayMemory(options)

    def get(self, key: str, *, namespace: str = "default") -> Any:
        return self._memory.get(namespace, key)

    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        self._memory.put(namespace, key, value)

    def delete(self, key: str, *, namespace: str = "default") -> None:
        self._memory.delete(namespace, key)

    def clear(self) -> None:
        self._memory.clear(None)

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        return self._memory.exists(namespace, key)
