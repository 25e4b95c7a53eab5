"""One Socket.IO connection: handshake, pings, packets. Knows nothing of runs."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from pegboard.hub import _packets
from pegboard.hub._errors import ConnectionLost, HubRefused
from pegboard.hub._packets import Packet
from pegboard.hub._websocket import WebSocket

# Seconds for each step until the namespace is open.
TIMEOUT: Final = 10


class Connection:
    """An open one. `receive` is for one task; `send` for any."""

    def __init__(self, socket: WebSocket, silence: float, max_message: int) -> None:
        self._socket = socket
        self._silence = silence
        self._heard_at = time.monotonic()
        self._sending = asyncio.Lock()
        self.max_message = max_message
        """Largest message that the hub takes, in bytes."""

    @classmethod
    async def open(cls, host: str) -> Connection:
        """Connects to the hub at `http://…` or `https://…`. Raises `ConnectionLost`, or `HubRefused` when it says no."""
        socket = await WebSocket.connect(address(host), timeout=TIMEOUT)
        try:
            return await asyncio.wait_for(cls._enter(socket), TIMEOUT)
        except asyncio.TimeoutError:
            await socket.close()
            raise ConnectionLost("the hub accepted the connection and then said nothing") from None
        except BaseException:
            await socket.close()
            raise

    @classmethod
    async def _enter(cls, socket: WebSocket) -> Connection:
        first = await socket.receive()
        if not isinstance(first, str) or not first.startswith(_packets.OPEN):
            raise ConnectionLost("what answers there is no hub: it does not begin as one")
        try:
            about = json.loads(first[1:])
            silence = (about["pingInterval"] + about["pingTimeout"]) / 1000
            max_message = int(about.get("maxPayload") or 1 << 60)
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionLost(f"the hub opened with what is not understood: {first[:200]!r}") from error
        connection = cls(socket, silence, max_message)
        await connection.send(_packets.messages(_packets.CONNECT, None, _packets.encode({})))
        while True:
            packet = await connection._packet()
            if packet.type == _packets.CONNECT and packet.namespace == _packets.NAMESPACE:
                return connection
            if packet.type == _packets.CONNECT_ERROR:
                reason = packet.data.get("message") if isinstance(packet.data, dict) else packet.data
                raise HubRefused(f"the hub refuses the connection: {reason}")

    async def watch(self) -> None:
        """Raises `ConnectionLost` when the hub says nothing for too long: it pings more often than that."""
        while (left := self._heard_at + self._silence - time.monotonic()) > 0:
            await asyncio.sleep(left)
        raise ConnectionLost(f"nothing was heard of the hub for {self._silence:g} s")

    async def receive(self) -> Packet:
        """The next event or acknowledgement. Raises `ConnectionLost` when there is none any more."""
        while True:
            packet = await self._packet()
            if packet.namespace != _packets.NAMESPACE:
                continue
            if packet.type == _packets.DISCONNECT:
                raise ConnectionLost("the hub ended the connection")
            if packet.type in (_packets.EVENT, _packets.ACK, _packets.BINARY_EVENT, _packets.BINARY_ACK):
                return packet

    async def _packet(self) -> Packet:
        partial: Packet | None = None
        while True:
            message = await self._socket.receive()
            self._heard_at = time.monotonic()
            if isinstance(message, bytes):
                if partial is None:
                    raise ConnectionLost("the hub sent bytes that belong to nothing")
                partial.parts.append(message)
            elif message.startswith(_packets.MESSAGE):
                partial = _packets.decode(message[1:])
            elif message.startswith(_packets.PING):
                await self.send([_packets.PONG + message[1:]])
                continue
            elif message.startswith(_packets.CLOSE):
                raise ConnectionLost("the hub ended the connection")
            else:
                continue
            if partial.is_whole:
                return partial.whole()

    async def send(self, messages: list[str | bytes]) -> None:
        """Sends the messages of one packet, with nothing between them."""
        async with self._sending:
            for message in messages:
                await self._socket.send(message)

    async def close(self, *, leaving: bool = False) -> None:
        """Closes. Who is `leaving` says so: its runs can be given to another process at once. Never raises."""
        if leaving:
            with suppress(ConnectionLost, asyncio.TimeoutError):
                await asyncio.wait_for(self.send([*_packets.messages(_packets.DISCONNECT), _packets.CLOSE]), 1)
        await self._socket.close()


def address(host: str) -> str:
    """Where the socket of a hub is."""
    parts = urlsplit(host if "//" in host else f"http://{host}")
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError(f"`{host}` is not the address of a hub; write it as http://127.0.0.1:8480")
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/socket.io/?transport=websocket&EIO=4&t={time.time()}"
