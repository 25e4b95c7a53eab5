"""Three levels that every logger has once `workbench` is imported: `trace`, `important`, `monitor`."""

from __future__ import annotations

import logging
from typing import Any, Final

__all__ = ["install"]

LEVELS: Final = {"trace": 15, "important": 25, "monitor": 35}


def install() -> None:
    """Adds the levels and their methods to `logging.Logger` itself."""
    for name, level in LEVELS.items():
        logging.addLevelName(level, name.upper())
        if not hasattr(logging.Logger, name):
            setattr(logging.Logger, name, _method(level))


def _method(level: int) -> Any:
    def say(self: logging.Logger, message: object, *arguments: object, **options: Any) -> None:
        if self.isEnabledFor(level):
            # The line of whoever called is shown, not this one.
            options["stacklevel"] = options.get("stacklevel", 1) + 1
            self._log(level, message, arguments, **options)

    return say
