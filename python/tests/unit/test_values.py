"""Values to parts and back, and the layout of shared blocks."""

from __future__ import annotations

import gc
import os
import pickle
import struct
from typing import Any

import numpy
import pandas
import pytest

from pegboard._errors import BlockError, NoRoomError, UnpicklableError
from pegboard._shm import MAPPED, layout, read_block, write_block
from pegboard._values import Outgoing, Values

VALUES = Values(1000, False)


def dump(value: object) -> Outgoing:
    outgoing = Outgoing()
    VALUES.dump(value, outgoing)
    return outgoing


def test_layout():
    head, offsets, size = layout(10, [100, 0, 5])
    assert head[:24] == b"PGBVAL01" + struct.pack("<IIQ", 3, 0, 10)
    assert offsets == [128, 256, 256]
    assert size == 261
    assert struct.unpack("<6Q", head[24:]) == (128, 100, 256, 0, 256, 5)


def test_a_block_is_sealed_and_reads_back():
    descriptor, size = write_block(b"pickle", [memoryview(b"abc"), memoryview(bytes(100_000))])
    pickled, buffers = read_block(descriptor, size, True)
    assert bytes(pickled) == b"pickle"
    assert [bytes(buffer) for buffer in buffers] == [b"abc", bytes(100_000)]
    for break_it in (
        lambda: os.pwrite(descriptor, b"x", 0),
        lambda: os.ftruncate(descriptor, 1),
        lambda: os.ftruncate(descriptor, size + 1),
    ):
        with pytest.raises(OSError):
            break_it()
    os.close(descriptor)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (None, b"v"),
        (numpy.arange(10), b"v"),
        ("x" * 2000, b"s"),
        (bytes(2000), b"s"),
        (numpy.arange(1000.0), b"s"),
        (numpy.arange(1000.0).reshape(10, 100).T, b"s"),
        (numpy.arange(1000.0)[::2], b"s"),
        (numpy.zeros(0), b"v"),
        (pandas.DataFrame({"a": numpy.arange(1000.0), "b": ["x"] * 1000}), b"s"),
    ],
    ids=["none", "small-array", "text", "bytes", "array", "transposed", "strided", "empty", "frame"],
)
def test_values_come_back(value: Any, tag: bytes):
    outgoing = dump(value)
    part = memoryview(outgoing.parts[0])
    assert bytes(part[:1]) == tag
    assert len(outgoing.descriptors) == (tag == b"s")
    again = VALUES.load(part, outgoing.descriptors)
    if isinstance(value, pandas.DataFrame):
        assert again.equals(value)
    else:
        assert numpy.array_equal(again, value)
    outgoing.clear()


def test_mapped_bytes_follow_the_last_array():
    outgoing = dump(numpy.arange(100_000.0))
    gc.collect()
    before = MAPPED.total
    array = VALUES.load(memoryview(outgoing.parts[0]), outgoing.descriptors)
    outgoing.clear()
    assert MAPPED.total - before > 800_000
    small = array[:5]
    del array
    gc.collect()
    assert MAPPED.total - before > 800_000
    small[0] = 7
    del small
    gc.collect()
    assert MAPPED.total == before


def test_what_cannot_be_pickled():
    with pytest.raises(UnpicklableError) as caught:
        dump(lambda: 1)
    assert isinstance(caught.value.__cause__, (AttributeError, pickle.PicklingError))


def test_no_room(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NoRoomError):
        dump(numpy.zeros(10_000))
    assert len(os.listdir("/proc/self/fd")) == before


def test_short_writes_go_on(monkeypatch: pytest.MonkeyPatch):
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: whole(descriptor, data[:777], offset))
    outgoing = dump(numpy.arange(1000.0))
    assert (VALUES.load(memoryview(outgoing.parts[0]), outgoing.descriptors) == numpy.arange(1000.0)).all()
    outgoing.clear()


@pytest.mark.parametrize("part", [b"", b"x", b"s123", b"s" + struct.pack("<IQ", 3, 10)])
def test_malformed_parts(part: bytes):
    with pytest.raises(BlockError):
        VALUES.load(memoryview(part), [])


@pytest.mark.parametrize(
    "content",
    [
        b"PGBVAL01",
        b"NOTVAL01" + bytes(16),
        b"PGBVAL01" + struct.pack("<IIQ", 0, 0, 99),
        b"PGBVAL01" + struct.pack("<IIQQQ", 1, 0, 0, 1000, 1),
    ],
    ids=["short", "magic", "pickle-outside", "buffer-outside"],
)
def test_malformed_blocks(content: bytes, tmp_path: Any):
    (tmp_path / "block").write_bytes(content)
    with open(tmp_path / "block", "rb") as file, pytest.raises(BlockError):
        read_block(file.fileno(), len(content), False)
