"""A hub of a few lines: what the client hears and says is in the hands of the test."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pegboard.hub import _frames

Json = dict[str, Any]


class Peer:
    """One connection as the hub sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.next_ack = 0

    async def text(self) -> str:
        message = await asyncio.wait_for(self.messages.get(), 5)
        assert isinstance(message, str), message
        return message

    async def event(self, name: str) -> Json:
        """The next event of that name; others are passed over. One that asks for an acknowledgement gets it."""
        while True:
            text = await self.text()
            if not text.startswith("42/plugin,"):
                continue
            rest = text[len("42/plugin,") :]
            digits = len(rest) - len(rest.lstrip("0123456789"))
            found, body = json.loads(rest[digits:])
            if digits:
                self.send(f"43/plugin,{rest[:digits]}[]")
            if found == name:
                return body

    def emit(self, name: str, body: object, ack: bool = False) -> None:
        number = ""
        if ack:
            self.next_ack += 1
            number = str(self.next_ack)
        self.send(f"42/plugin,{number}{json.dumps([name, body])}")

    def send(self, text: str) -> None:
        data = text.encode()
        head = bytes([0x81, len(data)]) if len(data) < 126 else bytes([0x81, 127]) + len(data).to_bytes(8, "big")
        self.writer.write(head + data)

    def drop(self) -> None:
        self.writer.transport.abort()

    async def read(self) -> None:
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                assert second & 0x80, "clients mask"
                length = second & 0x7F
                if length > 125:
                    length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
                mask = await self.reader.readexactly(4)
                data = _frames.masked(await self.reader.readexactly(length), mask)
                if first & 0x0F == _frames.CLOSE:
                    break
                self.messages.put_nowait(data if first & 0x0F == _frames.BINARY else data.decode())
        except (OSError, asyncio.IncompleteReadError):
            pass
        self.messages.put_nowait(None)
        self.writer.close()


class ScriptedHub:
    def __init__(self) -> None:
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, Json]] = []
        self.assets: list[Json] = []
        self.task: Json = {"_id": "T1", "answer": {"tools": [], "classifications": [], "relations": []}}
        self.port = 0
        self.open = {"sid": "S", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 100_000}
        self.welcome: Json | None = {"name": "Test", "features": ["progress", "cancel"]}
        self.on_connect: Callable[[Peer], None] | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As when the server's process ends: the port is closed, connections are cut."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def peer(self) -> tuple[Peer, Json]:
        """The next connection and its first heartbeat."""
        peer = await asyncio.wait_for(self.peers.get(), 5)
        beat = await peer.event("heartbeat")
        if self.welcome is not None:
            peer.emit("welcome", self.welcome)
        return peer, beat

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n")[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
            if target.startswith("/socket.io/"):
                await self._socket(Peer(reader, writer), headers["sec-websocket-key"])
            else:
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                status, answer = self._answer(method, target, body, headers)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(writer)

    async def _socket(self, peer: Peer, key: str) -> None:
        accept = _frames.accept(key)
        head = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}")
        peer.writer.write("".join(f"{line}\r\n" for line in (*head, "")).encode())
        peer.send("0" + json.dumps(self.open))
        reading = asyncio.ensure_future(peer.read())
        assert await peer.text() == "40/plugin,{}"
        peer.send('40/plugin,{"sid":"N"}')
        self.peers.put_nowait(peer)
        await reading

    def _answer(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/files/"):
            assert "apikey" not in headers
            if method == "PUT":
                assert "content-type" not in headers
                self.files[parts.path] = body
            return 200, self.files[parts.path]
        self.requests.append((method, parts.path, json.loads(body) if body else query))
        if headers.get("apikey") != "K1":
            return 401, json.dumps({"status": "fail", "message": "Invalid API KEY"}).encode()
        return 200, json.dumps({"status": "success", "data": self._data(parts.path, query)}).encode()

    def _data(self, path: str, query: Json) -> Json:
        if path == "/v2/export":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("export.ndjson", "\n".join(json.dumps(asset) for asset in self.assets))
            self.files["/files/export.zip"] = packed.getvalue()
            return {"exportPath": f"{self.host}/files/export.zip"}
        if path == "/v2/getUploadUrl":
            return {"uploadUrl": f"{self.host}/files/{query['name']}?up=1"}
        if path == "/v2/getSignedUrl":
            return {"signedUrl": unquote(query["name"]).partition("?")[0] + "?signed=1"}
        if path.startswith("/v2/task/"):
            return {"task": self.task}
        if path.endswith("/assets"):
            start = (int(query["page"]) - 1) * int(query["limit"])
            return {"assets": self.assets[start : start + int(query["limit"])], "total": len(self.assets)}
        return {}


def payload(session: str, **more: object) -> Json:
    return {
        "projectId": "P1",
        "orgId": "O1",
        "runBy": "U1",
        "apiKey": "K1",
        "session": session,
        "configJSON": '{"a": 1}',
        "batches": [],
        "tags": [],
        **more,
    }
