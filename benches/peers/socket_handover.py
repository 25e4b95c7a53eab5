"""A large value from one process to the next as a pickle through a Unix socket."""

from __future__ import annotations

import multiprocessing
import pickle
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probe import answer

PLUGINS = Path(__file__).parent.parent / "plugins"
for module in ("producer", "consumer"):
    sys.path.insert(0, str(PLUGINS / module / "src"))

import pegboard_bench
import pegboard_bench_consumer

MAKERS: dict[str, Callable[[int], dict[str, Any]]] = {"array": pegboard_bench.array, "frame": pegboard_bench.frame}


def send(channel: socket.socket, value: object) -> None:
    body = pickle.dumps(value, protocol=5)
    channel.sendall(struct.pack("<Q", len(body)))
    channel.sendall(body)


def receive(channel: socket.socket) -> Any:  # noqa: ANN401 - whatever was sent
    (size,) = struct.unpack("<Q", channel.recv(8, socket.MSG_WAITALL))
    body = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        filled += channel.recv_into(body[filled:])
    return pickle.loads(body)


def consume(channel: socket.socket, other: socket.socket) -> None:
    other.close()
    import pandas  # noqa: F401 - the other side's worker has it imported as well

    while True:
        try:
            value = receive(channel)
        except struct.error:  # the producer has closed its end
            return
        send(channel, pegboard_bench_consumer.receive(value))


def main() -> None:
    import pandas  # noqa: F401

    ours, theirs = socket.socketpair()
    consumer = multiprocessing.get_context("fork").Process(target=consume, args=(theirs, ours), daemon=True)
    consumer.start()
    theirs.close()

    def measure(request: dict[str, Any]) -> dict[str, Any]:
        send(ours, MAKERS[request["value"]](request["megabytes"]))
        result: dict[str, Any] = receive(ours)
        return result

    answer(measure)
    ours.close()
    consumer.join(10)


if __name__ == "__main__":
    main()
