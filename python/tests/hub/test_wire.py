"""Frames and packets as bytes."""

from __future__ import annotations

import pytest

from pegboard.hub import _frames, _packets
from pegboard.hub._connection import address
from pegboard.hub._errors import ConnectionLost
from pegboard.hub._websocket import check


def server_frame(opcode: int, data: bytes, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    length = len(data)
    if length < 126:
        return head + bytes([length]) + data
    if length < 1 << 16:
        return head + bytes([126]) + length.to_bytes(2, "big") + data
    return head + bytes([127]) + length.to_bytes(8, "big") + data


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_001])
def test_a_frame_is_read_however_it_is_cut(size: int):
    data = bytes(number % 251 for number in range(size))
    whole = server_frame(_frames.BINARY, data) + server_frame(_frames.PING, b"p")
    steps = {1, 7, 1000, len(whole)} if size < 1000 else {1000, 65_536, len(whole)}
    for step in steps:
        frames = _frames.Frames(1 << 20)
        found = [message for start in range(0, len(whole), step) for message in frames.feed(whole[start : start + step])]
        assert found == [_frames.Message(_frames.BINARY, data), _frames.Message(_frames.PING, b"p")]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 126, 70_000])
def test_what_the_client_sends_is_masked(size: int):
    data = bytes(number % 256 for number in range(size))
    frame = _frames.encode(_frames.TEXT, data)
    assert frame[0] == 0x81 and frame[1] & 0x80
    start = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    assert _frames.masked(frame[start + 4 :], frame[start : start + 4]) == data


def test_pieces_make_one_message_with_control_frames_between():
    frames = _frames.Frames(100)
    bytes_in = server_frame(_frames.TEXT, b"a", False) + server_frame(_frames.PING, b"") + server_frame(_frames.CONTINUATION, b"b")
    assert frames.feed(bytes_in) == [_frames.Message(_frames.PING, b""), _frames.Message(_frames.TEXT, b"ab")]


@pytest.mark.parametrize(
    "data",
    [
        server_frame(_frames.CONTINUATION, b"x"),
        server_frame(_frames.TEXT, b"x", False) + server_frame(_frames.TEXT, b"y"),
        server_frame(_frames.PING, b"x", False),
        server_frame(_frames.PING, b"x" * 126),
        server_frame(_frames.TEXT, b"x" * 101),
        server_frame(_frames.TEXT, b"x" * 60, False) + server_frame(_frames.CONTINUATION, b"x" * 60),
        server_frame(3, b""),
        server_frame(11, b""),
        bytes([0xC1, 0]),
        bytes([0x81, 0x80, 0, 0, 0, 0]),
    ],
)
def test_what_is_no_frame_ends_the_connection(data: bytes):
    with pytest.raises(ConnectionLost):
        _frames.Frames(100).feed(data)


def test_the_handshake():
    # The example of RFC 6455, 1.3.
    assert _frames.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    check("HTTP/1.1 101 Switching\r\nSEC-WebSocket-Accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "dGhlIHNhbXBsZSBub25jZQ==")
    for head in ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: other\r\n\r\n", "x"):
        with pytest.raises(ConnectionLost):
            check(head, "dGhlIHNhbXBsZSBub25jZQ==")


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", _packets.Packet(0)),
        ('0/plugin,{"sid":"x"}', _packets.Packet(0, "/plugin", None, {"sid": "x"})),
        ("0/plugin", _packets.Packet(0, "/plugin")),
        ('2/plugin,12["e",{"a":1}]', _packets.Packet(2, "/plugin", 12, ["e", {"a": 1}])),
        ("3/plugin,0[]", _packets.Packet(3, "/plugin", 0, [])),
        ('51-/plugin,["e",{"_placeholder":true,"num":0}]', _packets.Packet(5, "/plugin", None, ["e", {"_placeholder": True, "num": 0}], 1)),
    ],
)
def test_packets(text: str, packet: _packets.Packet):
    assert _packets.decode(text) == packet


@pytest.mark.parametrize("text", ["", "x", "2/plugin,[", "5-/plugin,[]", "5x-/plugin,[]"])
def test_what_is_no_packet_ends_the_connection(text: str):
    with pytest.raises(ConnectionLost):
        _packets.decode(text)


def test_attachments():
    packet = _packets.decode('51-/plugin,["e",{"a":[{"_placeholder":true,"num":0}]}]')
    assert not packet.is_whole
    packet.parts.append(b"x")
    assert packet.whole().data == ["e", {"a": [b"x"]}]
    with pytest.raises(ConnectionLost):
        _packets.Packet(5, data={"_placeholder": True, "num": 3}, attachments=1, parts=[b""]).whole()
    encoded = _packets.encode(["e", {"a": (b"x", bytearray(b"y"))}])
    assert _packets.messages(_packets.EVENT, 3, encoded) == [
        '452-/plugin,3["e",{"a":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}]',
        b"x",
        b"y",
    ]


class Array:
    def tolist(self) -> list[int]:
        return [1, 2]


def test_values():
    assert _packets.encode({"a": Array()}).text == '{"a":[1,2]}'
    for value in (float("nan"), float("inf"), object(), {"a": {1, 2}}):
        with pytest.raises((TypeError, ValueError)):
            _packets.encode(value)
    assert "nan" in _packets.encode_line({"msg": "x", "share": float("nan"), "what": object()}).text


@pytest.mark.parametrize(
    ("host", "begins"),
    [
        ("http://127.0.0.1:8480", "ws://127.0.0.1:8480/socket.io/?transport=websocket&EIO=4&t="),
        ("https://hub.example/team/", "wss://hub.example/team/socket.io/?"),
        ("hub.example", "ws://hub.example/socket.io/?"),
    ],
)
def test_addresses(host: str, begins: str):
    assert address(host).startswith(begins)


def test_an_address_that_is_none():
    with pytest.raises(ValueError, match="not the address"):
        address("ftp://x")
