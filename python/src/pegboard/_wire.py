"""How a failure looks on the wire. Apart from the messages so that the errors can make one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireFailure:
    """How a failure is told: class and message as Python says them, the traceback, one sentence saying what to do."""

    kind: str
    class_: str
    message: str
    traceback: str | None = None
    hint: str | None = None
