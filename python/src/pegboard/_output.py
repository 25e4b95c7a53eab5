"""Standard streams of a worker: line-buffered pipes to the server, flushed before every answer."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def attach(standard_output: int, standard_error: int) -> None:
    """Puts the pipes onto descriptors 1 and 2 and nothing onto 0; closes the originals."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, number in ((nothing, 0), (standard_output, 1), (standard_error, 2)):
        if source != number:
            os.dup2(source, number)
            os.close(source)
        os.set_inheritable(number, True)
    configure()


def configure() -> None:
    """Line-buffered text that never fails on a character.

    New streams rather than the old ones changed: those remember whether their descriptor could seek, and now it is another file.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def flush() -> None:
    """Sends what a plugin has printed; a stream that it has closed or replaced is its own affair."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        # The other one may still have something.
        with suppress(Exception):
            sys.stderr.flush()
