"""A hub in the way that one writes it in Python: python-socketio on uvicorn. Does what ours does: checks the secret of every
heartbeat, keeps who is live, dispatches runs, keeps their state, log lines and results in SQLite, durably.

`socketio_hub.py FOLDER` reads a JSON object of plugin ids and secrets from standard input and says `listening on http://…`
when it is ready. `POST /run/<id>` runs a plugin and answers with what it answered, `GET /log/<session>` gives the lines,
`GET /live` the number of live plugins.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import resource
import secrets
import socket
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import socketio
import uvicorn

Json = dict[str, Any]
TIME_TO_LIVE = 150.0


class Hub:
    def __init__(self, known: dict[str, str], folder: Path) -> None:
        self.database = sqlite3.connect(folder / "hub.sqlite", isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY, plugin TEXT, config TEXT, state TEXT, result TEXT)")
        self.database.execute("CREATE TABLE lines (session TEXT, text TEXT)")
        self.hashes = {id: hashlib.sha256(secret.encode()).digest() for id, secret in known.items()}
        self.heard: dict[str, float] = {}
        self.connections: dict[str, str] = {}
        self.plugins: dict[str, str] = {}
        self.waiting: dict[str, asyncio.Future[Json]] = {}
        self.lines: dict[str, list[str]] = {}
        # As patient with a busy machine as ours is.
        patience = {"ping_interval": 25, "ping_timeout": 60}
        self.server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", max_http_buffer_size=64 << 20, **patience)
        self.server.on("heartbeat", self.heartbeat, namespace="/plugin")
        self.server.on("log", self.log, namespace="/plugin")
        self.server.on("response", self.response, namespace="/plugin")
        self.server.on("disconnect", self.disconnect, namespace="/plugin")
        self.server.on("connect", self.connect, namespace="/plugin")

    async def connect(self, sid: str, environ: Json, auth: object = None) -> None:
        pass

    async def heartbeat(self, sid: str, said: Json) -> None:
        id, secret = said["id"], said["secret"]
        if hmac.compare_digest(self.hashes.get(id, b""), hashlib.sha256(secret.encode()).digest()):
            self.heard[id] = time.monotonic()
            self.connections[id] = sid
            self.plugins[sid] = id

    async def log(self, sid: str, said: Json) -> None:
        if sid in self.plugins:
            self.lines.setdefault(said["session"], []).append(said["msg"])

    async def response(self, sid: str, said: Json) -> None:
        waiting = self.waiting.pop(said["session"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(said)

    async def disconnect(self, sid: str, reason: object = None) -> None:
        id = self.plugins.pop(sid, None)
        if id is not None and self.connections.get(id) == sid:
            del self.connections[id]

    async def run(self, id: str, config: str) -> Json:
        session = secrets.token_hex(12)
        self.waiting[session] = asyncio.get_running_loop().create_future()
        payload = {
            "projectId": "p",
            "apiKey": "k",
            "orgId": "o",
            "runBy": "u",
            "session": session,
            "configJSON": config,
            "batches": [],
        }
        waiting = self.waiting[session]
        # On disk before it is acknowledged, when it is sent, and at its end.
        self.database.execute("INSERT INTO sessions VALUES (?, ?, ?, 'queued', NULL)", (session, id, config))
        self.database.execute("UPDATE sessions SET state = 'running' WHERE id = ?", (session,))
        await self.server.emit("plugin", payload, to=self.connections[id], namespace="/plugin")
        answer = await waiting
        self.database.execute("BEGIN")
        lines = self.lines.get(session, [])
        self.database.executemany("INSERT INTO lines VALUES (?, ?)", [(session, line) for line in lines])
        self.database.execute("UPDATE sessions SET state = 'finished', result = ? WHERE id = ?", (json.dumps(answer), session))
        self.database.execute("COMMIT")
        return answer

    def live(self) -> int:
        now = time.monotonic()
        return sum(1 for id in self.connections if now - self.heard[id] < TIME_TO_LIVE)

    async def app(self, scope: Json, receive: Callable[[], Awaitable[Json]], send: Callable[[Json], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        word, _, rest = scope["path"].strip("/").partition("/")
        found: object
        if word == "run":
            found = await self.run(rest, body.decode() or "{}")
        elif word == "log":
            found = self.lines.get(rest, [])
        else:
            found = self.live()
        text = json.dumps(found).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": text})


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub = Hub(json.load(sys.stdin), Path(sys.argv[1]))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What is accepted inherits it. Without, answers wait forty milliseconds for an acknowledgement, which is nobody's speed.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    app = socketio.ASGIApp(hub.server, other_asgi_app=hub.app)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, backlog=4096, ws_ping_interval=None, timeout_keep_alive=600)
    )
    sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
