"""Runs a workflow here, without a server: nothing is stored, no events are sent. Plugins' tests use it."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ....lib.utils.names import generate_name
from .context import WorkflowResource, WorkflowRun, WorkflowRunContext, WorkflowRunState

if TYPE_CHECKING:
    from ...executor.base import Executor

__all__ = ["execute_workflow"]


async def execute_workflow(
    workflow: Any,
    input: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    return_result: bool = False,
    run: Any = None,
    executor: Executor | None = None,
    config: dict[str, Any] | None = None,
    **params: Any,
) -> Any:
    """The run, ended; or with `return_result` its result, raising what the stage raised.

    `workflow` is a resource or a dict like one, `target` of a stage a dotted path or something that can be called. Without an executor
    one on threads is made with `params`. One that is not running is started and closed again.
    """
    from ...executor.local import LocalExecutor

    definition, own_config = _definition(workflow)
    if input is not None and not isinstance(input, dict):
        raise TypeError(f"the input of a workflow is a dict, not a value of type `{type(input).__name__}`")
    record = _new_run(definition) if run is None else WorkflowRun.model_validate(run)
    record.state, record.started_at = WorkflowRunState.running, record.started_at or _now()
    chosen = executor or LocalExecutor(**{"use_processes": False, **params})
    context = WorkflowRunContext(
        input=dict(input or {}),
        namespace=namespace or "default",
        executor=chosen.kind,
        run=record.model_copy(),
        definition=definition,
        config=own_config if config is None else config,
    )
    is_ours = not chosen.running
    if is_ours:
        await chosen.start()
    try:
        record.result = await chosen(definition, record, context)
        record.state = WorkflowRunState.finished
    except Exception as error:
        raised = _raised(error)
        record.result = [type(raised).__name__, str(raised)]
        record.state = WorkflowRunState.failed
        if return_result:
            raise
    finally:
        record.finished_at = _now()
        if is_ours:
            await chosen.close()
    return record.result if return_result else record


def _raised(error: Exception) -> BaseException:
    """What the stage raised, taken out of what carried it here."""
    from ...executor.local.executor import StageInterrupted

    return error.__cause__ if isinstance(error, StageInterrupted) and error.__cause__ is not None else error


def _definition(workflow: Any) -> tuple[WorkflowResource, dict[str, Any]]:
    """The resource, and the configuration that early releases took from it."""
    if isinstance(workflow, WorkflowResource):
        return workflow, {}
    dump: Callable[[], Any] | None = getattr(workflow, "model_dump", None)
    given = dump() if dump is not None else workflow
    if not isinstance(given, dict):
        raise TypeError(f"a workflow is a dict or a resource, not a value of type `{type(given).__name__}`")
    if "spec" in given:
        return WorkflowResource(**given), {}
    # The form of early releases, without metadata and spec.
    metadata = {"name": given.get("name") or "", "annotations": given.get("annotations") or {}}
    made = WorkflowResource(metadata=metadata, spec={"stages": given.get("stages") or []})
    return made, given.get("config") or {}


def _new_run(definition: WorkflowResource) -> WorkflowRun:
    identity = uuid.uuid4()
    name = f"{generate_name()}-{identity.hex[:8]}"
    return WorkflowRun(uid=str(identity), name=name, workflow=definition.metadata.name, source="manual")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
