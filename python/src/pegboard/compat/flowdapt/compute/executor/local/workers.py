"""Threads or processes that call stages. Both give the same outcomes for the same calls."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, NamedTuple

from ....lib.config import PREFIX, Configuration, chosen_configuration, get_app_dir, set_app_dir, set_configuration
from ....lib.serializers.pickles import CloudPickleSerializer
from ...cluster_memory.store import Address, ProcessStore, StoreServer, serve_from, using
from ...resources.workflow.errors import WorkflowExecutionError
from ..calls import Outcome, call_items, call_simple, decode, encode

__all__ = ["Processes", "Threads"]

VARIABLES: Final = f"{PREFIX}__"


def call(stage: Any, context: Any, values: Any, items: Any) -> list[Outcome]:
    """A simple stage when `items` is None."""
    return [call_simple(stage, context, values)] if items is None else call_items(stage, context, values, items)


class Threads:
    """Threads of this process. Values pass by reference."""

    def __init__(self, count: int, store: ProcessStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="stage")

    def chunk(self, items: int) -> int:
        """How many items one call should take."""
        return 1

    async def submit(self, *arguments: Any) -> list[Outcome]:
        return await asyncio.wrap_future(self._pool.submit(self._call, *arguments))

    def _call(self, *arguments: Any) -> list[Outcome]:
        with using(self._store):
            return call(*arguments)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Something else that may take its time."""
        return self._pool.submit(self._inside, function, *arguments)

    def _inside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with using(self._store):
            return function(*arguments)

    def close(self) -> None:
        """Waits for what runs; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Surroundings(NamedTuple):
    """What a process that was started earlier cannot know."""

    variables: dict[str, str]
    configuration: Configuration | None
    app_dir: str | None

    @classmethod
    def here(cls) -> _Surroundings:
        folder = get_app_dir()
        variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
        return cls(variables, chosen_configuration(), None if folder is None else str(folder))

    def apply(self) -> None:
        for name in [name for name in os.environ if name.startswith(VARIABLES) and name not in self.variables]:
            del os.environ[name]
        os.environ.update(self.variables)
        set_configuration(self.configuration)
        set_app_dir(self.app_dir)


class Processes:
    """Processes of their own. One that dies takes the calls with it that were on at the time; the next ones get new processes."""

    # Calls per process that a fan-out is cut into: fewer cost less, more are spread better.
    CUTS: Final = 4

    def __init__(self, count: int, store: ProcessStore) -> None:
        self._count = count
        self._server = StoreServer(store)
        self._helpers = Threads(1, store)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        # Not by fork: the parent has threads, and a lock that one of them holds would stay locked in the child.
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin, initargs=(self._server.address,))

    def chunk(self, items: int) -> int:
        return max(1, -(-items // (self._count * self.CUTS)))

    async def submit(self, *arguments: Any) -> list[Outcome]:
        payload = CloudPickleSerializer.dumps((_Surroundings.here(), arguments))
        pool = self._pool
        try:
            return decode(await asyncio.wrap_future(pool.submit(_work, payload)))
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = self._new_pool()
                pool.shutdown(wait=False)
            raise WorkflowExecutionError("a worker process ended in the middle of a stage") from error

    def run(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._helpers.run(function, *arguments)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._helpers.close()
        self._server.close()


def _begin(address: Address) -> None:
    serve_from(address)


def _work(payload: bytes) -> bytes:
    surroundings, arguments = pickle.loads(payload)
    surroundings.apply()
    return encode(call(*arguments))
