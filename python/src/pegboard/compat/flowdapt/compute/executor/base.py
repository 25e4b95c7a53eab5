"""What an executor is: it calls stages; the order in which they are called is the same for all of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from ..resources.workflow.context import WorkflowResource, WorkflowRun, WorkflowRunContext
from ..resources.workflow.graph import Graph, RunnableStage

__all__ = ["Executor", "StageCall"]

Self = TypeVar("Self", bound="Executor")
# Called with the context and the results of the stage's dependencies in their order, or None for a stage without any.
StageCall = Callable[[WorkflowRunContext, "list[Any] | None"], Awaitable[Any]]


class Executor(ABC):
    """Started once, used for any number of runs, closed once. A class named by a target may be one of one's own."""

    kind: ClassVar[str] = "local"

    @property
    @abstractmethod
    def running(self) -> bool:
        """Between `start` and `close`."""

    @property
    def connected(self) -> bool:
        """Whether stages can be called now."""
        return self.running

    @abstractmethod
    async def start(self) -> None: ...
    @abstractmethod
    async def close(self) -> None: ...

    async def environment_info(self) -> dict[str, Any]:
        """What the server's status says of this executor."""
        return {}

    @abstractmethod
    def lazy(self, stage: RunnableStage) -> StageCall:
        """How a simple stage is called. Nothing is called yet."""

    @abstractmethod
    def mapped_lazy(self, stage: RunnableStage) -> StageCall:
        """How a parameterized stage is called."""

    async def __call__(self, definition: WorkflowResource, run: WorkflowRun, context: WorkflowRunContext) -> Any:
        """Runs all stages; the value of the last one of the last group. Raises what a stage raised."""
        graph = Graph(definition.spec.stages)
        results: dict[str, Any] = {}
        for group in graph.groups:
            calls = [self._call(stage, context, results) for stage in group]
            # After a failure the others of the group run on, unobserved.
            values = await asyncio.gather(*map(asyncio.ensure_future, calls))
            results.update(zip((stage.name for stage in group), values, strict=True))
        return results[graph.result]

    async def _call(self, stage: RunnableStage, context: WorkflowRunContext, results: dict[str, Any]) -> Any:
        values = [results[name] for name in stage.depends_on] or None
        call = self.mapped_lazy(stage) if stage.is_parameterized else self.lazy(stage)
        return await call(context, values)

    async def __aenter__(self: Self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
