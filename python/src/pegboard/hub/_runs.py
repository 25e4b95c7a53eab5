"""One run that this process works on."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard._errors import Cancelled
from pegboard._run import active_session
from pegboard.hub import _logs
from pegboard.hub._payload import Payload
from pegboard.hub._plugins import Plugin, Result, arguments

if TYPE_CHECKING:
    from pegboard.hub._client import Client

T = TypeVar("T")


class ActiveRun:
    """From the moment when it arrives until the hub has confirmed its result. Its methods may be called in any thread."""

    def __init__(self, client: Client, plugin: Plugin[Any], values: Mapping[str, Any]) -> None:
        self._client = client
        self._plugin = plugin
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._progress: tuple[float, float | None, str] | None = None
        self._callback: asyncio.Task[Any] | None = None
        self.session = str(values.get("session") or "")
        self.acknowledgements: list[tuple[int, int]] = []
        """Events that asked for one: connection and id."""
        self.is_over = False
        """What it ended with is on its way."""
        self.host = plugin.host or client.host
        self.payload: Payload = plugin.payload(values, self)
        self._said = {"organization": self.payload.organization_id, "pluginId": plugin.id, "runBy": self.payload.run_by}

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Asks the callback to stop: a coroutine is cancelled where it waits, a function sees it at its next check."""
        self._cancelled.set()
        if self._callback is not None:
            self._callback.cancel()

    def log(self, level: str, text: str, fields: Mapping[str, Any]) -> None:
        self._client.line({**fields, "level": level, **self._said, "session": self.session, "msg": text})

    def progress(self, done: float, total: float | None, message: str) -> None:
        with self._lock:
            is_first = self._progress is None
            self._progress = (done, total, message)
        if is_first:
            self._client.progressed(self)

    def take_progress(self) -> tuple[float, float | None, str] | None:
        """What was said last, once."""
        with self._lock:
            said, self._progress = self._progress, None
        return said

    async def execute(self) -> Result:
        """Prepares, calls, finishes. Raises what the callback raises."""
        plugin, payload = self._plugin, self.payload
        _logs.current.set(payload)
        active_session.set(self.session or None)
        try:
            payload.check_cancelled()
            if not inspect.iscoroutinefunction(plugin.callback):
                value = await in_thread(self._whole, self.session)
                if not inspect.isawaitable(value):
                    result: Result = value
                    return result
            else:
                await in_thread(lambda: plugin.prepare(payload), self.session)
                positional, named = arguments(plugin, payload)
                value = plugin.callback(*positional, **named)
            answer = await self._awaited(value)
            return await in_thread(lambda: plugin.finish(payload, answer), self.session)
        finally:
            plugin.release(payload)

    def _whole(self) -> Any:
        """All of a run with a plain callback, in one thread. An awaitable that the callback returns is given back."""
        self._plugin.prepare(self.payload)
        positional, named = arguments(self._plugin, self.payload)
        value = self._plugin.callback(*positional, **named)
        if inspect.isawaitable(value):
            return value
        return self._plugin.finish(self.payload, value)

    async def _awaited(self, value: Any) -> Any:
        self._callback = asyncio.ensure_future(value)
        if self.is_cancelled:
            self._callback.cancel()
        try:
            return await self._callback
        except asyncio.CancelledError:
            if self.is_cancelled:
                raise Cancelled("the run was cancelled") from None
            raise


async def in_thread(function: Callable[[], T], name: str) -> T:
    """Calls it in a thread of its own that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]

    def work() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = context.run(function)
        except StopIteration as stopped:
            # A future cannot hold one.
            error = RuntimeError("the callback raised StopIteration")
            error.__cause__ = stopped
        except BaseException as raised:
            error = raised
        # Nobody waits any more when the loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=work, name=f"run-{name}", daemon=True).start()
    return await future
