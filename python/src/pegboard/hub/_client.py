"""The client: one plugin, one connection at a time, runs that outlive it.

Invariants: a run ends with one result; a result is sent until the hub confirms it; a session that arrives twice runs once; what a run
says comes before its result; a lost connection or a restarted hub ends no run.

Beyond what every client of the hub does, the heartbeat names this process and the sessions that it still works on. A hub that
understands this answers with `welcome` (what else it understands: `progress`, `cancel`) or `refused`; any other hub ignores it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from pegboard._errors import Cancelled, message_of
from pegboard._version import __version__
from pegboard.hub import _packets
from pegboard.hub._connection import Connection
from pegboard.hub._errors import ConnectionLost, HubRefused
from pegboard.hub._logs import own
from pegboard.hub._outbox import Outbox, Outgoing
from pegboard.hub._packets import Encoded, Packet, encode
from pegboard.hub._plugins import Plugin, Result
from pegboard.hub._runs import ActiveRun

T = TypeVar("T")

# Seconds between heartbeats.
BEAT: Final = 60
# Seconds before the first try to connect again, and at most.
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 20.0
# A connection that held so long was a good one: the next try comes soon.
GOOD: Final = 10.0
# Seconds after which a result counts as arrived although a hub that confirms nothing has not said so.
CONFIRMED: Final = 600
# Seconds between two progress messages of a run; as log lines, for a hub that knows no other way.
PROGRESS: Final = 0.25
PROGRESS_LINES: Final = 3.0
# Seconds that runs get to end when the process is asked to.
LEAVE: Final = 5.0


class Client:
    """Serves one plugin until `stop`. Make it inside the event loop that runs `serve`."""

    def __init__(self, plugin: Plugin[Any], host: str) -> None:
        self.host = host.rstrip("/") if "//" in host else f"http://{host.rstrip('/')}"
        self._plugin = plugin
        self._process = secrets.token_hex(12)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._slots = asyncio.Semaphore(plugin.concurrency)
        self._outbox = Outbox(self._wake_up)
        self._runs: dict[str, ActiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[str, float] = {}
        # Sent on this connection and not confirmed, by the id of the acknowledgement.
        self._unconfirmed: dict[int, Outgoing] = {}
        self._connections = 0
        self._acknowledgements = 0
        self._features: frozenset[str] = frozenset()
        self._shown: set[ActiveRun] = set()

    def stop(self) -> None:
        """Takes no more runs, gives those that are on a few seconds, and leaves."""
        self._stopping.set()

    # What runs say, in any thread

    def line(self, line: Mapping[str, Any]) -> None:
        self._outbox.put_line(line)

    def progressed(self, run: ActiveRun) -> None:
        self._shown.add(run)
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    # The connection

    async def serve(self) -> None:
        """Connects and stays connected. Returns after `stop`; raises `HubRefused` when the hub does not accept the plugin."""
        wait, complained = FIRST_WAIT, False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                connection = await self._unless_stopping(Connection.open(self.host))
                if connection is None:
                    break
                own.info("connected to %s", self.host)
                complained = False
                await self._serve(connection)
            except ConnectionLost as error:
                if self._stopping.is_set():
                    break
                if time.monotonic() - began >= GOOD:
                    wait = FIRST_WAIT
                if not complained:
                    own.warning("%s; trying again until it works", error)
                    complained = True
                # Apart from each other, so that a hub that comes back does not meet all its plugins in the same moment.
                await self._unless_stopping(asyncio.sleep(wait * random.uniform(0.5, 1)))
                wait = min(wait * 2, LONGEST_WAIT)

    async def _serve(self, connection: Connection) -> None:
        self._connections += 1
        number = self._connections
        self._features = frozenset()
        # First of all: only then does the hub know whose results those are that wait to be sent.
        try:
            await self._heartbeat(connection)
        except ConnectionLost:
            await connection.close()
            raise
        tasks = [
            asyncio.ensure_future(each)
            for each in (
                self._read(connection, number),
                self._write(connection, number),
                self._beat(connection),
                connection.watch(),
                self._leave(),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(tasks)
            await connection.close(leaving=self._stopping.is_set())
            self._outbox.forget(lambda one: one.acknowledges is not None and one.acknowledges[0] <= number)
            self._again()

    def _again(self) -> None:
        """Results that were sent and not confirmed wait again."""
        now = time.monotonic()
        back = [one for one in self._unconfirmed.values() if now - one.made_at < CONFIRMED]
        for one in self._unconfirmed.values():
            if one not in back and one.result_of is not None:
                self._forget(one.result_of)
        self._unconfirmed.clear()
        self._outbox.put_back(back)

    async def _leave(self) -> None:
        """Ends the connection some time after `stop`: when runs have ended and what they said is sent, or patience has."""
        await self._stopping.wait()
        own.info("leaving%s", f"; waiting for {len(self._tasks)} runs" if self._tasks else "")
        end = time.monotonic() + LEAVE
        while (self._tasks or self._unconfirmed or len(self._outbox)) and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def _beat(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(BEAT)
            await self._heartbeat(connection)

    async def _heartbeat(self, connection: Connection) -> None:
        about = {
            "id": self._plugin.id,
            "secret": self._plugin.secret,
            "client": f"pegboard/{__version__}",
            "process": self._process,
            "type": self._plugin.kind,
            "concurrency": self._plugin.concurrency,
            "running": list(self._runs),
        }
        await connection.send(_packets.messages(_packets.EVENT, None, encode(["heartbeat", about])))

    async def _write(self, connection: Connection, number: int) -> None:
        while True:
            self._wake.clear()
            while (outgoing := self._outbox.take()) is not None:
                await self._send(connection, number, outgoing)
            pending = self._show()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), PROGRESS if pending else None)

    async def _send(self, connection: Connection, number: int, outgoing: Outgoing) -> None:
        type, id = _packets.EVENT, None
        if outgoing.acknowledges is not None:
            if outgoing.acknowledges[0] != number:
                return
            type, id = _packets.ACK, outgoing.acknowledges[1]
        elif outgoing.result_of is not None:
            if outgoing.data.size > connection.max_message:
                outgoing = self._too_large(outgoing, connection.max_message)
            self._acknowledgements += 1
            id = self._acknowledgements
            # Before it is sent: when sending fails it is not known what arrived.
            self._unconfirmed[id] = outgoing
        elif outgoing.data.size > connection.max_message:
            return
        try:
            await connection.send(_packets.messages(type, id, outgoing.data))
        except (ConnectionLost, asyncio.CancelledError):
            if id is None:
                self._outbox.put_back([outgoing])
            raise

    def _too_large(self, outgoing: Outgoing, limit: int) -> Outgoing:
        session = outgoing.result_of or ""
        message = (
            f"the result has {outgoing.data.size} bytes and the hub takes {limit}: upload it (`payload.sdk.upload`) and return its address"
        )
        own.error("session %s: %s", session, message)
        return Outgoing(encode(["response", {"error": True, "session": session, "message": message}]), result_of=session)

    # What the hub says

    async def _read(self, connection: Connection, number: int) -> None:
        while True:
            packet = await connection.receive()
            if packet.type in (_packets.ACK, _packets.BINARY_ACK):
                confirmed = self._unconfirmed.pop(packet.id or 0, None)
                if confirmed is not None and confirmed.result_of is not None:
                    self._forget(confirmed.result_of)
                continue
            name, body = event_of(packet)
            if name == "plugin":
                self._arrived(body, number, packet.id)
                continue
            if name == "cancel":
                self._cancel(body)
            elif name == "welcome":
                self._features = frozenset(str(one) for one in body.get("features") or ())
                own.info("live: %s", body.get("name") or self._plugin.id)
            elif name == "refused":
                raise HubRefused(str(body.get("message") or "the hub does not accept this id and secret"))
            self._acknowledge(number, packet.id)

    def _arrived(self, values: dict[str, Any], number: int, id: int | None) -> None:
        session = str(values.get("session") or "")
        run = self._runs.get(session)
        if run is not None:
            # The hub asks again for what is on, or what it has not confirmed: it will get that.
            if run.is_over:
                self._acknowledge(number, id)
            elif id is not None:
                run.acknowledgements.append((number, id))
            return
        if self._stopping.is_set():
            return
        run = ActiveRun(self, self._plugin, values)
        if id is not None:
            run.acknowledgements.append((number, id))
        self._runs[session] = run
        task = asyncio.ensure_future(self._work(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel(self, body: dict[str, Any]) -> None:
        session = str(body.get("session") or "")
        run = self._runs.get(session)
        if run is not None and run.is_over:
            # The hub has it, or wants it no more: its confirmation was lost.
            self._outbox.forget(lambda one: one.result_of == session)
            self._unconfirmed = {id: one for id, one in self._unconfirmed.items() if one.result_of != session}
            self._forget(session)
        elif run is not None and not run.is_cancelled:
            own.info("session %s: cancelled", run.session)
            run.cancel()

    def _acknowledge(self, number: int, id: int | None) -> None:
        if id is not None:
            self._outbox.put(Outgoing(Encoded("[]"), acknowledges=(number, id)))

    def _forget(self, session: str) -> None:
        self._runs.pop(session, None)

    # Runs

    async def _work(self, run: ActiveRun) -> None:
        async with self._slots:
            own.debug("session %s: started", run.session)
            try:
                result = await run.execute()
                answer = None if result.is_stored else encode(["response", response(run.session, result)])
            except Cancelled as error:
                answer = self._failed(run, error, cancelled=True)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and self._stopping.is_set():
                    raise
                answer = self._failed(run, error, cancelled=run.is_cancelled)
        self._progress_of(run)
        run.is_over = True
        if answer is None:
            self._forget(run.session)
        else:
            self._outbox.put(Outgoing(answer, result_of=run.session))
        for number, id in run.acknowledgements:
            self._acknowledge(number, id)

    def _failed(self, run: ActiveRun, error: BaseException, *, cancelled: bool) -> Encoded:
        if cancelled:
            text = "the run was cancelled"
            own.info("session %s: %s", run.session, text)
        else:
            text = f"{type(error).__name__}: {message_of(error)}"
            run.payload.logger.error("Plugin callback failed: %s", text, exc_info=error)
        said = {"error": True, "session": run.session, "message": text}
        return encode(["response", {**said, "cancelled": True} if cancelled else said])

    def _show(self) -> bool:
        """Sends what runs said of their progress, unless they said something a moment ago. Whether something waits."""
        now, waits = time.monotonic(), False
        for run in list(self._shown):
            if now - self._told.get(run.session, 0) >= (PROGRESS if "progress" in self._features else PROGRESS_LINES):
                self._progress_of(run)
                self._told[run.session] = now
            else:
                waits = True
        return waits

    def _progress_of(self, run: ActiveRun) -> None:
        self._shown.discard(run)
        self._told.pop(run.session, None)
        said = run.take_progress()
        if said is None:
            return
        done, total, message = said
        if "progress" in self._features:
            progress = {"session": run.session, "done": done, "total": total, "message": message}
            with suppress(TypeError, ValueError):
                self._outbox.put(Outgoing(encode(["progress", progress])))
        elif total is not None:
            run.log("INFO", f"{message or 'Progress'}: [{total:g}/{done:g}]", {})

    async def _unless_stopping(self, work: Awaitable[T]) -> T | None:
        """What it gives, or None when `stop` was called before."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stop.cancel()


async def end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels them and waits. More than once: up to Python 3.11 a task that waits with a timeout can miss a cancellation."""
    running: set[asyncio.Task[None]] = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.1)
    for task in tasks:
        if not task.cancelled():
            # Looked at, so that nobody complains that it was not.
            task.exception()


def event_of(packet: Packet) -> tuple[str, dict[str, Any]]:
    """Name and body of an event; a body that is no object is none."""
    if not isinstance(packet.data, list) or not packet.data:
        return "", {}
    body = packet.data[1] if len(packet.data) > 1 else None
    return str(packet.data[0]), body if isinstance(body, dict) else {}


def response(session: str, result: Result) -> dict[str, Any]:
    """The body of the event that ends a run."""
    said = {"response": result.value, "session": session}
    return {"export": True, **said} if result.is_export else said
