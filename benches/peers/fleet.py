"""Thousands of plugins in one process, on bare sockets, for both sides: the load must not cost more than what it measures.

Speaks what a plugin's client speaks (Engine.IO 4, Socket.IO 5, namespace `/plugin`): handshake, heartbeats, pongs. A run is
answered at once; its config may ask for log lines before the answer. Requests, a line of JSON each:

- `{"open": [[id, secret], …], "host": …, "port": …}`: connects, 64 at a time; the seconds until every one has sent its heartbeat.
- `{"beat": n}`: every plugin sends n heartbeats, the last one to be acknowledged; the seconds until all are.
- `{"idle": seconds}`: only answers.
- `{"close": true}`: leaves.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

AT_ONCE = 64


def frame(text: str) -> bytes:
    """A client's frame; the mask is all zeros, so the text stays what it is."""
    data = text.encode()
    length = len(data)
    if length < 126:
        head = bytes((0x81, 0x80 | length))
    elif length < 1 << 16:
        head = bytes((0x81, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x81, 0xFF)) + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + data


class Plugin:
    """One connection."""

    def __init__(self, fleet: Fleet, host: str, port: int, id: str, secret: str) -> None:
        self.fleet = fleet
        heartbeat = json.dumps(["heartbeat", {"id": id, "secret": secret}])
        self.beat = frame(f"42/plugin,{heartbeat}")
        self.last_beat = frame(f"42/plugin,1{heartbeat}")
        self.received = bytearray()
        self.is_upgraded = False
        self.out = bytearray()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex((host, port))
        self.send(
            f"GET /socket.io/?transport=websocket&EIO=4&t=1 HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nOrigin: http://{host}:{port}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send(self, data: bytes) -> None:
        if not self.out:
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, OSError):
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self.out += data
        self.fleet.wants_to_write(self)

    def writable(self) -> bool:
        """Whether all is out."""
        try:
            del self.out[: self.socket.send(self.out)]
        except BlockingIOError:
            pass
        return not self.out

    def readable(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the hub closed a connection")
        self.received += data
        if not self.is_upgraded:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self.received[:32]:
                raise RuntimeError(f"no WebSocket: {bytes(self.received[:200])!r}")
            del self.received[: end + 4]
            self.is_upgraded = True
        while (text := self.message()) is not None:
            self.handle(text)

    def message(self) -> str | None:
        received = self.received
        if len(received) < 2:
            return None
        length, start = received[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(received) < start:
                return None
            length = int.from_bytes(received[2:start], "big")
        if len(received) < start + length:
            return None
        if received[0] != 0x81:
            raise RuntimeError(f"not a text frame: {bytes(received[:20])!r}")
        text = received[start : start + length].decode()
        del received[: start + length]
        return text

    def handle(self, text: str) -> None:
        if text.startswith("2"):
            self.send(frame("3" + text[1:]))
        elif text.startswith("0"):
            self.send(frame("40/plugin,{}"))
        elif text.startswith("40/plugin"):
            self.send(self.beat)
            self.fleet.opened += 1
        elif text.startswith("43/plugin,"):
            self.fleet.acknowledged += 1
        elif text.startswith("42/plugin,"):
            self.run(text[len("42/plugin,") :])

    def run(self, text: str) -> None:
        digits = len(text) - len(text.lstrip("0123456789"))
        name, payload = json.loads(text[digits:])
        if name != "plugin":
            return
        session = payload["session"]
        said: list[str] = []
        for number in range(json.loads(payload["configJSON"]).get("lines", 0)):
            line = {"level": "INFO", "organization": "", "pluginId": "", "runBy": "", "session": session, "msg": str(number)}
            said.append(f"42/plugin,{json.dumps(['log', line])}")
        said.append(f"42/plugin,{json.dumps(['response', {'response': 'done', 'session': session}])}")
        if digits:
            said.append(f"43/plugin,{text[:digits]}[]")
        self.send(b"".join(map(frame, said)))


class Fleet:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.plugins: list[Plugin] = []
        self.opened = 0
        self.acknowledged = 0

    def wants_to_write(self, plugin: Plugin) -> None:
        if plugin.socket.fileno() in self.selector.get_map():
            self.selector.modify(plugin.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, plugin)

    def turn(self, timeout: float) -> str | None:
        """Handles what is ready; a line of input if there is one."""
        line = None
        for key, mask in self.selector.select(timeout):
            plugin = key.data
            if plugin is None:
                line = sys.stdin.readline()
                continue
            if mask & selectors.EVENT_WRITE and plugin.writable():
                self.selector.modify(plugin.socket, selectors.EVENT_READ, plugin)
            if mask & selectors.EVENT_READ:
                plugin.readable()
        return line

    def until(self, done: Callable[[], bool], seconds: float = 600) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.opened} of {len(self.plugins)} opened, {self.acknowledged} acknowledged, then nothing")
            self.turn(0.1)

    def open(self, host: str, port: int, who: list[list[str]]) -> None:
        for id, secret in who:
            self.until(lambda: len(self.plugins) - self.opened < AT_ONCE)
            plugin = Plugin(self, host, port, id, secret)
            self.plugins.append(plugin)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if plugin.out else 0)
            self.selector.register(plugin.socket, events, plugin)
        self.until(lambda: self.opened == len(self.plugins))

    def beat(self, times: int) -> None:
        self.acknowledged = 0
        for number in range(times):
            is_last = number == times - 1
            for count, plugin in enumerate(self.plugins):
                plugin.send(plugin.last_beat if is_last else plugin.beat)
                if count % 50 == 0:
                    self.turn(0)
        self.until(lambda: self.acknowledged == len(self.plugins))

    def close(self) -> None:
        for plugin in self.plugins:
            self.selector.unregister(plugin.socket)
            plugin.socket.close()
        self.plugins, self.opened = [], 0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        begin = time.perf_counter()
        if "open" in request:
            self.open(request["host"], request["port"], request["open"])
        elif "beat" in request:
            self.beat(request["beat"])
        elif "idle" in request:
            end = time.monotonic() + request["idle"]
            while (left := end - time.monotonic()) > 0:
                self.turn(left)
        elif "close" in request:
            self.close()
        return {"seconds": time.perf_counter() - begin}


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    fleet = Fleet()
    fleet.selector.register(sys.stdin, selectors.EVENT_READ, None)
    answers: dict[str, Any] = {"ready": True, "files": hard}
    while True:
        replies.write(json.dumps(answers) + "\n")
        replies.flush()
        line = None
        while line is None:
            line = fleet.turn(1)
        if not line:
            return
        answers = fleet.answer(json.loads(line))


if __name__ == "__main__":
    main()
