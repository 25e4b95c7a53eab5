"""What the Ray and the Dask executor have in common, for scripts and tests that use them without a server."""

from __future__ import annotations

import asyncio
import builtins
import uuid
from typing import Any, ClassVar

from pegboard._driver import Cluster
from pegboard._errors import TaskFailed
from pegboard._remote import Answer, Common, Portable, portable
from pegboard._resources import Resources
from pegboard._spoken import replay
from pegboard._wire import WireFailure

from ...lib.logger import get_logger
from ..resources.workflow.context import WorkflowRunContext
from ..resources.workflow.errors import WorkflowExecutionError
from ..resources.workflow.graph import RunnableStage
from .base import Executor, StageCall
from .calls import items_of

__all__ = ["ClusterExecutor", "Console"]

logger = get_logger(__name__)


class Console:
    """Where words of tasks go when there is no server."""

    def log(self, level: str, text: str) -> None:
        getattr(logger, level if level in ("debug", "info", "warning", "error", "critical") else "info")(text)

    def progress(self, done: float, total: float | None, message: str) -> None:
        """Nobody looks."""

    def put(self, namespace: str, key: str, value: object) -> None:
        raise RuntimeError("there is no server")

    def ask(self, method: str, namespace: str, key: str) -> tuple[bool, object]:
        raise RuntimeError("there is no server")


class ClusterExecutor(Executor):
    """Calls stages on a cluster. Targets are dotted paths: a function that has none cannot be found there."""

    kind: ClassVar[str] = ""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running = False

    @property
    def running(self) -> bool:
        return self._running

    @property
    def connected(self) -> bool:
        return self._running and self._cluster.lost() is None

    async def start(self) -> None:
        if not self._running:
            await asyncio.to_thread(self._cluster.connect)
            self._running = True

    async def close(self) -> None:
        if self._running:
            self._running = False
            await asyncio.to_thread(self._cluster.disconnect)

    def lazy(self, stage: RunnableStage) -> StageCall:
        async def call(context: WorkflowRunContext, values: list[Any] | None) -> Any:
            answer = await self._perform(stage, context, values, None)
            return _value(answer.parts[0])

        return call

    def mapped_lazy(self, stage: RunnableStage) -> StageCall:
        async def call(context: WorkflowRunContext, values: list[Any] | None) -> list[Any]:
            expanded = items_of(stage, context, values)
            if expanded.failure is not None:
                raise expanded.failure.error
            items = [portable(item) for item in expanded.value]
            passed = values if values is None or stage.map_on is not None else values[1:]
            size = max(1, -(-len(items) // (self._cluster.width() * 4)))
            chunks = [items[first : first + size] for first in range(0, len(items), size)]
            answers = await asyncio.gather(*(self._perform(stage, context, passed, chunk) for chunk in chunks))
            results = []
            for index, part in enumerate(part for answer in answers for part in answer.parts):
                if isinstance(part, WireFailure) and stage.allow_partial_failure:
                    logger.warning(f"item {index} of stage `{stage.name}` is dropped: {part.class_}: {part.message}")
                else:
                    results.append(_value(part))
            return results

        return call

    async def _perform(
        self, stage: RunnableStage, context: WorkflowRunContext, values: list[Any] | None, items: list[Portable] | None
    ) -> Answer:
        if not isinstance(stage.target, str):
            raise WorkflowExecutionError(f"stage `{stage.name}` has no dotted path by which a cluster could find it")
        body = {**context.model_dump(), "executor": self.kind}
        common = Common(
            call=uuid.uuid4().hex,
            kind=self.kind,
            stage=stage.name,
            target=stage.target,
            source=None,
            context_id=str(context.run.uid),
            context=body,
            map_on=stage.map_on,
            shapes=None if values is None else [None] * len(values),
            arguments=[portable(value) for value in values or []],
            stop_on_failure=not stage.allow_partial_failure,
            channel=None,
            paths=[],
            memory=self._cluster.memory(),
        )
        resources = _resources(stage)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def done(answer: Answer | BaseException) -> None:
            loop.call_soon_threadsafe(_settle, future, answer)

        try:
            self._cluster.check(stage.name, resources)
            self._cluster.submit(common, items, stage.name, resources, done)
            answer = await future
        except TaskFailed as error:
            raise _exception(error.failure) from None
        except Exception as error:
            raise _exception(self._cluster.explain(error, stage.name)) from error
        for record in answer.held:
            replay(record, Console())
        if answer.failure is not None:
            raise _exception(answer.failure)
        return answer


def _resources(stage: RunnableStage) -> Resources:
    asked = dict(stage.resources or {})
    cpus, gpus, memory = asked.pop("cpus", None), asked.pop("gpus", None), asked.pop("memory", None)
    return Resources(cpus, gpus, None if memory is None else int(memory), tuple(asked.items()))


def _settle(future: asyncio.Future[Answer], answer: Answer | BaseException) -> None:
    if future.cancelled():
        return
    if isinstance(answer, Answer):
        future.set_result(answer)
    else:
        future.set_exception(answer)


def _value(part: Portable | WireFailure) -> Any:
    if isinstance(part, WireFailure):
        raise _exception(part)
    return part.load()


def _exception(failure: WireFailure) -> Exception:
    """Of the class that was raised where that is one of Python's own; else one that bears its name."""
    known = getattr(builtins, failure.class_, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(failure.message)
        except TypeError:
            pass
    if failure.class_ == WorkflowExecutionError.__name__:
        return WorkflowExecutionError(failure.message)
    made: Exception = type(failure.class_, (WorkflowExecutionError,), {})(failure.message)
    return made
