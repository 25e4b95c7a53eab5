"""Runs the calls: stage, expand, items, encode. Knows no socket: answers leave through the `Sender` that it is given."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

from pegboard._encode import to_json
from pegboard._errors import Cancelled, TargetError, failure_of
from pegboard._loader import Loader, Target
from pegboard._messages import ArgumentShape, ContextReference, Encode, Expand, Invoke, Items, ItemsDone, Stage, dump_json, encode
from pegboard._run import ActiveRun, RunContext, active_run
from pegboard._session import MAX_DESCRIPTORS
from pegboard._values import INLINE, Outgoing, Values, failure_part

if TYPE_CHECKING:
    # Few workers drive an executor; the others start without its modules.
    from pegboard._driver import StageExecutor
    from pegboard._remote import Portable

# Outcomes are sent before the end of the call when there are this many bytes of them, or when they are this old in seconds.
FLUSH_BYTES: Final = 4 << 20
FLUSH_SECONDS: Final = 1.0
# Coroutines of one batch that run side by side.
CONCURRENT: Final = 256


class Sender(Protocol):
    """Sends what has come together so far, and leaves it empty."""

    def __call__(self, header: bytes, outgoing: Outgoing) -> None: ...


class CallState:
    """Which call is on, and whether it may be interrupted.

    The cancel signal's handler raises `Cancelled` in the main thread, but only while plugin code is on and no frame is being written:
    half a frame would end the worker.
    """

    __slots__ = ("_main", "_pending", "_shields", "call", "forked", "interruptible", "requested")

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._shields = 0
        self._pending = False
        self.call = 0
        self.requested = 0
        self.interruptible = False
        # In a child that plugin code forked: it must never talk to the server.
        self.forked = False

    def begin(self, call: int) -> None:
        self.call = call
        self._pending = False

    def on_signal(self) -> None:
        """From the signal handler."""
        if self.interruptible and self.call and self.requested == self.call:
            self.requested = 0
            if self._shields:
                self._pending = True
            else:
                raise Cancelled("the call was cancelled")

    def __enter__(self) -> None:
        """Keeps `Cancelled` away until the end of the block."""
        if threading.get_ident() == self._main:
            self._shields += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if threading.get_ident() == self._main:
            self._shields -= 1
            if self._pending and not self._shields and self.interruptible:
                self._pending = False
                raise Cancelled("the call was cancelled")


class Calls:
    """What a worker can do for the server."""

    def __init__(
        self, values: Values, loader: Loader, state: CallState, send: Sender, leave: Callable[[BaseException | None], None]
    ) -> None:
        self._values = values
        self._loader = loader
        self._state = state
        self._send = send
        # Ends a forked child.
        self._leave = leave
        self._context = RunContext("", {})
        # Set when stages run on a cluster or on an executor of the plugin's own.
        self.executor: StageExecutor | None = None

    def stage(self, message: Stage, parts: Sequence[memoryview], descriptors: Sequence[int], outgoing: Outgoing) -> None:
        """Calls a target once; its result goes into `outgoing`."""
        context = self._enter(message.context)
        target = self._loader.resolve(message.target)
        if self.executor is not None:
            self.executor.stage(message, target, context, self._portable(parts, descriptors), outgoing)
            return
        positional: Sequence[Any] = ()
        keywords: dict[str, Any] = {}
        if message.arguments is None:
            given = context.input() if target.plan.takes_input else {}
            keywords = _binding(lambda: target.plan.bind_input(message.stage, given))
        else:
            loaded = self._arguments(message.arguments, parts, descriptors)
            positional = _binding(lambda: target.plan.bind_dependencies(message.stage, loaded))
        token = active_run.set(ActiveRun(context, message.stage))
        try:
            result = target.function(*positional, **keywords)
            if type(result) is CoroutineType:
                result = asyncio.run(result)
        finally:
            active_run.reset(token)
        if not self._state.forked:
            self._values.dump(result, outgoing)

    def expand(self, message: Expand, parts: Sequence[memoryview], descriptors: Sequence[int], outgoing: Outgoing) -> None:
        """Takes an iterable apart."""
        context = self._enter(message.context)

        def find() -> Any:
            if message.map_on is not None:
                return iter(context.input()[message.map_on])
            if not message.arguments:
                raise IndexError("pop from empty list")
            return iter(self._arguments(message.arguments[:1], parts, descriptors)[0])

        known = None if self.executor is None else self.executor.expand(message, context)
        iterator = _binding(find) if known is None else iter(known)
        first = 0
        due = time.monotonic() + FLUSH_SECONDS
        dump = self._values.dump
        token = active_run.set(ActiveRun(context, message.stage))
        try:
            for value in iterator:
                dump(value, outgoing)
                if outgoing.size > FLUSH_BYTES or len(outgoing.descriptors) >= MAX_DESCRIPTORS or time.monotonic() > due:
                    first += self._flush(message.call, first, outgoing)
                    due = time.monotonic() + FLUSH_SECONDS
        finally:
            active_run.reset(token)
        self._flush(message.call, first, outgoing)

    def items(self, message: Items, parts: Sequence[memoryview], descriptors: Sequence[int], outgoing: Outgoing) -> None:
        """Calls a target once per item."""
        context = self._enter(message.context)
        target = self._loader.resolve(message.target)
        at = len(parts) - message.count
        if self.executor is not None:
            arguments, portable = self._portable(parts[:at], descriptors), self._portable(parts[at:], descriptors)
            self.executor.items(
                message, target, context, arguments, portable, outgoing, lambda first: self._flush(message.call, first, outgoing)
            )
            return
        shared = None if message.arguments is None else self._arguments(message.arguments, parts[:at], descriptors)
        items = parts[at:]
        given = context.input() if shared is None and message.map_on is not None else {}
        if not items:
            return
        # Which arguments are passed does not depend on the item; it is there for the error's text.
        sample = self._sample(items[0], descriptors)
        tail, keywords = _binding(lambda: target.plan.bind_item(message.stage, message.map_on, given, shared, sample))
        token = active_run.set(ActiveRun(context, message.stage))
        try:
            if target.is_async:
                self._async_items(message, target, items, descriptors, tail, keywords, outgoing)
            else:
                self._plain_items(message, target, items, descriptors, tail, keywords, outgoing)
        finally:
            active_run.reset(token)

    def encode(self, message: Encode, parts: Sequence[memoryview], descriptors: Sequence[int], outgoing: Outgoing) -> None:
        """Says a value as JSON."""
        self._enter(message.context)
        value = self._arguments([message.argument], parts, descriptors)[0]
        outgoing.append(b"j" + to_json(value))

    def invoke(self, message: Invoke, parts: Sequence[memoryview], descriptors: Sequence[int], outgoing: Outgoing) -> None:
        """Calls a function with one JSON value. Its answer is JSON text as bytes, or something that JSON can say."""
        target = self._loader.resolve(message.target)
        answer = target.function(json.loads(bytes(parts[0][1:])))
        if not self._state.forked:
            outgoing.append(b"j" + (answer if isinstance(answer, bytes) else dump_json(answer)))

    def _plain_items(
        self,
        message: Items,
        target: Target,
        items: Sequence[memoryview],
        descriptors: Sequence[int],
        tail: list[Any],
        keywords: dict[str, Any],
        outgoing: Outgoing,
    ) -> None:
        function, state, loads, clock = target.function, self._state, pickle.loads, time.monotonic
        load, dump = self._values.load, self._values.dump
        is_simple = not tail and not keywords
        first = message.first
        due = clock() + FLUSH_SECONDS
        for part in items:
            failed = False
            try:
                item = loads(part[1:]) if part[0] == INLINE else load(part, descriptors)
                result = function(item) if is_simple else function(item, *tail, **keywords)
                if type(result) is CoroutineType:
                    result = asyncio.run(result)
                if not state.forked:
                    dump(result, outgoing)
            except Cancelled:
                raise
            except BaseException as error:
                failed = True
                if state.forked:
                    self._leave(error)
                outgoing.append(failure_part(failure_of(error)))
            if state.forked:
                self._leave(None)
            if failed and message.stop_on_failure:
                break
            if outgoing.size > FLUSH_BYTES or len(outgoing.descriptors) >= MAX_DESCRIPTORS or clock() > due:
                first += self._flush(message.call, first, outgoing)
                due = clock() + FLUSH_SECONDS
        self._flush(message.call, first, outgoing)

    def _async_items(
        self,
        message: Items,
        target: Target,
        items: Sequence[memoryview],
        descriptors: Sequence[int],
        tail: list[Any],
        keywords: dict[str, Any],
        outgoing: Outgoing,
    ) -> None:
        async def one(part: memoryview) -> tuple[Any, BaseException | None]:
            try:
                return await target.function(self._values.load(part, descriptors), *tail, **keywords), None
            except Cancelled:
                raise
            except BaseException as error:
                return None, error

        async def several() -> None:
            first, at = message.first, 0
            while at < len(items):
                batch = items[at : at + CONCURRENT]
                for result, raised in await asyncio.gather(*map(one, batch)):
                    error = raised
                    if self._state.forked:
                        self._leave(error)
                    try:
                        if error is None:
                            self._values.dump(result, outgoing)
                    except Exception as unpicklable:
                        error = unpicklable
                    if error is not None:
                        outgoing.append(failure_part(failure_of(error)))
                        if message.stop_on_failure:
                            self._flush(message.call, first, outgoing)
                            return
                    if outgoing.size > FLUSH_BYTES or len(outgoing.descriptors) >= MAX_DESCRIPTORS:
                        first += self._flush(message.call, first, outgoing)
                at += len(batch)
                first += self._flush(message.call, first, outgoing)

        asyncio.run(several())

    def _flush(self, call: int, first: int, outgoing: Outgoing) -> int:
        """Sends the outcomes that came together; how many."""
        count = len(outgoing.parts)
        if count:
            with self._state:
                self._send(encode(ItemsDone(call, first, len(outgoing.descriptors))), outgoing)
        return count

    def _enter(self, reference: ContextReference) -> RunContext:
        if reference.body is not None:
            self._context = RunContext(reference.id, reference.body)
        elif reference.id != self._context.id:
            # The server thinks that we know it; go on without rather than with another run's.
            self._context = RunContext(reference.id, {})
        return self._context

    def _portable(self, parts: Sequence[memoryview], descriptors: Sequence[int]) -> list[Portable]:
        from pegboard._remote import Portable

        taken = (self._values.take(part, descriptors) for part in parts)
        return [Portable(bytes(pickled), tuple(map(pickle.PickleBuffer, buffers))) for pickled, buffers in taken]

    def _sample(self, part: memoryview, descriptors: Sequence[int]) -> object:
        try:
            return self._values.load(part, descriptors)
        except Exception:
            # It will fail as an item.
            return None

    def _arguments(self, shapes: Iterable[ArgumentShape], parts: Sequence[memoryview], descriptors: Sequence[int]) -> list[Any]:
        load, at, result = self._values.load, 0, []
        try:
            for shape in shapes:
                if shape.count is None:
                    result.append(load(parts[at], descriptors))
                    at += 1
                else:
                    result.append([load(part, descriptors) for part in parts[at : at + shape.count]])
                    at += shape.count
        except MemoryError:
            raise
        except Exception as error:
            raise TargetError from error
        return result


def _binding(bind: Callable[[], Any]) -> Any:
    try:
        return bind()
    except (TargetError, MemoryError):
        raise
    except Exception as error:
        raise TargetError from error
