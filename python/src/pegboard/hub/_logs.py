"""Log lines of runs: the logger that a callback is given, and a handler for any other logger.

A line goes to the run's log on the hub and to the process's own log. Extra keyword arguments of the run's logger become fields of the
line; a traceback goes along with the line, cut in the middle when it is long.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pegboard.hub._payload import Payload

# The run that the current code belongs to: set in the callback's thread or task, inherited by tasks and `asyncio.to_thread`.
current: ContextVar[Payload | None] = ContextVar("pegboard_hub_run", default=None)
own: Final = logging.getLogger("pegboard.hub")
FIELDS: Final = "hub_fields"
# What `logging` itself takes besides the message.
KNOWN: Final = ("exc_info", "stack_info", "stacklevel", "extra")
MAX_TRACEBACK: Final = 20_000


class LogHandler(logging.Handler):
    """Sends records of any logger to the log of the run that is on where they are made. Outside of runs it does nothing.

    `logging.getLogger("my_library").addHandler(pegboard.hub.LogHandler())`
    """

    def emit(self, record: logging.LogRecord) -> None:
        run = current.get()
        if run is not None:
            send(run, record)


class RunLogger(logging.Logger):
    """The logger of one run: `payload.logger`, also `payload["logger"]`."""

    def __init__(self, payload: Payload) -> None:
        super().__init__(f"pegboard.hub.run.{payload.session}", logging.NOTSET)
        # One's own level is that of the process; the hub gets every line.
        self.parent = own
        self._payload = payload

    def isEnabledFor(self, level: int) -> bool:
        return True

    def callHandlers(self, record: logging.LogRecord) -> None:
        send(self._payload, record)
        if own.isEnabledFor(record.levelno):
            super().callHandlers(record)

    def _log(self, level: int, msg: object, args: Any, **keywords: Any) -> None:  # type: ignore[override]
        known = {name: keywords.pop(name) for name in KNOWN if name in keywords}
        extra: Mapping[str, Any] = known.pop("extra", None) or {}
        # `stacklevel` counts from the caller of the public method: one more frame lies between.
        known["stacklevel"] = known.get("stacklevel", 1) + 1
        super()._log(level, msg, args, extra={FIELDS: {**extra, **keywords}}, **known)


def send(run: Payload, record: logging.LogRecord) -> None:
    try:
        text = record.getMessage()
    except Exception as error:
        text = f"{record.msg} (cannot be filled with {record.args!r}: {error})"
    fields = dict(getattr(record, FIELDS, {}))
    if record.exc_info and record.exc_info[0] is not None:
        traceback = logging.Formatter().formatException(record.exc_info)
        if len(traceback) > MAX_TRACEBACK:
            traceback = f"{traceback[: MAX_TRACEBACK // 2]}\n…\n{traceback[-MAX_TRACEBACK // 2 :]}"
        fields["traceback"] = traceback
    run.context.log(record.levelname, text, fields)
