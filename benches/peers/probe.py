"""A peer's side of a conversation with `benches/run`: a line in asks for one measurement, a line of JSON out is it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["answer"]


def answer(measure: Callable[[dict[str, Any]], dict[str, Any]], about: dict[str, Any] | None = None) -> None:
    """Says that it is ready, then measures whenever asked, until the input ends."""
    # The peers' libraries write to standard output as well; the conversation keeps the real one to itself.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    say({"ready": True, **(about or {})})
    for line in sys.stdin:
        say(measure(json.loads(line)))
