"""The structured logger. In a call, lines go to the run's log; elsewhere to standard error. Usable at import time."""

from __future__ import annotations

import datetime
import json
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pegboard import api

__all__ = ["Logger", "LoggerType", "configure_logger", "disable_logging", "get_logger", "log_once", "setup_logging"]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class _Settings:
    def __init__(self) -> None:
        self.least = 0
        self.format = "console"
        self.disabled = False
        self.seen: set[str] = set()
        self.lock = threading.Lock()


_settings: Final = _Settings()


class Logger:
    """A logger with fields bound to it. Each method takes an event and further fields."""

    __slots__ = ("_fields", "name")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self._fields = fields

    def bind(self, **fields: Any) -> Logger:
        return Logger(self.name, {**self._fields, **fields})

    def unbind(self, *names: str) -> Logger:
        return Logger(self.name, {key: value for key, value in self._fields.items() if key not in names})

    new = bind

    def debug(self, event: object = "", *values: object, **fields: Any) -> None:
        self._say("debug", event, values, fields)

    def info(self, event: object = "", *values: object, **fields: Any) -> None:
        self._say("info", event, values, fields)

    def warning(self, event: object = "", *values: object, **fields: Any) -> None:
        self._say("warning", event, values, fields)

    warn = warning

    def error(self, event: object = "", *values: object, **fields: Any) -> None:
        self._say("error", event, values, fields)

    def critical(self, event: object = "", *values: object, **fields: Any) -> None:
        self._say("critical", event, values, fields)

    def exception(self, event: object = "", *values: object, **fields: Any) -> None:
        """An error with the traceback of the exception that is being handled."""
        self._say("error", event, values, {"exc_info": True, **fields})

    def log(self, level: int | str, event: object = "", *values: object, **fields: Any) -> None:
        name = level if isinstance(level, str) else next((key for key, rank in LEVELS.items() if rank >= level), "critical")
        self._say(name.lower(), event, values, fields)

    async def adebug(self, event: object = "", *values: object, **fields: Any) -> None:
        self.debug(event, *values, **fields)

    async def ainfo(self, event: object = "", *values: object, **fields: Any) -> None:
        self.info(event, *values, **fields)

    async def awarning(self, event: object = "", *values: object, **fields: Any) -> None:
        self.warning(event, *values, **fields)

    async def aerror(self, event: object = "", *values: object, **fields: Any) -> None:
        self.error(event, *values, **fields)

    async def acritical(self, event: object = "", *values: object, **fields: Any) -> None:
        self.critical(event, *values, **fields)

    async def aexception(self, event: object = "", *values: object, **fields: Any) -> None:
        self.exception(event, *values, **fields)

    def _say(self, level: str, event: object, values: tuple[object, ...], fields: dict[str, Any]) -> None:
        if _settings.disabled or LEVELS.get(level, 20) < _settings.least:
            return
        if values and isinstance(event, str):
            try:
                event = event % values
            except (TypeError, ValueError):
                event = f"{event} {values}"
        fields = {**self._fields, **fields}
        trace = _traceback(fields.pop("exc_info", None))
        if api.current_run() is not None:
            text = " ".join([str(event), *(f"{key}={_shown(value)}" for key, value in fields.items())])
            api.log(level, f"{text}\n{trace}" if trace else text)
        else:
            sys.stderr.write(_line(level, self.name, event, fields, trace))


LoggerType = Logger


def get_logger(name: str = "", **bound: Any) -> Logger:
    return Logger(name, bound)


def configure_logger(level: str | int = "debug", format: str = "console", **options: Any) -> None:
    """Lines below the level are left out. `format` is that of lines on standard error: `console` or `json`."""
    _settings.least = LEVELS.get(level.lower(), 0) if isinstance(level, str) else level
    _settings.format = format


def setup_logging(*arguments: Any, **options: Any) -> None:
    """Nothing is to be set up: the worker is."""


@contextmanager
def disable_logging() -> Iterator[None]:
    """No lines inside the block."""
    before, _settings.disabled = _settings.disabled, True
    try:
        yield
    finally:
        _settings.disabled = before


def log_once(logger: Logger, level: str, event: str, **fields: Any) -> None:
    """A line that this process says only the first time."""
    with _settings.lock:
        if event in _settings.seen:
            return
        _settings.seen.add(event)
    logger.log(level, event, **fields)


def _traceback(wanted: object) -> str:
    error = sys.exc_info()[1] if wanted is True else wanted
    if isinstance(error, tuple) and len(error) == 3:
        error = error[1]
    if not isinstance(error, BaseException):
        return ""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def _shown(value: object) -> str:
    text = str(value)
    return repr(value) if isinstance(value, str) and (" " in text or not text) else text


def _line(level: str, name: str, event: object, fields: dict[str, Any], trace: str) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None).isoformat()
    if _settings.format == "json":
        record = {"logger_name": name, **fields, "event": str(event), "level": level, "timestamp": f"{now}Z"}
        if trace:
            record["exception"] = trace
        return json.dumps(record, default=str) + "\n"
    told = " ".join([f"event={event}", *(f"{key}={_shown(value)}" for key, value in fields.items())])
    return f"[{now}Z][{level}][{name}][{told}]\n" + (f"{trace}\n" if trace else "")
