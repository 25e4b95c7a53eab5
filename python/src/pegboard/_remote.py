"""What runs on a cluster: the same call that a local worker makes, and what code of a plugin reaches meanwhile.

Invariants: nothing that a stage raises leaves `perform` as an exception, so a cluster never wraps or loses it; what a stage prints
and logs arrives before its result; a module whose source differs from the server's is never called.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, NamedTuple

from pegboard._errors import Cancelled, TargetError, UnpicklableError, failure_of
from pegboard._loader import Loader, Target
from pegboard._run import ActiveRun, RunContext, active_run, connection
from pegboard._spoken import Record, RemoteServer, capture, speaking
from pegboard._wire import WireFailure

__all__ = ["Answer", "Common", "Portable", "digest_of", "interrupt", "perform"]


class Portable(NamedTuple):
    """A pickled value and its buffers, which a cluster's own serialization may move without a copy."""

    pickled: bytes
    buffers: tuple[Any, ...] = ()

    def load(self) -> Any:
        # A private copy: stages may write into what they are given, here as on a local worker.
        return pickle.loads(self.pickled, buffers=[bytearray(each) for each in self.buffers])


def portable(value: object) -> Portable:
    """`UnpicklableError` when it cannot be."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
        try:
            views = [buffer.raw() for buffer in buffers]
        except BufferError:
            return Portable(pickle.dumps(value, 5))
        return Portable(pickled, tuple(pickle.PickleBuffer(view) for view in views))
    except MemoryError:
        raise
    except Exception as error:
        raise UnpicklableError from error


@dataclass(slots=True)
class Common:
    """What all tasks of one call share."""

    call: str
    kind: str
    stage: str
    target: str
    # Digest of the file that the target comes from on the server's side, if there is one.
    source: str | None
    context_id: str
    context: dict[str, Any]
    map_on: str | None
    # Number of parts that make each argument, None for a single one; None: bind the run's input.
    shapes: list[int | None] | None
    arguments: list[Portable]
    stop_on_failure: bool
    # Where to say things, and the word that opens it.
    channel: tuple[str, int, str] | None
    # Folders that the server's interpreter imports from.
    paths: list[str]
    # Of the cluster memory.
    memory: dict[str, Any]


class Answer(NamedTuple):
    """What became of a task. `failure`: the whole of it failed; parts are one per item that was tried."""

    parts: list[Portable | WireFailure]
    failure: WireFailure | None
    seconds: float
    # What could not be said while it ran.
    held: list[Record]
    # The code here is another than the server's.
    is_stale: bool = False


_loader: Final = Loader()
_loading: Final = threading.Lock()
# Threads that are on a call, for `interrupt`.
_on: Final[dict[int, str]] = {}


def perform(common: Common, items: list[Portable] | None) -> Answer:
    """Calls the target once, or once per item."""
    started = time.perf_counter()
    parts: list[Portable | WireFailure] = []
    failure: WireFailure | None = None
    thread = threading.get_ident()
    with speaking(common.channel, common.call) as sink:
        try:
            _on[thread] = common.call
            with capture(sink), _server(common):
                target = _resolve(common)
                if target is None:
                    return Answer([], None, 0.0, [], is_stale=True)
                context = RunContext(common.context_id, common.context)
                token = active_run.set(ActiveRun(context, common.stage))
                try:
                    if items is None:
                        parts.append(_stage(common, target, context))
                    else:
                        parts.extend(_items(common, target, context, items))
                finally:
                    active_run.reset(token)
        except BaseException as error:
            failure = failure_of(error)
        finally:
            _on.pop(thread, None)
    return Answer(parts, failure, time.perf_counter() - started, sink.held)


def interrupt(call: str) -> int:
    """Raises `Cancelled` in the threads that are on a call; how many. It arrives between two steps of Python code."""
    import ctypes

    found = [thread for thread, on in list(_on.items()) if on == call]
    for thread in found:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Cancelled))
    return len(found)


def digest_of(path: str | None) -> str | None:
    """Of a source file; None when it cannot be read."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return None


def _resolve(common: Common) -> Target | None:
    for path in common.paths:
        if path not in sys.path and os.path.isdir(path):
            sys.path.append(path)
    with _loading:
        target = _loader.resolve(common.target)
    if common.source is not None and digest_of(target.source.path) != common.source:
        return None
    return target


def _stage(common: Common, target: Target, context: RunContext) -> Portable:
    if common.shapes is None:
        given = context.input() if target.plan.takes_input else {}
        keywords = _binding(lambda: target.plan.bind_input(common.stage, given))
        return portable(_finished(target.function(**keywords)))
    loaded = _arguments(common)
    positional = _binding(lambda: target.plan.bind_dependencies(common.stage, loaded))
    return portable(_finished(target.function(*positional)))


def _items(common: Common, target: Target, context: RunContext, items: list[Portable]) -> Iterator[Portable | WireFailure]:
    if not items:
        return
    shared = None if common.shapes is None else _arguments(common)
    given = context.input() if shared is None and common.map_on is not None else {}
    try:
        sample = items[0].load()
    except Exception:
        # It will fail as an item.
        sample = None
    tail, keywords = _binding(lambda: target.plan.bind_item(common.stage, common.map_on, given, shared, sample))
    for item in items:
        try:
            yield portable(_finished(target.function(item.load(), *tail, **keywords)))
        except Cancelled:
            raise
        except BaseException as error:
            yield failure_of(error)
            if common.stop_on_failure:
                return


def _finished(value: Any) -> Any:
    return asyncio.run(value) if type(value) is CoroutineType else value


def _arguments(common: Common) -> list[Any]:
    try:
        parts = iter(common.arguments)
        return [next(parts).load() if count is None else [next(parts).load() for _ in range(count)] for count in common.shapes or []]
    except MemoryError:
        raise
    except Exception as error:
        raise TargetError from error


def _binding(bind: Callable[[], Any]) -> Any:
    try:
        return bind()
    except (TargetError, MemoryError):
        raise
    except Exception as error:
        raise TargetError from error


@contextmanager
def _server(common: Common) -> Iterator[None]:
    """Whoever asks for the server is answered by the cluster."""
    if connection.server is None:
        connection.server = RemoteServer()
    with RemoteServer.on_cluster(common.kind, common.memory):
        yield
