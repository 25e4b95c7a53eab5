"""The cluster memory of the local executor: the server's."""

from __future__ import annotations

from typing import Any

from pegboard import api
from pegboard._run import connection

from ...lib.serializers import CloudPickleSerializer
from ..resources.workflow.context import get_run_context
from .base import ClusterMemory
from .store import chosen_store

__all__ = ["LocalClusterMemory"]


class LocalClusterMemory(ClusterMemory):
    """In the server. Without one, as in tests of a plugin, with the executor that runs the stage."""

    def __init__(self, **options: Any) -> None:
        """Takes what the original's takes; there is nothing to choose."""

    def get(self, key: str, *, namespace: str = "default") -> Any:
        if connection.server is not None:
            return api.memory.get(key, namespace=namespace)
        found = chosen_store().get(namespace, key)
        if found is None:
            raise KeyError(key)
        return CloudPickleSerializer.loads(found)

    def put(self, key: str, value: Any, *, namespace: str = "default") -> str:
        if connection.server is not None:
            api.memory.put(key, value, namespace=namespace)
        else:
            chosen_store().put(namespace, key, CloudPickleSerializer.dumps(value))
        return "OK"

    def delete(self, key: str, *, namespace: str = "default") -> None:
        if connection.server is not None:
            api.memory.delete(key, namespace=namespace)
        else:
            chosen_store().delete(namespace, key)

    def clear(self) -> None:
        if connection.server is not None:
            api.memory.clear(namespace=get_run_context().namespace)
        else:
            chosen_store().clear()

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        if connection.server is not None:
            return api.memory.exists(key, namespace=namespace)
        return chosen_store().exists(namespace, key)
