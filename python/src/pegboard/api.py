"""What plugin authors import. Standard library only; usable at import time and, with defaults, outside of Pegboard."""

from __future__ import annotations

import sys
from typing import Any, Final, final

from pegboard._errors import Cancelled
from pegboard._run import ActiveRun, Server, active_run, connection

__all__ = ["Cancelled", "Memory", "Run", "current_run", "log", "memory", "progress"]


@final
class Run:
    """The run that the current call is part of. What it gives are copies: changing them changes nothing."""

    __slots__ = ("_active",)

    def __init__(self, active: ActiveRun) -> None:
        self._active = active

    @property
    def id(self) -> str:
        return self._active.context.id

    @property
    def stage(self) -> str:
        """Name of the stage that is on."""
        return self._active.stage

    @property
    def input(self) -> dict[str, Any]:
        """The run's whole input, also for stages with dependencies."""
        return self._active.context.input()

    @property
    def config(self) -> dict[str, Any]:
        """The merged configuration."""
        return self._object("config")

    @property
    def namespace(self) -> str:
        return str(self._active.body.get("namespace") or "default")

    @property
    def executor(self) -> str:
        return str(self._active.body.get("executor") or "local")

    @property
    def definition(self) -> dict[str, Any]:
        """The workflow as it was when the run began."""
        return self._object("definition")

    @property
    def record(self) -> dict[str, Any]:
        """The run itself: uid, name, workflow, source, state, times."""
        return self._object("run")

    @property
    def storage(self) -> dict[str, Any]:
        """Where artifacts are: `protocol` and `base_path`."""
        return self._object("storage")

    @property
    def configuration(self) -> dict[str, Any]:
        """What the server says of its own configuration, in the dialect's words; empty when it says nothing."""
        return self._object("configuration")

    @property
    def derived(self) -> dict[str, Any]:
        """A place for what an API makes of this call, by the API's name. Ends with the call."""
        return self._active.derived

    def _object(self, key: str) -> dict[str, Any]:
        found = self._active.body.get(key)
        return found if isinstance(found, dict) else {}


def current_run() -> Run | None:
    """The run of the current call; None outside of one, and in threads that plugin code started itself."""
    active = active_run.get()
    return None if active is None else Run(active)


def log(level: str, text: str) -> None:
    """One line in the run's log. Levels: debug, info, warning, error, critical. Outside of a worker it goes to standard error."""
    server = connection.server
    if server is None:
        sys.stderr.write(f"[{level}] {text}\n")
    else:
        server.log(level, text)


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Says how far the current call is. Outside of a worker nothing happens."""
    if connection.server is not None:
        connection.server.progress(done, total, message)


@final
class Memory:
    """Values that all runs and workers of the server share, by namespace and key. Any picklable value; the last writer wins."""

    def put(self, key: str, value: object, *, namespace: str = "default") -> None:
        _server().put(namespace, key, value)

    def get(self, key: str, *, namespace: str = "default") -> Any:
        """`KeyError` when there is none."""
        found, value = _server().ask("memory_get", namespace, key)
        if not found:
            raise KeyError(key)
        return value

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        return _server().ask("memory_exists", namespace, key)[0]

    def delete(self, key: str, *, namespace: str = "default") -> bool:
        """Whether there was one."""
        return _server().ask("memory_delete", namespace, key)[0]

    def clear(self, *, namespace: str = "default") -> None:
        _server().ask("memory_clear", namespace, "")


memory: Final = Memory()


def _server() -> Server:
    if connection.server is None:
        raise RuntimeError("there is no server: this process is not a worker of Pegboard")
    return connection.server
