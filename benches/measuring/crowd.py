"""Many clients at once, from one thread: the load must not cost more than what it measures."""

from __future__ import annotations

import json
import selectors
import socket
import time
from dataclasses import dataclass, field

__all__ = ["Crowd", "Reply", "head_and_length"]


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    body: bytes


@dataclass
class _Client:
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)


def head_and_length(received: bytes | bytearray) -> tuple[bytes, int] | None:
    """The head of an answer and the length of all of it; none while the head is not there."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end])
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return head, end + 4 + int(value)
    raise RuntimeError(f"an answer without a length: {head!r}")


class Crowd:
    """So many clients with a connection each, each asking again when it has its answer."""

    def __init__(self, host: str, port: int, clients: int) -> None:
        self._host = f"{host}:{port}"
        self._clients = [_Client(socket.create_connection((host, port))) for _ in range(clients)]
        for client in self._clients:
            client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connection.setblocking(False)

    def post(self, path: str, body: object, count: int) -> tuple[float, list[Reply]]:
        """Posts that often in all; the seconds until the last answer is there, and the answers."""
        text = json.dumps(body).encode()
        request = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        ).encode() + text
        replies: list[Reply] = []
        sent = 0
        with selectors.DefaultSelector() as selector:
            begin = time.perf_counter()
            for client in self._clients[:count]:
                client.connection.send(request)  # a small request fits into any socket's buffer
                selector.register(client.connection, selectors.EVENT_READ, client)
                sent += 1
            while len(replies) < count:
                ready = selector.select(timeout=600)
                if not ready:
                    raise RuntimeError(f"no answer in ten minutes; {len(replies)} of {count} came")
                for key, _ in ready:
                    client = key.data
                    if self._read(client, replies):
                        if sent < count:
                            client.connection.send(request)
                            sent += 1
                        else:
                            selector.unregister(client.connection)
            seconds = time.perf_counter() - begin
        return seconds, replies

    @staticmethod
    def _read(client: _Client, replies: list[Reply]) -> bool:
        piece = client.connection.recv(1 << 16)
        if not piece:
            raise RuntimeError("the server closed a connection")
        client.received += piece
        found = head_and_length(client.received)
        if found is None or len(client.received) < found[1]:
            return False
        head, length = found
        status = int(head.split(b" ", 2)[1])
        start = len(head) + 4
        replies.append(Reply(status, bytes(client.received[start:length])))
        del client.received[:length]
        return True

    def close(self) -> None:
        for client in self._clients:
            client.connection.close()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
