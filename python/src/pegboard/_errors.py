"""What can go wrong in the host, and how a plugin's exception is told.

BaseException
├── Cancelled                 raised in a call that somebody cancelled; no `except Exception` catches it
└── Exception
    ├── ProtocolError         bytes from the server that are not the protocol: the worker ends
    ├── ChannelClosed         the other side is gone: the worker ends
    ├── UnpicklableError      wraps what pickling raised
    ├── NoRoomError           wraps what the kernel said when a value was to be written to shared memory
    ├── BlockError            a shared value that is not one
    ├── TaskFailed            a failure that was told by a cluster's worker, or is about the cluster itself
    └── TargetError           wraps what resolving or binding a target raised
"""

from __future__ import annotations

import os
import traceback
from typing import Final

from pegboard._wire import WireFailure

# Longest texts that are told; the rest is cut.
MAX_MESSAGE: Final = 100_000
MAX_TRACEBACK: Final = 200_000
HOST_FOLDER: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Cancelled(BaseException):
    """The call was cancelled. Clean up and let it pass."""


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


class ChannelClosed(Exception):
    """The other side is gone."""


class NoRoomError(Exception):
    """A value cannot be written to shared memory; the cause says why."""


class BlockError(Exception):
    """A shared value is cut short or was never one."""


class UnpicklableError(Exception):
    """A value cannot be pickled; the cause says why."""


class TaskFailed(Exception):
    """Carries a failure from elsewhere as it was told there."""

    def __init__(self, failure: WireFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class TargetError(Exception):
    """A target does not resolve or cannot take its arguments; the cause says why, in the dialect's words."""


class ValidationError(ValueError):
    """Name under which Flowdapt's clients know a stage that is declared badly."""


def failure_of(error: BaseException, kind: str = "raised") -> WireFailure:
    """How the server is told of an exception. Wrappers of the host give way to what they wrap."""
    hint: str | None = None
    if isinstance(error, TaskFailed):
        return error.failure
    if isinstance(error, Cancelled):
        return WireFailure("cancelled", "Cancelled", message_of(error) or "the call was cancelled", traceback_of(error))
    if isinstance(error, (TargetError, UnpicklableError, NoRoomError)) and error.__cause__ is not None:
        kind = {TargetError: "target", UnpicklableError: "unpicklable", NoRoomError: "memory"}[type(error)]
        error = error.__cause__
    if isinstance(error, MemoryError):
        kind = "memory"
    if kind == "memory":
        hint = "raise `engine.memory`, or work on smaller pieces"
    elif kind == "unpicklable":
        hint = "return plain data: generators, lambdas, open files and classes defined inside a function cannot go to another process"
    elif kind == "target" and (found := _target_hint(error)):
        hint = found
    elif isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"add what provides `{error.name}` to the dependencies of the plugin's package, or correct the name"
    elif isinstance(error, SystemExit):
        hint = "return from the function instead of leaving the process"
    return WireFailure(kind, type(error).__name__, message_of(error), traceback_of(error), hint)


def _target_hint(error: BaseException) -> str | None:
    """What to do about a target, told from the dialect's own words for what is wrong with it."""
    message = message_of(error)
    if isinstance(error, ModuleNotFoundError):
        if "is not a package" in message:
            return "a target names a function of a module: a method of a class needs a function of the plugin around it"
        return None
    if isinstance(error, ImportError):
        if "isn't a valid module path" in message:
            return "write the target as a dotted path, such as `package.module.function`; no colon stands in it"
        if "does not have a `" in message:
            return "the module has no such name: check the spelling, and which version of the plugin is installed"
    if isinstance(error, TypeError) and ("was expected, got" in message or "is a built-in" in message):
        return "a target is a function or class written in Python: write a function that uses this, and name that"
    return None


def message_of(error: BaseException) -> str:
    """`str(error)`, also when that raises."""
    try:
        text = str(error)
    except Exception as inner:
        text = f"<{type(error).__name__} without a message: {type(inner).__name__} while making it>"
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}… ({len(text)} characters)"


def traceback_of(error: BaseException) -> str:
    """The traceback without the frames of the host."""
    try:
        told = traceback.TracebackException.from_exception(error)
        _leave_out_host(told)
        text = "".join(told.format())
    except Exception:
        text = f"{type(error).__name__}: {message_of(error)}\n"
    if len(text) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        text = f"{text[:half]}\n… ({len(text)} characters)\n{text[-half:]}"
    return text


def _leave_out_host(told: traceback.TracebackException | None) -> None:
    while told is not None:
        told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if not frame.filename.startswith(HOST_FOLDER)])
        if told.__context__ is not told.__cause__:
            _leave_out_host(told.__context__)
        told = told.__cause__
