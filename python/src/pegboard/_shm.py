"""Shared values: blocks in sealed memory files.

    8 bytes magic `PGBVAL01` · u32 buffer count · u32 zero · u64 pickle length
    per buffer: u64 offset · u64 length
    the pickle (protocol 5) · the buffers, each on a multiple of 64 bytes          all little endian

Written with `pwrite`, never through a map: no space is then an error and not a bus error. Read through a private copy-on-write map
(or a read-only one), which lives as long as the last array that looks into it and is never closed by hand.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import resource
import struct
import sys
import weakref
from collections.abc import Sequence
from typing import Final

from pegboard._errors import BlockError
from pegboard._linux import create_memory_file

MAGIC: Final = b"PGBVAL01"
ALIGNMENT: Final = 64
_HEAD: Final = struct.Struct("<8sIIQ")
_ENTRY: Final = struct.Struct("<QQ")
_F_ADD_SEALS: Final = 1033
# seal, shrink, grow, write
_SEALS: Final = 1 | 2 | 4 | 8


class MappedBytes:
    """How many bytes of shared values are mapped now."""

    __slots__ = ("_references", "total")

    def __init__(self) -> None:
        self.total = 0
        self._references: set[weakref.ref[mmap.mmap]] = set()

    def add(self, block: mmap.mmap, size: int) -> None:
        def gone(reference: weakref.ref[mmap.mmap]) -> None:
            self.total -= size
            self._references.discard(reference)

        self.total += size
        self._references.add(weakref.ref(block, gone))


MAPPED: Final = MappedBytes()


def layout(pickled: int, buffers: Sequence[int]) -> tuple[bytes, list[int], int]:
    """Head of a block, offset of each buffer, size of the block."""
    at = _HEAD.size + len(buffers) * _ENTRY.size + pickled
    offsets: list[int] = []
    entries: list[bytes] = []
    for length in buffers:
        offset = -(-at // ALIGNMENT) * ALIGNMENT
        offsets.append(offset)
        entries.append(_ENTRY.pack(offset, length))
        at = offset + length
    return _HEAD.pack(MAGIC, len(buffers), 0, pickled) + b"".join(entries), offsets, at


def write_block(pickled: bytes, buffers: Sequence[memoryview]) -> tuple[int, int]:
    """A sealed memory file with the value; its descriptor, which is the caller's to close, and its size."""
    head, offsets, size = layout(len(pickled), [view.nbytes for view in buffers])
    descriptor = create_memory_file()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if soft != hard:
            # The plugin's limit is for files; a memory file counts against its memory.
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        try:
            os.ftruncate(descriptor, size)
            _write(descriptor, memoryview(head), 0)
            _write(descriptor, memoryview(pickled), len(head))
            for view, offset in zip(buffers, offsets, strict=True):
                _write(descriptor, view, offset)
        finally:
            if soft != hard:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, size


def read_block(descriptor: int, size: int, read_only: bool) -> tuple[memoryview, list[memoryview]]:
    """Maps a block: its pickle and its buffers. The descriptor may be closed afterwards."""
    if size < _HEAD.size or os.fstat(descriptor).st_size < size:
        raise BlockError(f"a shared value of {size} bytes is cut short")
    access = mmap.ACCESS_READ if read_only else mmap.ACCESS_COPY
    if sys.version_info >= (3, 13):
        block = mmap.mmap(descriptor, size, access=access, trackfd=False)
    else:
        # Keeps a copy of the descriptor for as long as it is mapped.
        block = mmap.mmap(descriptor, size, access=access)
    MAPPED.add(block, size)
    view = memoryview(block)
    magic, count, _, pickled = _HEAD.unpack_from(view, 0)
    start = _HEAD.size + count * _ENTRY.size
    if magic != MAGIC or start + pickled > size:
        raise BlockError("a shared value does not begin as one")
    buffers: list[memoryview] = []
    for index in range(count):
        offset, length = _ENTRY.unpack_from(view, _HEAD.size + index * _ENTRY.size)
        if offset + length > size:
            raise BlockError(f"buffer {index} of a shared value lies outside of it")
        buffers.append(view[offset : offset + length])
    return view[start : start + pickled], buffers


def _write(descriptor: int, view: memoryview, offset: int) -> None:
    while len(view):
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
