"""Engine.IO 4 and Socket.IO 5 packets as text. Pure.

`<engine digit>` `<socket digit>` `[<attachments>-]` `[/namespace,]` `[<ack id>]` `[json]`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pegboard.hub._errors import ConnectionLost

NAMESPACE: Final = "/plugin"

# Engine.IO
OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"

# Socket.IO
CONNECT: Final = 0
DISCONNECT: Final = 1
EVENT: Final = 2
ACK: Final = 3
CONNECT_ERROR: Final = 4
BINARY_EVENT: Final = 5
BINARY_ACK: Final = 6


@dataclass(slots=True)
class Packet:
    """One Socket.IO packet; `data` is what its JSON says, with attachments in place once they are there."""

    type: int
    namespace: str = "/"
    id: int | None = None
    data: Any = None
    attachments: int = 0
    parts: list[bytes] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return len(self.parts) >= self.attachments

    def whole(self) -> Packet:
        """The same with its attachments put where the placeholders are."""
        if self.attachments:
            self.data = _filled(self.data, self.parts)
        return self


def decode(text: str) -> Packet:
    """What follows the engine digit `4`. Raises `ConnectionLost` for what is not a packet."""
    try:
        type, rest = int(text[0]), text[1:]
        attachments = 0
        if type in (BINARY_EVENT, BINARY_ACK):
            number, _, rest = rest.partition("-")
            attachments = int(number)
        namespace = "/"
        if rest.startswith("/"):
            namespace, _, rest = rest.partition(",")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        id = int(rest[:digits]) if digits else None
        data = json.loads(rest[digits:]) if len(rest) > digits else None
    except (ValueError, IndexError) as error:
        raise ConnectionLost(f"the hub sent what is not a packet: {text[:80]!r}") from error
    return Packet(type, namespace, id, data, attachments)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as it goes over the wire: JSON and the bytes that its placeholders stand for."""

    text: str
    parts: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Of the largest message, in bytes."""
        return max(len(self.text), *map(len, self.parts), 0)


def encode(data: Any) -> Encoded:
    """Any plain value; arrays of numpy and its kind become lists. Raises `TypeError` or `ValueError` for what JSON cannot say."""
    parts: list[bytes] = []
    text = json.dumps(_taken_out(data, parts), allow_nan=False, separators=(",", ":"), default=_plain)
    return Encoded(text, tuple(parts))


def encode_line(data: Mapping[str, Any]) -> Encoded:
    """A log line, whatever is in it."""
    try:
        return Encoded(json.dumps(["log", data], allow_nan=False, separators=(",", ":"), default=repr))
    except (TypeError, ValueError, RecursionError):
        return Encoded(json.dumps(["log", {name: value if isinstance(value, str) else repr(value) for name, value in data.items()}]))


def messages(type: int, id: int | None = None, data: Encoded | None = None) -> list[str | bytes]:
    """The messages of one packet: its text, then its attachments."""
    parts = data.parts if data is not None else ()
    if parts:
        type = {EVENT: BINARY_EVENT, ACK: BINARY_ACK}[type]
    head = f"{MESSAGE}{type}{f'{len(parts)}-' if parts else ''}{NAMESPACE},{'' if id is None else id}"
    return [head + (data.text if data is not None else ""), *parts]


def _plain(value: object) -> object:
    """Numbers and arrays of numpy and its kind say themselves in plain values."""
    for name in ("tolist", "item"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent as JSON")


def _taken_out(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        parts.append(bytes(value))
        return {"_placeholder": True, "num": len(parts) - 1}
    if isinstance(value, dict):
        return {name: _taken_out(item, parts) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_taken_out(item, parts) for item in value]
    return value


def _filled(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            try:
                return parts[int(value["num"])]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ConnectionLost("the hub sent a binary packet without its attachment") from error
        return {name: _filled(item, parts) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, parts) for item in value]
    return value
