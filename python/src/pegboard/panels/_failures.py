"""How an error of a plugin is told: one sentence, the traceback, the line in the plugin's own file, and what to do about it."""

from __future__ import annotations

import os
import traceback
from typing import Any

from pegboard._errors import message_of, traceback_of
from pegboard.panels._package import is_original, workbench_version

__all__ = ["PluginError", "failure", "line_in"]

PLACES = "put the package into `packages/` of the plugin folder, or name it in the folder's `requirements.txt`"
REMEDIES = (
    ("Subclasses must define a 'auto_load_page'", "write `auto_load_page = PluginPage.MODEL`, or another member, into the class"),
    (
        "Subclasses must define a 'plugin_input_type'",
        "write `plugin_input_type = PluginInputType.MODEL`, or another member, into the class",
    ),
    ("Missing required attribute", "give the class that attribute"),
    ("is not implemented by", "write that method, or take a base class that has it"),
    ("Can't instantiate abstract class", "write the methods that it names"),
)


class PluginError(Exception):
    """Something that a plugin did and that is no exception of its own. The hint says what to do."""

    def __init__(self, message: str, hint: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line


def failure(error: BaseException, file: str | None) -> dict[str, Any]:
    """The error as the server is told of it; `file` is the plugin's."""
    message = message_of(error)
    if not isinstance(error, PluginError):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, SystemExit):
        message = f"the file leaves the process: sys.exit({error.code!r})"
    return {
        "message": message,
        "traceback": None if isinstance(error, PluginError) and error.__cause__ is None else traceback_of(error),
        "line": line_in(error, file),
        "file": file,
        "hint": _hint(error, message, file),
    }


def line_in(error: BaseException, file: str | None) -> int | None:
    """The last line of the file on the way to the error."""
    if isinstance(error, PluginError):
        return error.line
    if file is None:
        return None
    if isinstance(error, SyntaxError) and _same(error.filename, file):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, file)]
    return lines[-1] if lines else None


def _hint(error: BaseException, message: str, file: str | None) -> str | None:
    if isinstance(error, PluginError):
        return error.hint
    if isinstance(error, SyntaxError):
        return "mend that line and save the file"
    if isinstance(error, SystemExit):
        if is_original():
            return "the original `workbench` leaves when `WORKBENCH_BUCKET` or a valid license is missing: the server's log has its words"
        return "take `sys.exit` out, or put it below `if __name__ == '__main__':`"
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        if top == "workbench" and is_original():
            return f"workbench {workbench_version()}, which the folder's `requirements.txt` asks for, does not have that module"
        if top in ("workbench", "sageworks"):
            return f"Pegboard does not provide `{error.name}`: docs/compat/workbench.md lists what it does"
        return PLACES
    if isinstance(error, ImportError) and (error.name or "").startswith(("workbench", "sageworks")):
        if is_original():
            return f"workbench {workbench_version()}, which the folder's `requirements.txt` asks for, does not have that name"
        return f"Pegboard's `{error.name}` does not have that name: docs/compat/workbench.md lists what it has"
    if isinstance(error, FileNotFoundError) and file is not None:
        return "name files relative to the plugin's own file (`Path(__file__).parent`): the working folder is another one"
    return next((remedy for words, remedy in REMEDIES if words in message), None)


def _same(one: str | None, other: str) -> bool:
    return one is not None and (one == other or os.path.realpath(one) == os.path.realpath(other))
