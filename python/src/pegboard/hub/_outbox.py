"""What waits to be sent. Written from any thread, read by the client's one writer.

Invariants: order is kept; results are never dropped and come back until the hub has confirmed them; log lines are dropped, counted and
told when more than `LINES` wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pegboard.hub._packets import Encoded, encode_line

# Log lines that may wait, while the hub is away or slow.
LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One packet to be sent."""

    data: Encoded
    is_line: bool = False
    # Of the run that this is the result of: the hub has to confirm it.
    result_of: str | None = None
    # An acknowledgement: of this event, on this connection.
    acknowledges: tuple[int, int] | None = None
    made_at: float = field(default_factory=time.monotonic)


class Outbox:
    """First in, first out. `wake` is called, in any thread, when something was added."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: deque[Outgoing] = deque()
        self._lines = 0
        self._dropped: dict[str, dict[str, Any]] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting) + len(self._dropped)

    def put(self, outgoing: Outgoing) -> None:
        with self._lock:
            self._waiting.append(outgoing)
        self._wake()

    def put_line(self, line: Mapping[str, Any]) -> None:
        """A log line; may be dropped."""
        with self._lock:
            if self._lines >= LINES:
                note = self._dropped.setdefault(str(line.get("session")), {**line, "level": "WARNING", "dropped": 0})
                note["dropped"] += 1
                return
            self._lines += 1
        # Made outside of the lock: it takes longer than everything else here.
        outgoing = Outgoing(encode_line(line), is_line=True)
        with self._lock:
            self._waiting.append(outgoing)
        self._wake()

    def take(self) -> Outgoing | None:
        """The next thing to send."""
        with self._lock:
            if not self._waiting:
                if not self._dropped:
                    return None
                _, note = self._dropped.popitem()
                note["msg"] = f"{note['dropped']} log lines were left out: they came faster than they could be sent"
                return Outgoing(encode_line(note))
            outgoing = self._waiting.popleft()
            if outgoing.is_line:
                self._lines -= 1
            return outgoing

    def put_back(self, outgoing: Iterable[Outgoing]) -> None:
        """What was not sent, or not confirmed, before the connection broke: goes first again."""
        with self._lock:
            back = list(outgoing)
            self._waiting.extendleft(reversed(back))
            self._lines += sum(1 for one in back if one.is_line)

    def forget(self, unwanted: Callable[[Outgoing], bool]) -> None:
        """Takes out what is not to be sent any more."""
        with self._lock:
            kept = [one for one in self._waiting if not unwanted(one)]
            self._waiting = deque(kept)
            self._lines = sum(1 for one in kept if one.is_line)
