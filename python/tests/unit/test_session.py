"""Framing on bytes, cut at every offset."""

from __future__ import annotations

import struct

import pytest

from pegboard._errors import ProtocolError
from pegboard._session import MAGIC, Session, head

HEADER = b'{"type":"x"}'
PARTS = [b"abc", b"", b"\7" * 300]
WHOLE = head(HEADER, PARTS) + b"".join(PARTS)


def test_layout():
    assert head(b"{}", [b"abc"]) == b"PGB1" + struct.pack("<IIQ", 2, 1, 3) + b"{}"


@pytest.mark.parametrize("parts", [[], PARTS], ids=["bare", "with-parts"])
def test_frames_survive_every_split(parts: list[bytes]):
    whole = head(HEADER, parts) + b"".join(parts)
    data = whole * 2
    for cut in range(len(data)):
        session, seen = Session(), 0
        for piece in (data[:cut], data[cut:]):
            session.feed(piece)
            while (frame := session.next_frame()) is not None:
                assert frame.header == {"type": "x"}
                assert [bytes(part) for part in frame.parts] == parts
                seen += 1
        assert seen == 2
        assert not session.is_inside_frame


def test_byte_by_byte():
    session, seen = Session(), 0
    for at in range(len(WHOLE)):
        session.feed(WHOLE[at : at + 1])
        seen += session.next_frame() is not None
    assert seen == 1


def test_a_large_frame_asks_for_large_reads():
    session = Session()
    session.feed(head(HEADER, [bytes(20 << 20)]))
    assert session.next_frame() is None
    assert session.read_size == 8 << 20
    assert session.is_inside_frame


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello, I am not a frame", "no frame begins here"),
        (struct.pack("<III", MAGIC, 0xFFFFFFFF, 0), "frame header of"),
        (struct.pack("<III", MAGIC, 1, 0xFFFFFFFF), "frame part count of"),
        (struct.pack("<IIIQ", MAGIC, 2, 1, 2**64 - 1), "frame body of"),
        (head(b"[1]", []), "not an object"),
        (head(b"{}{}", []), "not an object"),
        (head(b"{", []), "unreadable message"),
        (head(b"\xff", []), "unreadable message"),
        (head(b"[" * 100_000, []), "unreadable message"),
    ],
)
def test_garbage_is_refused_at_once(data: bytes, reason: str):
    session = Session()
    session.feed(data)
    with pytest.raises(ProtocolError, match=reason):
        session.next_frame()
