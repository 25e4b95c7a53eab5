"""Framing: bytes in, frames out. No descriptor, no clock, no thread.

A frame is `u32 magic · u32 header length · u32 part count · u64 per part length · header · parts`, all little endian; the header is
one JSON object. After a `ProtocolError` the session is of no use any more.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pegboard._errors import ProtocolError

MAGIC: Final = 0x3142_4750
MAX_HEADER: Final = 64 << 20
MAX_PARTS: Final = 16 << 20
MAX_BODY: Final = 1 << 30
# In one frame; the kernel allows 253.
MAX_DESCRIPTORS: Final = 200
# One read.
READ_SIZE: Final = 64 << 10
MAX_READ: Final = 8 << 20

_PREFIX: Final = struct.Struct("<III")
# `json.loads` without its look at the encoding.
_read_json: Final = json.JSONDecoder().raw_decode


class Frame(NamedTuple):
    """One message: its header and its opaque parts."""

    header: dict[str, Any]
    parts: list[memoryview]


class Session:
    """Turns a stream of bytes into frames. Holds what is not yet a whole frame."""

    __slots__ = ("_chunks", "_count", "_header", "_lengths", "_needed", "_offset", "_size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._offset = 0
        self._size = 0
        self._reset()

    def _reset(self) -> None:
        self._needed = _PREFIX.size
        self._header = self._count = -1
        self._lengths: tuple[int, ...] | None = None

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)

    @property
    def read_size(self) -> int:
        """How much the next read should ask for."""
        missing = self._needed - self._size
        return READ_SIZE if missing < READ_SIZE else min(missing, MAX_READ)

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun and not ended: at the end of the stream that means it was cut."""
        return self._size > 0

    def next_frame(self) -> Frame | None:
        """The next whole frame, if it is there. Parts share one piece of memory."""
        while True:
            if self._size < self._needed:
                return None
            if len(self._chunks) > 1:
                if self._offset:
                    self._chunks[0] = self._chunks[0][self._offset :]
                    self._offset = 0
                self._chunks = [b"".join(self._chunks)]
            data, start = self._chunks[0], self._offset
            if self._count < 0:
                magic, self._header, self._count = _PREFIX.unpack_from(data, start)
                if magic != MAGIC:
                    raise ProtocolError(f"no frame begins here: found {magic:#010x}")
                _limit("header", self._header, MAX_HEADER)
                _limit("part count", self._count, MAX_PARTS)
                if self._count:
                    self._needed = _PREFIX.size + self._count * 8
                else:
                    self._lengths = ()
                    self._needed = _PREFIX.size + self._header
            elif self._lengths is None:
                self._lengths = struct.unpack_from(f"<{self._count}Q", data, start + _PREFIX.size)
                body = sum(self._lengths)
                _limit("body", body, MAX_BODY)
                self._needed += self._header + body
            else:
                return self._take(data, start, self._lengths)

    def _take(self, data: bytes, start: int, lengths: tuple[int, ...]) -> Frame:
        at = start + _PREFIX.size + self._count * 8
        end = at + self._header
        try:
            text = data[at:end].decode()
            header, length = _read_json(text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"unreadable message: {error}") from error
        if type(header) is not dict or length != len(text):
            raise ProtocolError("unreadable message: the header is not an object")
        parts: list[memoryview] = []
        if lengths:
            view = memoryview(data)
            for length in lengths:
                parts.append(view[end : end + length])
                end += length
        self._size -= end - start
        self._offset = end
        if not self._size:
            self._chunks.clear()
            self._offset = 0
        self._reset()
        return Frame(header, parts)


def head(header: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    """Prefix, lengths and header; the parts follow unchanged."""
    if len(header) > MAX_HEADER:
        raise ProtocolError(f"frame header of {len(header)} is over the limit of {MAX_HEADER}")
    if not parts:
        return _PREFIX.pack(MAGIC, len(header), 0) + header
    lengths = [len(part) for part in parts]
    return _PREFIX.pack(MAGIC, len(header), len(lengths)) + struct.pack(f"<{len(lengths)}Q", *lengths) + header


def _limit(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise ProtocolError(f"frame {what} of {size} is over the limit of {limit}")
