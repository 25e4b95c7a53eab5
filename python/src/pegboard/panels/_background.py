"""Background callbacks in threads of the worker: the browser asks again and again, and must reach the same worker."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any, final

from dash._callback_context import context_value
from dash._utils import AttributeDict
from dash.background_callback.managers import BaseBackgroundCallbackManager
from dash.exceptions import PreventUpdate

__all__ = ["ThreadJobs"]


@final
class _Job:
    """One run of a function."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.progress: Any = None
        self.properties: dict[str, Any] = {}
        self.result: Any = BaseBackgroundCallbackManager.UNDEFINED
        self.is_running = True


@final
class ThreadJobs(BaseBackgroundCallbackManager):  # type: ignore[misc]
    """A job that nobody wants any more runs to its end, and nobody hears of it: a thread cannot be ended."""

    def __init__(self) -> None:
        super().__init__(None)
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._numbers = itertools.count(1)

    def make_job_fn(self, fn: Callable[..., Any], progress: bool, key: str | None = None) -> Callable[..., None]:
        def run(job: _Job, arguments: Any, context: Mapping[str, Any]) -> None:
            def say(value: Any) -> None:
                job.progress = list(value) if isinstance(value, (list, tuple)) else [value]

            context_value.set(AttributeDict({**context, "updated_props": job.properties, "ignore_register_page": False}))
            before = (say,) if progress else ()
            try:
                job.result = _call(fn, before, arguments)
            except PreventUpdate:
                job.result = {"_dash_no_update": "_dash_no_update"}
            except Exception as error:
                job.result = {"background_callback_error": {"msg": str(error), "tb": traceback.format_exc()}}
            finally:
                job.is_running = False

        return run

    def call_job_fn(self, key: str, job_fn: Callable[..., None], args: Any, context: Mapping[str, Any]) -> str:
        job, name = _Job(key), str(next(self._numbers))
        with self._lock:
            self._jobs[name] = job
        thread = threading.Thread(target=copy_context().run, args=(job_fn, job, args, context), name=f"background-{name}", daemon=True)
        thread.start()
        return name

    def terminate_job(self, job: Any) -> None:
        with self._lock:
            self._jobs.pop(str(job), None)

    def terminate_unhealthy_job(self, job: Any) -> bool:
        return False

    def job_running(self, job: Any) -> bool:
        found = self._jobs.get(str(job))
        return found is not None and found.is_running

    def get_progress(self, key: str) -> Any:
        job = self._of(key)
        if job is None:
            return None
        said, job.progress = job.progress, None
        return said

    def result_ready(self, key: str) -> bool:
        job = self._of(key)
        return job is not None and job.result is not self.UNDEFINED

    def get_result(self, key: str, job: Any) -> Any:
        found = self._jobs.get(str(job))
        if found is None or found.result is self.UNDEFINED:
            return self.UNDEFINED
        return found.result

    def get_updated_props(self, key: str) -> dict[str, Any]:
        job = self._of(key)
        if job is None:
            return {}
        said = dict(job.properties)
        for name in said:
            job.properties.pop(name, None)
        if job.result is not self.UNDEFINED and not job.is_running:
            # Asked for after the result: nothing more will be.
            with self._lock:
                self._jobs = {name: each for name, each in self._jobs.items() if each is not job}
        return said

    def _of(self, key: str) -> _Job | None:
        """The last one of that key."""
        with self._lock:
            return next((job for job in reversed(self._jobs.values()) if job.key == key), None)


def _call(function: Callable[..., Any], before: tuple[Any, ...], arguments: Any) -> Any:
    if isinstance(arguments, dict):
        made = function(*before, **arguments)
    elif isinstance(arguments, Sequence) and not isinstance(arguments, str):
        made = function(*before, *arguments)
    else:
        made = function(*before, arguments)
    return asyncio.run(made) if inspect.iscoroutine(made) else made
