"""Many clients against a small server of the test's own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from measuring.crowd import Crowd, head_and_length


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(self.path)
        self.send_response(200 if body == b'{"n": 1}' else 400)
        self.send_header("Content-Length", str(len(body) * 1000))
        self.end_headers()
        self.wfile.write(body * 1000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    _Echo.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("count", [1, 8, 50])
def test_every_post_has_its_answer(server: ThreadingHTTPServer, count: int) -> None:
    with Crowd("127.0.0.1", server.server_port, 8) as crowd:
        seconds, replies = crowd.post("/x", {"n": 1}, count)

    assert seconds > 0
    assert [(reply.status, reply.body) for reply in replies] == [(200, b'{"n": 1}' * 1000)] * count
    assert _Echo.seen == ["/x"] * count


def test_a_refusal_is_an_answer(server: ThreadingHTTPServer) -> None:
    with Crowd("127.0.0.1", server.server_port, 1) as crowd:
        assert [reply.status for reply in crowd.post("/x", {}, 1)[1]] == [400]


def test_the_length_of_an_answer_is_read_from_its_head() -> None:
    assert head_and_length(b"HTTP/1.1 200 OK\r\nContent-Le") is None
    found = head_and_length(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
    assert found is not None and found[1] == len(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
    with pytest.raises(RuntimeError, match="without a length"):
        head_and_length(b"HTTP/1.1 200 OK\r\n\r\n")
