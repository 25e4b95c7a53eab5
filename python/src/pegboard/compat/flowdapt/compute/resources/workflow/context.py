"""The context of the run that a stage is part of.

The classes are plain: see `flowdapt.lib.model`.
"""

from __future__ import annotations

import copy
import datetime
from contextvars import ContextVar, Token
from enum import Enum
from typing import Any, ClassVar

from pegboard import api

from ....lib.model import Fields, Model

__all__ = [
    "Metadata",
    "Spec",
    "Stage",
    "WorkflowResource",
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
    uid: str
    name: str
    workflow: str
    source: str
    started_at: Any
    finished_at: Any
    result: Any
    state: WorkflowRunState


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
    type: str
    target: Any
    name: str
    description: str
    version: str
    depends_on: list[str]
    options: dict[str, Any]
    resources: dict[str, Any]
    priority: int | None

    def __deepcopy__(self, memo: dict[int, Any]) -> Stage:
        """A target that is no path stays the same object: it may be bound to one that cannot be copied."""
        made = copy.copy(self)
        for name, value in vars(self).items():
            setattr(made, name, value if name == "target" else copy.deepcopy(value, memo))
        return made


def _stages(values: list[Any]) -> list[Any]:
    return [Stage.model_validate(value) for value in values]


class Spec(Model):
    known: ClassVar[Fields] = {"stages": ([], _stages)}
    stages: list[Stage]


class Metadata(Model):
    known: ClassVar[Fields] = {
        "uid": ("", None),
        "name": ("", None),
        "created_at": (None, _time),
        "updated_at": (None, _time),
        "annotations": ({}, None),
    }
    uid: str
    name: str
    annotations: dict[str, str]


class WorkflowResource(Model):
    known: ClassVar[Fields] = {"kind": ("workflow", None), "metadata": ({}, Metadata.model_validate), "spec": ({}, Spec.model_validate)}
    kind: str
    metadata: Metadata
    spec: Spec


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
