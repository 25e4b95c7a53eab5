"""Values that all runs and workers share, by namespace and key."""

from __future__ import annotations

import pickle
import threading
from abc import ABC, abstractmethod
from typing import Any, Final

from pegboard import api
from pegboard._run import connection

from ..resources.workflow.context import get_run_context

__all__ = [
    "ClusterMemory",
    "LocalClusterMemory",
    "check_for_key_in_cluster_memory",
    "delete_from_cluster_memory",
    "get_cluster_memory_backend",
    "get_from_cluster_memory",
    "put_in_cluster_memory",
]


class ClusterMemory(ABC):
    """What a backend does. A missing key is a `KeyError` on `get`, and no error on `delete`."""

    @abstractmethod
    def get(self, key: str, *, namespace: str = "default") -> Any: ...
    @abstractmethod
    def put(self, key: str, value: Any, *, namespace: str = "default") -> Any: ...
    @abstractmethod
    def delete(self, key: str, *, namespace: str = "default") -> None: ...
    @abstractmethod
    def clear(self) -> None: ...
    @abstractmethod
    def exists(self, key: str, *, namespace: str = "default") -> bool: ...


class LocalClusterMemory(ClusterMemory):
    """In the server. Without one, as in tests of a plugin, in this process."""

    def __init__(self, **options: Any) -> None:
        pass

    def get(self, key: str, *, namespace: str = "default") -> Any:
        if connection.server is not None:
            return api.memory.get(key, namespace=namespace)
        with _own_lock:
            return pickle.loads(_own[namespace, key]) if (namespace, key) in _own else _missing(key)

    def put(self, key: str, value: Any, *, namespace: str = "default") -> str:
        if connection.server is not None:
            api.memory.put(key, value, namespace=namespace)
        else:
            with _own_lock:
                _own[namespace, key] = pickle.dumps(value, 5)
        return "OK"

    def delete(self, key: str, *, namespace: str = "default") -> None:
        if connection.server is not None:
            api.memory.delete(key, namespace=namespace)
        else:
            with _own_lock:
                _own.pop((namespace, key), None)

    def clear(self) -> None:
        if connection.server is not None:
            api.memory.clear(namespace=get_run_context().namespace)
        else:
            with _own_lock:
                _own.clear()

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        if connection.server is not None:
            return api.memory.exists(key, namespace=namespace)
        with _own_lock:
            return (namespace, key) in _own


_own: Final[dict[tuple[str, str], bytes]] = {}
_own_lock: Final = threading.Lock()


def _missing(key: str) -> Any:
    raise KeyError(key)


def get_cluster_memory_backend(backend: str, **options: Any) -> ClusterMemory:
    """`local`; `KeyError` for names that are no backend."""
    if backend in ("ray", "dask"):
        raise RuntimeError(f"cluster memory `{backend}` needs a run on that executor")
    return {"local": LocalClusterMemory}[backend](**options)


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
