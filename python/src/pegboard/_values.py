"""Values to parts of a frame and back: one tag byte, then the rest.

`v` a pickle, protocol 5 · `s` u32 index among the frame's descriptors, u64 size of the block · `j` JSON text · `e` a failure.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Sequence
from typing import Final

from pegboard._errors import BlockError, NoRoomError, UnpicklableError
from pegboard._messages import dump_json, failure_dict
from pegboard._shm import read_block, write_block
from pegboard._wire import WireFailure

INLINE: Final = ord("v")
SHARED: Final = ord("s")
JSON: Final = ord("j")
FAILURE: Final = ord("e")
_SHARED: Final = struct.Struct("<cIQ")


class Outgoing:
    """Parts and descriptors of a frame that is being put together."""

    __slots__ = ("descriptors", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes | memoryview] = []
        self.descriptors: list[int] = []
        self.size = 0

    def append(self, part: bytes) -> None:
        self.parts.append(part)
        self.size += len(part)

    def clear(self) -> None:
        """Forgets everything and closes the descriptors: they have been sent, or never will be."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.parts, self.descriptors, self.size = [], [], 0


class Values:
    """Reads and writes values as the server's hello wants them."""

    __slots__ = ("_inline_limit", "_read_only")

    def __init__(self, inline_limit: int, read_only: bool) -> None:
        self._inline_limit = inline_limit
        self._read_only = read_only

    def dump(self, value: object, into: Outgoing) -> None:
        """Adds a value. `UnpicklableError` when it cannot be pickled; `NoRoomError` or `MemoryError` when there is no room for it."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            pickled = pickle.dumps(value, 5, buffer_callback=buffers.append)
            if not buffers and len(pickled) <= self._inline_limit:
                into.parts.append(b"v" + pickled)
                into.size += len(pickled) + 1
                return
            views = self._views(buffers)
            if views is None or len(pickled) + sum(view.nbytes for view in views) <= self._inline_limit:
                views = []
                pickled = pickle.dumps(value, 5)
                if len(pickled) <= self._inline_limit:
                    into.append(b"v" + pickled)
                    return
        except MemoryError:
            raise
        except Exception as error:
            raise UnpicklableError from error
        self._share(pickled, views, into)

    def give(self, pickled: bytes, views: Sequence[memoryview], into: Outgoing) -> None:
        """Adds a value that is pickled already."""
        if not views and len(pickled) <= self._inline_limit:
            into.append(b"v" + pickled)
        else:
            self._share(pickled, views, into)

    @staticmethod
    def _share(pickled: bytes, views: Sequence[memoryview], into: Outgoing) -> None:
        try:
            descriptor, size = write_block(pickled, views)
        except OSError as error:
            raise NoRoomError from error
        into.descriptors.append(descriptor)
        into.append(_SHARED.pack(b"s", len(into.descriptors) - 1, size))

    @staticmethod
    def _views(buffers: Sequence[pickle.PickleBuffer]) -> list[memoryview] | None:
        try:
            return [buffer.raw() for buffer in buffers]
        except BufferError:
            # Not contiguous: it can only go in band.
            return None

    def load(self, part: memoryview, descriptors: Sequence[int]) -> object:
        """The value of a part."""
        if len(part) and part[0] == JSON:
            return json.loads(bytes(part[1:]))
        pickled, buffers = self.take(part, descriptors)
        return pickle.loads(pickled, buffers=buffers)

    def take(self, part: memoryview, descriptors: Sequence[int]) -> tuple[memoryview | bytes, Sequence[memoryview]]:
        """The pickle of a part and its buffers."""
        tag = part[0] if len(part) else 0
        if tag == INLINE:
            return part[1:], ()
        if tag == SHARED and len(part) == _SHARED.size:
            _, index, size = _SHARED.unpack(part)
            if index >= len(descriptors):
                raise BlockError(f"a shared value names descriptor {index} of {len(descriptors)}")
            return read_block(descriptors[index], size, self._read_only)
        if tag == JSON:
            return pickle.dumps(json.loads(bytes(part[1:])), 5), ()
        raise BlockError(f"a value of {len(part)} bytes has an unknown tag")


def failure_part(failure: WireFailure) -> bytes:
    return b"e" + dump_json(failure_dict(failure))
