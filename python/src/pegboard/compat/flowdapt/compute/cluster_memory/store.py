"""Shared values outside of a server: in this process, or in the one that started this worker process.

Values are kept pickled, so that every reader gets a copy of his own, as he does from the server.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["ClientStore", "ProcessStore", "Store", "StoreServer", "chosen_store", "serve_from", "using"]

Address = tuple[str, bytes]


class Store(Protocol):
    """Pickled values by namespace and key."""

    def put(self, namespace: str, key: str, value: bytes) -> None: ...
    def get(self, namespace: str, key: str) -> bytes | None: ...
    def exists(self, namespace: str, key: str) -> bool: ...
    def delete(self, namespace: str, key: str) -> None: ...
    def clear(self) -> None: ...
    def size(self) -> int: ...


class ProcessStore:
    """In this process. Any thread."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], bytes] = {}

    def put(self, namespace: str, key: str, value: bytes) -> None:
        self._values[namespace, key] = value

    def get(self, namespace: str, key: str) -> bytes | None:
        return self._values.get((namespace, key))

    def exists(self, namespace: str, key: str) -> bool:
        return (namespace, key) in self._values

    def delete(self, namespace: str, key: str) -> None:
        self._values.pop((namespace, key), None)

    def clear(self) -> None:
        self._values.clear()

    def size(self) -> int:
        return len(self._values)


class StoreServer:
    """Offers a store to processes that know its address, over a Unix socket in a private folder."""

    def __init__(self, store: Store) -> None:
        # Here and below: a worker of the server never needs these, and its start counts.
        import secrets
        from multiprocessing.connection import Listener

        self._store = store
        self._key = secrets.token_bytes(32)
        self._listener = Listener(None, "AF_UNIX", authkey=self._key)
        self._closing = False
        threading.Thread(target=self._accept, name="cluster memory", daemon=True).start()

    @property
    def address(self) -> Address:
        return str(self._listener.address), self._key

    def close(self) -> None:
        from multiprocessing.connection import Client

        self._closing = True
        # Wakes the thread that accepts.
        with suppress(OSError, EOFError), Client(self.address[0], "AF_UNIX", authkey=self._key):
            pass
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection = self._listener.accept()
            except Exception:  # a client that has gone, or does not know the key
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection[Any, Any]) -> None:
        with connection, suppress(EOFError, OSError):
            while True:
                method, arguments = connection.recv()
                connection.send(getattr(self._store, method)(*arguments))


class ClientStore:
    """The store behind an address. One connection per thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._local = threading.local()

    def put(self, namespace: str, key: str, value: bytes) -> None:
        self._ask("put", namespace, key, value)

    def get(self, namespace: str, key: str) -> bytes | None:
        found = self._ask("get", namespace, key)
        return None if found is None else bytes(found)

    def exists(self, namespace: str, key: str) -> bool:
        return bool(self._ask("exists", namespace, key))

    def delete(self, namespace: str, key: str) -> None:
        self._ask("delete", namespace, key)

    def clear(self) -> None:
        self._ask("clear")

    def size(self) -> int:
        return int(self._ask("size"))

    def _ask(self, method: str, *arguments: Any) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            from multiprocessing.connection import Client

            connection = self._local.connection = Client(self._address[0], "AF_UNIX", authkey=self._address[1])
        connection.send((method, arguments))
        return connection.recv()


# Of this process, for code that runs in no executor's stage.
_of_process: Store = ProcessStore()
_of_executor: Final[ContextVar[Store | None]] = ContextVar("flowdapt_store", default=None)


def chosen_store() -> Store:
    """That of the executor whose stage is on, else that of the process."""
    return _of_executor.get() or _of_process


def serve_from(address: Address) -> None:
    """From now on this process keeps its values behind an address."""
    global _of_process  # noqa: PLW0603
    _of_process = ClientStore(address)


@contextmanager
def using(store: Store | None) -> Iterator[None]:
    """Inside the block this thread's values are in a store."""
    token = _of_executor.set(store)
    try:
        yield
    finally:
        _of_executor.reset(token)
