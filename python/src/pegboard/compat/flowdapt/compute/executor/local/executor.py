"""The local executor: threads or processes of this machine."""

from __future__ import annotations

import asyncio
import os
from typing import Any, ClassVar

from ....lib.logger import get_logger
from ...cluster_memory.store import ProcessStore
from ...resources.workflow.context import WorkflowRunContext
from ...resources.workflow.graph import RunnableStage
from ..base import Executor, StageCall
from ..calls import Failure, Outcome, items_of, own_context
from .workers import Processes, Threads

__all__ = ["LocalExecutor"]

logger = get_logger(__name__)


class LocalExecutor(Executor):
    """Its cluster memory is its own and lasts until it is closed; artifacts are where the configuration says.

    With processes, targets and values are pickled, and artifacts of protocol `memory` are each process's own.
    """

    kind: ClassVar[str] = "local"

    def __init__(
        self, use_processes: bool = True, cpus: int | str = "auto", cluster_memory_socket_path: str | None = None, **options: Any
    ) -> None:
        """`cpus` is how many calls run at the same time; `auto` stands for the usable cores."""
        self._use_processes = use_processes
        self._cpus = _usable_cores() if cpus == "auto" else int(cpus)
        if self._cpus < 1:
            raise ValueError(f"an executor on {cpus} cores cannot run anything")
        self._store = ProcessStore()
        self._workers: Threads | Processes | None = None
        if options:
            logger.warning(f"the local executor has no use for {', '.join(f'`{name}`' for name in options)}")

    @property
    def running(self) -> bool:
        return self._workers is not None

    async def start(self) -> None:
        """Starting a running one changes nothing."""
        if self._workers is None:
            self._workers = Processes(self._cpus, self._store) if self._use_processes else Threads(self._cpus, self._store)

    async def close(self) -> None:
        """Waits for the calls that run. The cluster memory is empty afterwards."""
        workers, self._workers = self._workers, None
        if workers is not None:
            await asyncio.to_thread(workers.close)
        self._store.clear()

    async def environment_info(self) -> dict[str, Any]:
        memory = {"path": "", "serializer": "CloudPickleSerializer", "store_size": self._store.size()}
        return {"processes": self._use_processes, "cpus": self._cpus, "cluster_memory": memory}

    def lazy(self, stage: RunnableStage) -> StageCall:
        async def call(context: WorkflowRunContext, values: list[Any] | None) -> Any:
            return _value((await self._started().submit(stage, own_context(context), values, None))[0])

        return call

    def mapped_lazy(self, stage: RunnableStage) -> StageCall:
        async def call(context: WorkflowRunContext, values: list[Any] | None) -> list[Any]:
            workers, context = self._started(), own_context(context)
            items = _value(await asyncio.wrap_future(workers.run(items_of, stage, context, values)))
            size = workers.chunk(len(items))
            # Without `map_on` the items came out of the first result: workers need only the rest of them.
            passed = values if values is None or stage.map_on is not None else [None, *values[1:]]
            calls = [
                asyncio.ensure_future(self._part(workers, stage, context, passed, items[first : first + size], first))
                for first in range(0, len(items), size)
            ]
            try:
                parts = await asyncio.gather(*calls)
            except BaseException:
                for each in calls:
                    each.cancel()
                raise
            return [value for part in parts for value in part]

        return call

    async def _part(
        self,
        workers: Threads | Processes,
        stage: RunnableStage,
        context: WorkflowRunContext,
        values: list[Any] | None,
        items: list[Any],
        first: int,
    ) -> list[Any]:
        """Results of some items, without those that failed."""
        results = []
        for index, outcome in enumerate(await workers.submit(stage, context, values, items), first):
            failure = outcome.failure
            if failure is None:
                results.append(outcome.value)
            elif failure.is_of_stage or not stage.allow_partial_failure:
                raise _raisable(failure)
            else:
                logger.warning(f"item {index} of stage `{stage.name}` is dropped: {type(failure.error).__name__}: {failure.error}")
        return results

    def _started(self) -> Threads | Processes:
        if self._workers is None:
            raise RuntimeError("the executor is not running: call `start` first")
        return self._workers


def _value(outcome: Outcome) -> Any:
    if outcome.failure is not None:
        raise _raisable(outcome.failure)
    return outcome.value


def _raisable(failure: Failure) -> BaseException:
    """`SystemExit` and the like would end the event loop: they travel inside an ordinary error."""
    error = failure.error
    return error if isinstance(error, Exception) else StageInterrupted(error)


class StageInterrupted(Exception):
    """A stage raised what is no ordinary error, such as `SystemExit`; that is the cause."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.__cause__ = error


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
