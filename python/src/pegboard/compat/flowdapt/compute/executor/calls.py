"""Calls a stage's target here and now, by the same rules as the server's workers: any executor's worker may run these functions.

The context is the stage's own already. Failures come back as values: an exception may be one that cannot be pickled, and `SystemExit`
must not end a worker.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from pegboard._binding import Plan
from pegboard._errors import TargetError, message_of
from pegboard._loader import Loader

from ...lib.config import get_app_dir
from ...lib.serializers.pickles import CloudPickleSerializer
from ..resources.workflow.context import WorkflowRunContext, reset_run_context, set_run_context
from ..resources.workflow.errors import WorkflowExecutionError
from ..resources.workflow.graph import RunnableStage

__all__ = ["Failure", "Outcome", "RemoteTraceback", "call_items", "call_simple", "decode", "encode", "items_of", "own_context"]


class RemoteTraceback(Exception):
    """Shows where in another process an exception was raised."""


class Failure(NamedTuple):
    """What a stage or an item raised. `is_of_stage`: the item does not matter, no other can do better."""

    error: BaseException
    is_of_stage: bool = False


class Outcome(NamedTuple):
    """What became of one call."""

    value: Any
    failure: Failure | None = None


_loader: Final = Loader()
_loader_lock: Final = threading.Lock()
USER_MODULES: Final = "user_modules."


def call_simple(stage: RunnableStage, context: WorkflowRunContext, values: list[Any] | None) -> Outcome:
    """Calls the target once."""
    try:
        function, plan = _resolve(stage.target)
        with _inside(context):
            positional: list[Any] = []
            keywords: dict[str, Any] = {}
            if values is None:
                keywords = plan.bind_input(stage.name, context.input)
            else:
                positional = plan.bind_dependencies(stage.name, values)
            return Outcome(_finished(function(*positional, **keywords)))
    except BaseException as error:
        return Outcome(None, _failure(error))


def items_of(stage: RunnableStage, context: WorkflowRunContext, values: list[Any] | None) -> Outcome:
    """What a parameterized stage runs over, as a list."""
    try:
        with _inside(context):
            if stage.map_on is not None:
                return Outcome(list(context.input[stage.map_on]))
            if not values:
                raise IndexError("pop from empty list")
            return Outcome(list(values[0]))
    except BaseException as error:
        return Outcome(None, _failure(error))


def call_items(stage: RunnableStage, context: WorkflowRunContext, values: list[Any] | None, items: Sequence[Any]) -> list[Outcome]:
    """Calls the target once per item, one after the other. Ends early after a failure when the stage allows none."""
    outcomes: list[Outcome] = []
    if not items:
        return outcomes
    with _inside(context):
        try:
            function, plan = _resolve(stage.target)
            shared = values[1:] if values is not None and stage.map_on is None else values
            tail, keywords = plan.bind_item(stage.name, stage.map_on, context.input, shared, items[0])
        except BaseException as error:
            return [Outcome(None, _failure(error, is_of_stage=True))]
        for item in items:
            try:
                outcomes.append(Outcome(_finished(function(item, *tail, **keywords))))
            except BaseException as error:
                outcomes.append(Outcome(None, _failure(error)))
                if not stage.allow_partial_failure:
                    break
    return outcomes


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """For another process. A value that cannot be pickled is a failure."""
    return pickle.dumps([_encoded(outcome) for outcome in outcomes], 5)


def decode(data: bytes) -> list[Outcome]:
    """The outcomes of another process. An error that cannot be brought here is stood in for, under its own name."""
    outcomes = []
    for value, failure in pickle.loads(data):
        if failure is None:
            outcomes.append(Outcome(pickle.loads(value)))
            continue
        pickled, name, message, text, is_of_stage = failure
        try:
            error = pickle.loads(pickled)
        except Exception:
            error = None
        if not isinstance(error, BaseException):
            error = type(name, (WorkflowExecutionError,), {})(message)
        if error.__cause__ is None:
            error.__cause__ = RemoteTraceback(f"\n{text}")
        outcomes.append(Outcome(None, Failure(error, is_of_stage)))
    return outcomes


def _encoded(outcome: Outcome) -> tuple[bytes | None, tuple[bytes, str, str, str, bool] | None]:
    failure = outcome.failure
    if failure is None:
        try:
            return CloudPickleSerializer.dumps(outcome.value), None
        except Exception as unpicklable:
            failure = _failure(unpicklable)
    error = failure.error
    try:
        pickled = CloudPickleSerializer.dumps(error)
    except Exception:
        pickled = b""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return None, (pickled, type(error).__name__, message_of(error), text, failure.is_of_stage)


def _resolve(target: Any) -> tuple[Callable[..., Any], Plan]:
    if not isinstance(target, str):
        if not callable(target):
            raise TypeError(f"a target is a dotted path or something that can be called, not `{target!r}`")
        return target, Plan(target)
    if target.strip().startswith(USER_MODULES):
        folder = get_app_dir()
        if folder is not None and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    with _loader_lock:
        found = _loader.resolve(target)
    return found.function, found.plan


def _finished(value: Any) -> Any:
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def own_context(context: WorkflowRunContext) -> WorkflowRunContext:
    """A copy for one stage, so that what it changes is not seen by others. What cannot be copied is shared."""
    made: WorkflowRunContext = context.model_copy()
    for name in ("input", "config", "run", "definition"):
        with suppress(Exception):
            setattr(made, name, copy.deepcopy(getattr(context, name)))
    return made


@contextmanager
def _inside(context: WorkflowRunContext) -> Iterator[None]:
    token = set_run_context(context)
    try:
        yield
    finally:
        reset_run_context(token)


def _failure(error: BaseException, is_of_stage: bool = False) -> Failure:
    if isinstance(error, TargetError) and error.__cause__ is not None:
        error = error.__cause__
    return Failure(error, is_of_stage)
