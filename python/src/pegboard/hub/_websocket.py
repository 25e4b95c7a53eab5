"""A WebSocket over asyncio's streams: connect, send, receive, close. The only module that holds a socket."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pegboard.hub import _frames
from pegboard.hub._errors import ConnectionLost

# Largest message that is taken: a run's payload holds a CSV file at most.
MESSAGE_LIMIT: Final = 256 << 20
READ: Final = 64 << 10


class WebSocket:
    """One open connection. `receive` is for one task; `send` for any."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = _frames.Frames(MESSAGE_LIMIT)
        self._ready: deque[_frames.Message] = deque()

    @classmethod
    async def connect(cls, url: str, *, timeout: float) -> WebSocket:
        """Opens `ws://…` or `wss://…`. Raises `ConnectionLost` saying why not."""
        parts = urlsplit(url)
        try:
            return await asyncio.wait_for(cls._connect(parts), timeout)
        except asyncio.TimeoutError:
            raise ConnectionLost(f"{parts.netloc} did not answer within {timeout:g} s") from None
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise ConnectionLost(f"cannot connect to {parts.netloc}: {error}") from error

    @classmethod
    async def _connect(cls, parts: SplitResult) -> WebSocket:
        secure = parts.scheme == "wss"
        context = ssl.create_default_context() if secure else None
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
        try:
            key = _frames.key()
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            origin = f"{'https' if secure else 'http'}://{parts.netloc}"
            lines = (
                f"GET {target} HTTP/1.1",
                f"Host: {parts.netloc.rpartition('@')[2]}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Origin: {origin}",
                f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13",
            )
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            check(head, key)
        except BaseException:
            writer.close()
            raise
        return cls(reader, writer)

    async def receive(self) -> str | bytes:
        """The next message. Answers pings on the way. Raises `ConnectionLost` when there is none any more."""
        while True:
            while self._ready:
                message = self._ready.popleft()
                if message.opcode == _frames.TEXT:
                    return message.data.decode("utf-8", "replace")
                if message.opcode == _frames.BINARY:
                    return message.data
                if message.opcode == _frames.PING:
                    await self._write(_frames.PONG, message.data)
                elif message.opcode == _frames.CLOSE:
                    with suppress(ConnectionLost):
                        await self._write(_frames.CLOSE, message.data[:2])
                    raise ConnectionLost(f"the hub closed the connection{closing(message.data)}")
            try:
                data = await self._reader.read(READ)
            except OSError as error:
                raise ConnectionLost(f"the connection broke: {error}") from error
            if not data:
                raise ConnectionLost("the hub closed the connection")
            self._ready.extend(self._frames.feed(data))

    async def send(self, message: str | bytes) -> None:
        """Sends one message; waits while the other side does not read."""
        if isinstance(message, str):
            await self._write(_frames.TEXT, message.encode("utf-8", "replace"))
        else:
            await self._write(_frames.BINARY, message)

    async def _write(self, opcode: int, data: bytes) -> None:
        try:
            self._writer.write(_frames.encode(opcode, data))
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ConnectionLost(f"the connection broke: {error}") from error

    async def close(self, code: int = 1000) -> None:
        """Says goodbye and closes. Never raises, never waits long."""
        with suppress(ConnectionLost, asyncio.TimeoutError):
            await asyncio.wait_for(self._write(_frames.CLOSE, code.to_bytes(2, "big")), 1)
        self._writer.close()
        with suppress(OSError, asyncio.TimeoutError, ssl.SSLError):
            await asyncio.wait_for(self._writer.wait_closed(), 1)


def check(head: str, key: str) -> None:
    """Whether the answer to a handshake is the right one."""
    status, *lines = head.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    words = status.split(" ", 2)
    if len(words) < 2 or words[1] != "101":
        raise ConnectionLost(f"the server does not speak WebSocket: {status.strip()}")
    if headers.get("sec-websocket-accept") != _frames.accept(key):
        raise ConnectionLost("the server's answer to the WebSocket handshake is wrong: is there a proxy between?")


def closing(data: bytes) -> str:
    """The code and reason of a closing frame, for a log line."""
    if len(data) < 2:
        return ""
    reason = data[2:].decode("utf-8", "replace")
    return f" ({int.from_bytes(data[:2], 'big')}{' ' + reason if reason else ''})"
