"""A class of the plugin's own as the executor of its stages.

A class that has `lazy` and `mapped_lazy` is asked for every stage and every item. One that has only `__call__` gets the whole definition
when the run's last stage is due: the stages before it are reported as finished with no value.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from pegboard._driver import StageExecutor
from pegboard._errors import Cancelled, failure_of
from pegboard._loader import Target
from pegboard._messages import Items, Stage
from pegboard._remote import Portable
from pegboard._run import ActiveRun, RunContext, active_run
from pegboard._values import Outgoing, Values, failure_part

from ...lib.utils.misc import import_from_string
from ..resources.workflow.context import WorkflowRunContext, get_run_context
from ..resources.workflow.graph import Graph, RunnableStage

__all__ = ["CustomExecutor"]


class CustomExecutor(StageExecutor):
    """Runs the class's coroutines in a loop of their own."""

    def __init__(self, target: str, options: dict[str, Any], values: Values) -> None:
        made = import_from_string(target)
        given = {name: value for name, value in options.items() if name != "plugin_modules"}
        self._executor = made(**given)
        self._values = values
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_whole = not (hasattr(self._executor, "lazy") and hasattr(self._executor, "mapped_lazy"))

    def expand(self, message: Any, context: RunContext) -> list[Any] | None:
        if not self._is_whole:
            return None
        result = self._within(message.stage, context, lambda run: self._whole(message.stage, run))
        return [] if result is None else list(result)

    def stage(self, message: Stage, target: Target, context: RunContext, arguments: list[Portable], outgoing: Outgoing) -> None:
        if self._is_whole:
            result = self._within(message.stage, context, lambda run: self._whole(message.stage, run))
        else:
            shapes = None if message.arguments is None else [shape.count for shape in message.arguments]
            values = _loaded(shapes, arguments)
            result = self._within(message.stage, context, lambda run: self._one(message.stage, run, values))
        self._values.dump(result, outgoing)

    def items(
        self,
        message: Items,
        target: Target,
        context: RunContext,
        arguments: list[Portable],
        items: list[Portable],
        outgoing: Outgoing,
        flush: Callable[[int], int],
    ) -> None:
        if self._is_whole:
            results: list[Any] = [item.load() for item in items]
        else:
            shapes = None if message.arguments is None else [shape.count for shape in message.arguments]
            values = _loaded(shapes, arguments)
            loaded = [item.load() for item in items]
            results = self._within(message.stage, context, lambda run: self._several(message.stage, run, values, loaded))
        for result in results:
            if isinstance(result, BaseException):
                outgoing.append(failure_part(failure_of(result)))
                if message.stop_on_failure:
                    break
            else:
                self._values.dump(result, outgoing)
        flush(message.first)

    async def _one(self, name: str, context: WorkflowRunContext, values: list[Any] | None) -> Any:
        return await self._executor.lazy(_stage(context, name))(context, values)

    async def _several(self, name: str, context: WorkflowRunContext, values: list[Any] | None, items: list[Any]) -> list[Any]:
        stage = _stage(context, name)
        # One at a time, so that it is known which item failed.
        stage.allow_partial_failure = False

        async def single(item: Any) -> Any:
            if stage.map_on is None:
                return (await self._executor.mapped_lazy(stage)(context, [[item], *(values or [])]))[0]
            own = context.model_copy(deep=True)
            own.input[stage.map_on] = [item]
            return (await self._executor.mapped_lazy(stage)(own, values))[0]

        return await asyncio.gather(*map(single, items), return_exceptions=True)

    async def _whole(self, name: str, context: WorkflowRunContext) -> Any:
        if name != Graph(context.definition.spec.stages).result:
            return None
        return await self._executor(context.definition, context.run, context)

    def _within(self, name: str, context: RunContext, make: Callable[[WorkflowRunContext], Coroutine[Any, Any, Any]]) -> Any:
        token = active_run.set(ActiveRun(context, name))
        try:
            run = get_run_context()
            loop = self._started()
            future = asyncio.run_coroutine_threadsafe(make(run), loop)
            try:
                return future.result()
            except Cancelled:
                future.cancel()
                raise
        finally:
            active_run.reset(token)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="pegboard-executor", daemon=True).start()
            start = getattr(self._executor, "start", None)
            if start is not None:
                asyncio.run_coroutine_threadsafe(_awaited(start()), loop).result()
            self._loop = loop
        return self._loop


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _stage(context: WorkflowRunContext, name: str) -> RunnableStage:
    found = [stage for stage in map(RunnableStage.of, context.definition.spec.stages) if stage.name == name]
    return found[-1]


def _loaded(shapes: list[int | None] | None, parts: list[Portable]) -> list[Any] | None:
    if shapes is None:
        return None
    left = iter(parts)
    return [next(left).load() if count is None else [next(left).load() for _ in range(count)] for count in shapes]
