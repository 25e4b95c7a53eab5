"""A driver: a worker whose stages run on a cluster.

It binds nothing and unpickles nothing: parts go to the cluster as they came, results go to the server as the cluster gives them.
Invariants: outcomes of items keep their order; after a cancel or a failure nothing of the call is left under way; a cluster that is gone
ends the call, and the next call connects anew.
"""

from __future__ import annotations

import queue
import sys
import time
import uuid
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from pegboard import _resources
from pegboard._errors import Cancelled, TaskFailed
from pegboard._loader import Target
from pegboard._messages import Items, Stage
from pegboard._remote import Answer, Common, Portable, digest_of
from pegboard._resources import Resources
from pegboard._run import RunContext, connection
from pegboard._spoken import Listener, Record, address_towards, replay
from pegboard._values import Outgoing, Values, failure_part
from pegboard._wire import WireFailure

__all__ = ["Cluster", "ClusterDriver", "StageExecutor", "Ticket", "lost"]

# Time that one task should take: long against what a cluster needs to start it.
AIM_SECONDS: Final = 0.25
GROWTH: Final = 8
# Arguments and context above this travel once per call, not once per task.
SHARE_BYTES: Final = 64 << 10
POLL_SECONDS: Final = 0.25
# After a cancel, until what is under way is ended by force.
CANCEL_SECONDS: Final = 2.0


class Ticket(Protocol):
    """A task that was submitted."""


# Told once how a task ended: its answer, or what the cluster raised.
Done = Callable[["Answer | BaseException"], None]


class Cluster(Protocol):
    """What a kind of cluster can do."""

    kind: str

    def connect(self) -> None:
        """Connects when there is no connection. Raises what goes wrong."""

    def refresh(self) -> bool:
        """Sends the plugin's code anew; False when it does not send any."""

    def host(self) -> str:
        """A machine of the cluster that this one talks to."""

    def width(self) -> int:
        """Tasks that may run side by side."""

    def check(self, stage: str, resources: Resources) -> None:
        """Raises when no part of the cluster is large enough."""

    def share(self, common: Common) -> Any:
        """Puts it where all tasks find it."""

    def submit(self, common: Any, items: list[Portable] | None, stage: str, resources: Resources, done: Done) -> Ticket: ...
    def cancel(self, tickets: Sequence[Ticket], call: str, by_force: bool) -> None: ...
    def explain(self, error: BaseException, stage: str) -> WireFailure:
        """A task that ended without an answer."""

    def lost(self) -> str | None:
        """Why the connection is of no use any more."""

    def disconnect(self) -> None: ...
    def memory(self) -> dict[str, Any]: ...


class StageExecutor(Protocol):
    """Calls stages in the worker's place."""

    def expand(self, message: Any, context: RunContext) -> list[Any] | None:
        """The items, when it knows better than the worker."""

    def stage(self, message: Stage, target: Target, context: RunContext, arguments: list[Portable], outgoing: Outgoing) -> None: ...
    def items(
        self,
        message: Items,
        target: Target,
        context: RunContext,
        arguments: list[Portable],
        items: list[Portable],
        outgoing: Outgoing,
        flush: Callable[[int], int],
    ) -> None: ...


class ClusterDriver:
    """See the module."""

    def __init__(self, cluster: Cluster, values: Values, shield: Any) -> None:
        self._cluster = cluster
        self._values = values
        # Keeps `Cancelled` away inside its block.
        self._shield = shield
        self._listener: Listener | None = None
        self._done: queue.SimpleQueue[tuple[int, Answer | BaseException]] = queue.SimpleQueue()
        self._serial = 0

    def expand(self, message: Any, context: RunContext) -> list[Any] | None:
        return None

    def stage(self, message: Stage, target: Target, context: RunContext, arguments: list[Portable], outgoing: Outgoing) -> None:
        shapes = None if message.arguments is None else [shape.count for shape in message.arguments]
        common, resources = self._begin(message.stage, message.target, target, context)
        common.shapes, common.arguments = shapes, arguments
        for _ in range(2):
            answer = self._gather(common, resources, [None])[0]
            if not answer.is_stale:
                break
            self._renew(common, message.target)
        self._hear(answer.held)
        if answer.failure is not None:
            raise TaskFailed(answer.failure)
        self._store(answer.parts[0], outgoing)

    def items(
        self,
        message: Items,
        target: Target,
        context: RunContext,
        arguments: list[Portable],
        items: list[Portable],
        outgoing: Outgoing,
        flush: Callable[[int], int],
    ) -> None:
        common, resources = self._begin(message.stage, message.target, target, context)
        common.shapes = None if message.arguments is None else [shape.count for shape in message.arguments]
        common.arguments, common.map_on, common.stop_on_failure = arguments, message.map_on, message.stop_on_failure
        fan = _Fan(self, common, resources, items)
        first, due = message.first, time.monotonic() + 1.0
        try:
            while (answer := fan.next()) is not None:
                if answer.is_stale:
                    fan.cancel()
                    self._renew(common, message.target)
                    fan.restart()
                    continue
                self._hear(answer.held)
                if answer.failure is not None:
                    raise TaskFailed(answer.failure)
                for part in answer.parts:
                    self._store(part, outgoing)
                if time.monotonic() > due or outgoing.size > (4 << 20) or len(outgoing.descriptors) >= 100:
                    first += flush(first)
                    due = time.monotonic() + 1.0
                if message.stop_on_failure and any(isinstance(part, WireFailure) for part in answer.parts):
                    break
        finally:
            fan.cancel()
        flush(first)

    # Tasks.

    def _begin(self, stage: str, name: str, target: Target, context: RunContext) -> tuple[Common, Resources]:
        cluster = self._cluster
        body = context.body()
        resources = _resources.of_stage(body.get("definition") or {}, stage)
        if cluster.lost() is not None:
            with self._shield:
                self._leave()
        try:
            cluster.connect()
        except Exception as error:
            with self._shield, suppress(Exception):
                self._leave()
            raise TaskFailed(lost(cluster.kind, f"the {cluster.kind} cluster cannot be reached: {error}")) from error
        cluster.check(stage, resources)
        if self._listener is None:
            with suppress(OSError):
                self._listener = Listener(address_towards(cluster.host()), self._replay)
        call = uuid.uuid4().hex
        channel = None
        if self._listener is not None:
            self._listener.call = call
            channel = self._listener.channel
        paths = [path for path in sys.path if path and not path.startswith((sys.prefix, sys.base_prefix)) and not path.endswith(".zip")]
        source = digest_of(target.source.path)
        made = Common(call, cluster.kind, stage, name, source, context.id, body, None, None, [], False, channel, paths, cluster.memory())
        return made, resources

    def _gather(self, common: Common, resources: Resources, tasks: list[list[Portable] | None]) -> list[Answer]:
        shared = self._shared(common)
        tickets: dict[int, Ticket] = {}
        answers: dict[int, Answer] = {}
        try:
            for task in tasks:
                number, ticket = self._submit(shared, task, common.stage, resources)
                tickets[number] = ticket
            while len(answers) < len(tickets):
                number, answer = self._wait(common, tickets)
                answers[number] = answer
        except BaseException:
            self._cancel([ticket for number, ticket in tickets.items() if number not in answers], common.call)
            raise
        return [answers[number] for number in tickets]

    def _submit(self, shared: Any, items: list[Portable] | None, stage: str, resources: Resources) -> tuple[int, Ticket]:
        self._serial += 1
        number, done = self._serial, self._done
        return number, self._cluster.submit(shared, items, stage, resources, lambda answer: done.put((number, answer)))

    def _wait(self, common: Common, wanted: Container[int]) -> tuple[int, Answer]:
        """The next of these tasks that has ended; what is heard of others, given up earlier, is dropped."""
        cluster = self._cluster
        while True:
            try:
                number, answer = self._done.get(timeout=POLL_SECONDS)
            except queue.Empty:
                reason = cluster.lost()
                if reason is not None:
                    raise TaskFailed(lost(cluster.kind, f"the {cluster.kind} cluster is gone: {reason}")) from None
                continue
            if number not in wanted:
                continue
            if isinstance(answer, Answer):
                return number, answer
            reason = cluster.lost()
            if reason is not None:
                raise TaskFailed(lost(cluster.kind, f"the {cluster.kind} cluster is gone: {reason}"))
            raise TaskFailed(cluster.explain(answer, common.stage))

    def _shared(self, common: Common) -> Any:
        size = sum(len(part.pickled) + sum(memoryview(each).nbytes for each in part.buffers) for part in common.arguments)
        return self._cluster.share(common) if size > SHARE_BYTES else common

    def _cancel(self, tickets: list[Ticket], call: str) -> None:
        """Ends what is under way: by a word first, by force when that is not enough."""
        if not tickets or self._cluster.lost() is not None:
            return
        try:
            with self._shield, suppress(Exception):
                left = len(tickets)
                self._cluster.cancel(tickets, call, False)
                until = time.monotonic() + CANCEL_SECONDS
                while left and (patience := until - time.monotonic()) > 0:
                    try:
                        self._done.get(timeout=patience)
                        left -= 1
                    except queue.Empty:
                        break
                if left:
                    self._cluster.cancel(tickets, call, True)
        except Cancelled:
            # Said twice; it is on its way already.
            pass

    def _renew(self, common: Common, target: str) -> None:
        with self._shield:
            sent = self._cluster.refresh()
        if not sent or common.source is None:
            message = f"the cluster has another version of the code behind `{target}` than the server"
            hint = "install the same version of the plugin's package on the cluster, or set the executor's option `upload_plugins` to true"
            raise TaskFailed(WireFailure("raised", "WorkflowExecutionError", message, None, hint))

    def _leave(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._cluster.disconnect()

    def _store(self, part: Portable | WireFailure, outgoing: Outgoing) -> None:
        if isinstance(part, Portable):
            self._values.give(part.pickled, [memoryview(each).cast("B") for each in part.buffers], outgoing)
        else:
            outgoing.append(failure_part(part))

    def _hear(self, records: list[Record]) -> None:
        for record in records:
            self._replay(record)

    @staticmethod
    def _replay(record: Record) -> None:
        if connection.server is not None:
            replay(record, connection.server)


class _Fan:
    """Items on their way in tasks whose size follows from what items cost; answers come out in order."""

    def __init__(self, driver: ClusterDriver, common: Common, resources: Resources, items: list[Portable]) -> None:
        self._driver = driver
        self._common = common
        self._resources = resources
        self._items = items
        self._width = max(1, driver._cluster.width())
        self._seconds = 0.0
        self._longest = 0
        self._given = 0
        self.restart()

    def restart(self) -> None:
        """From the first item that has not come out."""
        self._shared = self._driver._shared(self._common)
        self._at = self._given
        # Number of each task, in order of its items; ticket and how many.
        self._under_way: dict[int, tuple[Ticket, int]] = {}
        self._answers: dict[int, Answer] = {}
        self._is_stopped = False

    def next(self) -> Answer | None:
        """The next answer in order; None when all are out."""
        while True:
            while not self._is_stopped and self._at < len(self._items) and len(self._under_way) - len(self._answers) < self._width * 2:
                self._submit()
            if not self._under_way:
                return None
            head = next(iter(self._under_way))
            if head in self._answers:
                _, count = self._under_way.pop(head)
                self._given += count
                return self._answers.pop(head)
            number, answer = self._driver._wait(self._common, self._under_way)
            self._answers[number] = answer
            count = len(answer.parts)
            if count:
                sample = answer.seconds / count
                self._seconds = sample if sample > self._seconds else (sample + self._seconds) / 2
                self._longest = max(self._longest, count)
            if self._common.stop_on_failure and any(isinstance(part, WireFailure) for part in answer.parts):
                # What comes before it may still fail first.
                self._is_stopped = True
                self._drop_after(number)

    def cancel(self) -> None:
        left = [ticket for number, (ticket, _) in self._under_way.items() if number not in self._answers]
        self._under_way, self._answers = {}, {}
        self._driver._cancel(left, self._common.call)

    def _submit(self) -> None:
        by_time = int(AIM_SECONDS / self._seconds) if self._seconds > 0 else len(self._items)
        share = -(-(len(self._items) - self._at) // self._width)
        size = max(1, min(by_time, self._longest * GROWTH, share))
        chunk = self._items[self._at : self._at + size]
        number, ticket = self._driver._submit(self._shared, chunk, self._common.stage, self._resources)
        self._at += len(chunk)
        self._under_way[number] = (ticket, len(chunk))

    def _drop_after(self, number: int) -> None:
        numbers = list(self._under_way)
        later = numbers[numbers.index(number) + 1 :]
        tickets = [self._under_way.pop(each)[0] for each in later if each not in self._answers]
        for each in later:
            self._under_way.pop(each, None)
            self._answers.pop(each, None)
        self._driver._cluster.cancel(tickets, "", False)


def lost(kind: str, message: str) -> WireFailure:
    hint = f"look at the {kind} cluster and at the setting `flow.executor.options`; the next run connects anew"
    return WireFailure("raised", "WorkflowExecutionError", message, None, hint)
