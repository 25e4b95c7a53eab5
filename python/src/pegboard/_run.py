"""What code of a plugin can reach while a call is on: the run, and the way to the server.

The run is a context variable: visible in what the stage calls and in coroutines that it awaits, not in threads that it starts.
"""

from __future__ import annotations

import pickle
from contextvars import ContextVar
from typing import Any, Final, Protocol


class Server(Protocol):
    """What the worker host offers to the APIs."""

    def log(self, level: str, text: str) -> None: ...
    def progress(self, done: float, total: float | None, message: str) -> None: ...
    def put(self, namespace: str, key: str, value: object) -> None: ...
    def ask(self, method: str, namespace: str, key: str) -> tuple[bool, object]: ...


class RunContext:
    """The context of one run, kept as long as calls of it come. Every reader gets a copy of his own."""

    __slots__ = ("_body", "_input", "_pickled", "id")

    def __init__(self, identity: str, body: dict[str, Any]) -> None:
        self.id = identity
        self._body = body
        found = body.get("input")
        self._input = pickle.dumps(found if isinstance(found, dict) else {}, 5)
        self._pickled: bytes | None = None

    def input(self) -> dict[str, Any]:
        return pickle.loads(self._input)  # type: ignore[no-any-return]

    def body(self) -> dict[str, Any]:
        if self._pickled is None:
            self._pickled = pickle.dumps(self._body, 5)
        return pickle.loads(self._pickled)  # type: ignore[no-any-return]


class ActiveRun:
    """One call and the run that it is part of."""

    __slots__ = ("_body", "context", "derived", "stage")

    def __init__(self, context: RunContext, stage: str) -> None:
        self.context = context
        self.stage = stage
        self._body: dict[str, Any] | None = None
        # What APIs made of it, by their name.
        self.derived: dict[str, Any] = {}

    @property
    def body(self) -> dict[str, Any]:
        if self._body is None:
            self._body = self.context.body()
        return self._body


active_run: Final[ContextVar[ActiveRun | None]] = ContextVar("pegboard_active_run", default=None)
# Id of the session that a remote plugin's callback works on.
active_session: Final[ContextVar[str | None]] = ContextVar("pegboard_active_session", default=None)


class _Connection:
    __slots__ = ("server",)

    def __init__(self) -> None:
        self.server: Server | None = None


# Set by the host when it starts; empty outside of a worker.
connection: Final = _Connection()
