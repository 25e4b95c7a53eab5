"""The only module that holds a channel's descriptor.

A channel is one end of a Unix stream socket. Descriptors travel beside the first byte of their frame; they are kept in the order of
arrival, and a frame takes as many as its header claims. Sending is locked, so that threads of a plugin may log while a call is on;
receiving is for one thread at a time.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from pegboard._errors import ChannelClosed, ProtocolError
from pegboard._session import MAX_DESCRIPTORS, Frame, Session, head

# Channels live up here, out of the way of plugin code that closes or reuses low numbers.
FIRST_DESCRIPTOR: Final = 100
# Up to this sum of sizes one joined write is cheaper than a gathering one.
JOIN_LIMIT: Final = 64 << 10
# The kernel takes 1024 pieces in one write.
MAX_PIECES: Final = 1000

_ANCILLARY: Final = socket.CMSG_SPACE(253 * array.array("i").itemsize)
# Missing from the type stubs of some platforms, present on every Linux.
_CLOSE_ON_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0x4000_0000)


class Channel:
    """Frames over one socket."""

    __slots__ = ("_arrived", "_lock", "_session", "_socket")

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor over."""
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._session = Session()
        self._arrived: deque[int] = deque()
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @property
    def has_bytes(self) -> bool:
        """Whether more of the stream was read than has been given out: then waiting for the socket would be wrong."""
        return self._session.is_inside_frame

    def receive(self) -> tuple[Frame, list[int]]:
        """The next frame and its descriptors, which are the caller's to close. Blocks. `ChannelClosed` at the end."""
        session = self._session
        frame = session.next_frame()
        while frame is None:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(session.read_size, _ANCILLARY, _CLOSE_ON_EXEC)
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                    self._arrived.extend(numbers)
            if not data:
                raise ChannelClosed("closed inside a frame" if session.is_inside_frame else "closed")
            session.feed(data)
            frame = session.next_frame()
        promised = frame.header.get("descriptors")
        if not promised:
            return frame, []
        if type(promised) is not int or promised < 0 or promised > len(self._arrived):
            raise ProtocolError(f"message promises {promised} descriptors, {len(self._arrived)} arrived")
        return frame, [self._arrived.popleft() for _ in range(promised)]

    def send(self, header: bytes, parts: Sequence[bytes | memoryview] = (), descriptors: Sequence[int] = ()) -> None:
        """One whole frame. The descriptors stay the caller's."""
        if len(descriptors) > MAX_DESCRIPTORS:
            raise ProtocolError(f"frame descriptors of {len(descriptors)} is over the limit of {MAX_DESCRIPTORS}")
        first = head(header, parts)
        try:
            with self._lock:
                if not parts and not descriptors:
                    self._socket.sendall(first)
                elif len(parts) == 1 and not descriptors and len(parts[0]) <= JOIN_LIMIT:
                    self._socket.sendall(first + parts[0])
                else:
                    self._gather([first, *parts], descriptors)
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def _gather(self, pieces: list[bytes | memoryview], descriptors: Sequence[int]) -> None:
        if sum(map(len, pieces)) <= JOIN_LIMIT:
            pieces = [b"".join(pieces)]
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        at = 0
        while at < len(pieces):
            sent = self._socket.sendmsg(pieces[at : at + MAX_PIECES], ancillary)
            ancillary = []
            while at < len(pieces) and sent >= len(pieces[at]):
                sent -= len(pieces[at])
                at += 1
            if sent:
                pieces[at] = memoryview(pieces[at])[sent:]


def move_up(descriptor: int) -> int:
    """A copy with a high number, closed on exec; the original is closed."""
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    except OSError:
        # The limit of open files leaves no room up there.
        os.set_inheritable(descriptor, False)
        return descriptor
    os.close(descriptor)
    return moved
