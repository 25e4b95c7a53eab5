"""The context of the run that a stage is part of.

Plain classes with the surface that plugins use of the original's models: attributes, `model_dump`, `model_copy`, comparison.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from enum import Enum
from typing import Any, ClassVar

from pegboard import api

__all__ = [
    "WorkflowRun",
    "WorkflowRunContext",
    "WorkflowRunState",
    "get_run_context",
    "reset_run_context",
    "set_run_context",
]


class WorkflowRunState(str, Enum):
    pending = "pending"
    running = "running"
    finished = "finished"
    failed = "failed"


Convert = Callable[[Any], Any]
# Name to default and conversion.
Fields = dict[str, tuple[Any, Convert | None]]


class Model:
    """Named fields with defaults. Fields that it does not know are kept: a newer server may say more."""

    known: ClassVar[Fields] = {}

    def __init__(self, **fields: Any) -> None:
        for name, (default, convert) in self.known.items():
            value = fields.pop(name, None)
            if value is None:
                value = copy.copy(default)
            setattr(self, name, value if convert is None or value is None else convert(value))
        for name, value in fields.items():
            setattr(self, name, value)

    @classmethod
    def model_validate(cls, value: Any) -> Any:
        return value if isinstance(value, cls) else cls(**value)

    def model_dump(self, *, mode: str = "python", exclude: set[str] | None = None, **options: Any) -> dict[str, Any]:
        """The fields as plain values; with `mode="json"` times and states as text."""
        return {name: _dumped(value, mode) for name, value in vars(self).items() if name not in (exclude or ())}

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> Any:
        made = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(made, name, value)
        return made

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def dict(self, **options: Any) -> Any:
        return self.model_dump(**options)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _dumped(value: Any, mode: str) -> Any:
    if isinstance(value, Model):
        return value.model_dump(mode=mode)
    if isinstance(value, dict):
        return {key: _dumped(item, mode) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dumped(item, mode) for item in value]
    if mode == "json" and isinstance(value, (datetime.datetime, Enum)):
        return value.isoformat() if isinstance(value, datetime.datetime) else value.value
    return value


def _time(value: Any) -> Any:
    """A time as the server says it: ISO text, or microseconds since 1970."""
    if isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value / 1e6, datetime.timezone.utc)
    if isinstance(value, str):
        text = value[:-1] + "+00:00" if value.endswith("Z") else value
        try:
            return datetime.datetime.fromisoformat(_six_digits(text))
        except ValueError:
            return value
    return value


def _six_digits(text: str) -> str:
    """Python 3.10 reads fractions of three or six digits only."""
    before, point, after = text.partition(".")
    if not point:
        return text
    digits = len(after) - len(after.lstrip("0123456789"))
    return f"{before}.{after[:digits][:6].ljust(6, '0')}{after[digits:]}"


def _state(value: Any) -> Any:
    try:
        return WorkflowRunState(value)
    except ValueError:
        return value


class WorkflowRun(Model):
    known: ClassVar[Fields] = {
        "uid": ("", None),
        "name": ("", None),
        "workflow": ("", None),
        "source": ("api", None),
        "started_at": (None, _time),
        "finished_at": (None, _time),
        "result": (None, None),
        "state": ("running", _state),
    }


class Stage(Model):
    known: ClassVar[Fields] = {
        "type": ("simple", None),
        "target": ("", None),
        "name": ("", None),
        "description": ("", None),
        "version": ("", None),
        "depends_on": ([], None),
        "options": ({}, None),
        "resources": ({}, None),
        "priority": (None, None),
    }


def _stages(values: list[Any]) -> list[Any]:
    return [Stage.model_validate(value) for value in values]


class Spec(Model):
    known: ClassVar[Fields] = {"stages": ([], _stages)}


class Metadata(Model):
    known: ClassVar[Fields] = {
        "uid": ("", None),
        "name": ("", None),
        "created_at": (None, _time),
        "updated_at": (None, _time),
        "annotations": ({}, None),
    }


class WorkflowResource(Model):
    known: ClassVar[Fields] = {"kind": ("workflow", None), "metadata": ({}, Metadata.model_validate), "spec": ({}, Spec.model_validate)}


class WorkflowRunContext(Model):
    known: ClassVar[Fields] = {
        "input": ({}, None),
        "namespace": ("default", None),
        "executor": ("local", None),
        "run": ({}, WorkflowRun.model_validate),
        "definition": ({}, WorkflowResource.model_validate),
        "config": ({}, None),
    }
    input: dict[str, Any]
    namespace: str
    executor: str
    run: WorkflowRun
    definition: WorkflowResource
    config: dict[str, Any]


_context: ContextVar[WorkflowRunContext | None] = ContextVar("flowdapt_run_context", default=None)


def get_run_context() -> WorkflowRunContext:
    """The context of the stage that is running. `RuntimeError` outside of one."""
    found = _context.get()
    if found is not None:
        return found
    run = api.current_run()
    if run is None:
        raise RuntimeError("No active WorkflowRunContext")
    context = run.derived.get("flowdapt")
    if context is None:
        context = run.derived["flowdapt"] = WorkflowRunContext(
            input=run.input,
            namespace=run.namespace,
            executor=run.executor,
            run=run.record,
            definition=run.definition,
            config=run.config,
        )
    return context


def set_run_context(context: WorkflowRunContext) -> Token[WorkflowRunContext | None]:
    return _context.set(context)


def reset_run_context(token: Token[WorkflowRunContext | None]) -> None:
    _context.reset(token)
