"""A cluster on this machine that the drivers of one plugin share: the first one starts it, the others find it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from contextlib import suppress


def join_or_start(file: str, join: Callable[[str], None], start: Callable[[], str]) -> None:
    """`file` holds its address, in the working directory. One that is gone is replaced; it ends with the driver that started it."""
    with open(file, "a+", encoding="utf-8") as known:
        fcntl.flock(known, fcntl.LOCK_EX)
        known.seek(0)
        address = known.read().strip()
        if address:
            with suppress(Exception):
                join(address)
                return
        address = start()
        known.truncate(0)
        known.write(address)
