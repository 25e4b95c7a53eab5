"""WebSocket frames as bytes (RFC 6455), the client's side. Pure: no socket, no clock.

Invariants: what the client sends is masked; what the server sends is not; control frames are short and whole; a message is handed out
when its last frame is there, never in parts.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from pegboard.hub._errors import ConnectionLost

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# Bytes that a frame's head has at most: two, eight of length; the server does not mask.
ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, or a control frame."""

    opcode: int
    data: bytes


def key() -> str:
    """What a handshake begins with."""
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def accept(key: str) -> str:
    """What the server has to answer to a key."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + ACCEPT_SUFFIX, usedforsecurity=False).digest()).decode("ascii")


def encode(opcode: int, data: bytes) -> bytes:
    """One masked frame that is the whole message."""
    length = len(data)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    mask = secrets.token_bytes(4)
    return head + mask + masked(data, mask)


def masked(data: bytes, mask: bytes) -> bytes:
    """`data` with `mask` laid over it. One wide operation: a loop over bytes would take seconds for megabytes."""
    if not data:
        return b""
    length = len(data)
    wide = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")).to_bytes(length, "big")


class Frames:
    """Bytes in, messages out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._opcode: int | None = None
        self._length = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete. Raises `ConnectionLost` for what is not the protocol."""
        self._buffer += data
        found: list[Message] = []
        while (frame := self._frame()) is not None:
            final, opcode, body = frame
            message = self._control(final, opcode, body) if opcode >= CLOSE else self._piece(final, opcode, body)
            if message is not None:
                found.append(message)
        return found

    def _frame(self) -> tuple[bool, int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70 or second & 0x80:
            raise ConnectionLost("the hub sent a frame with an extension or a mask")
        length, start = second & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > self._limit:
            raise ConnectionLost(f"the hub sent a frame of {length} bytes; {self._limit} are the limit")
        if len(buffer) < start + length:
            return None
        body = bytes(buffer[start : start + length])
        del buffer[: start + length]
        return bool(first & 0x80), first & 0x0F, body

    @staticmethod
    def _control(final: bool, opcode: int, body: bytes) -> Message:
        if not final or len(body) > 125 or opcode > PONG:
            raise ConnectionLost(f"the hub sent a control frame that is none (opcode {opcode})")
        return Message(opcode, body)

    def _piece(self, final: bool, opcode: int, body: bytes) -> Message | None:
        if (opcode == CONTINUATION) != (self._opcode is not None) or opcode > BINARY:
            raise ConnectionLost(f"the hub sent a frame out of order (opcode {opcode})")
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._parts.append(body)
        self._length += len(body)
        if self._length > self._limit:
            raise ConnectionLost(f"the hub sent a message of over {self._limit} bytes")
        if not final or self._opcode is None:
            return None
        message = Message(self._opcode, b"".join(self._parts))
        self._parts, self._opcode, self._length = [], None, 0
        return message
