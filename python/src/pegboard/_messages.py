"""The messages, twins of the protocol crate's. Direction is in the name: `ToWorker` goes down, `FromWorker` comes up.

Encoding is compact JSON with `type` first and the fields in the order below; a field whose default is None is left out when it is
None, and `descriptors` when it is zero (except where every message has some). Unknown fields of a newer peer are ignored.

The classes are not frozen: freezing triples the cost of making one, and one is made on every call's way.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pegboard._errors import ProtocolError
from pegboard._wire import WireFailure


@dataclass(slots=True)
class ProtocolVersion:
    """Same major: compatible. A new minor only adds messages behind a feature name."""

    major: int
    minor: int


PROTOCOL: Final = ProtocolVersion(1, 3)
FEATURE_SHARED_MEMORY: Final = "shared-memory"
FEATURE_STACK_DUMP: Final = "stack-dump"
FEATURE_EXECUTOR: Final = "executor"
FEATURE_INVOKE: Final = "invoke"
FEATURES: Final = (FEATURE_SHARED_MEMORY, FEATURE_STACK_DUMP, FEATURE_EXECUTOR, FEATURE_INVOKE)


@dataclass(slots=True)
class ArgumentShape:
    """How many parts make one argument: `single`, or `list` with `count` parts."""

    kind: str
    count: int | None = None


@dataclass(slots=True)
class ExecutorChoice:
    """Where stages run instead of in the worker: `ray`, `dask` or the dotted path of a class, and its options."""

    target: str
    options: dict[str, Any]


@dataclass(slots=True)
class ContextReference:
    """The run's context: whole the first time, by id afterwards."""

    id: str
    body: dict[str, Any] | None = None


@dataclass(slots=True)
class Limits:
    """Limits of one worker, applied by itself before any plugin code is imported."""

    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    open_files: int | None = None
    processes: int | None = None


@dataclass(slots=True)
class LogRecord:
    """One line of the structured logger."""

    level: str
    text: str


@dataclass(slots=True)
class Message:
    """Anything that can be a header."""

    type_name: ClassVar[str] = ""


# Server to worker.


@dataclass(slots=True)
class ServerHello(Message):
    type_name = "hello"
    protocol: ProtocolVersion
    features: list[str]
    inline_limit: int
    read_only: bool


@dataclass(slots=True)
class Ping(Message):
    type_name = "ping"
    sequence: int


@dataclass(slots=True)
class Cancel(Message):
    type_name = "cancel"
    call: int


@dataclass(slots=True)
class Stop(Message):
    type_name = "stop"


@dataclass(slots=True)
class Load(Message):
    type_name = "load"
    plugin: str
    modules: list[str]
    called: list[str] | None = None
    executor: ExecutorChoice | None = None


@dataclass(slots=True)
class Stage(Message):
    type_name = "stage"
    call: int
    stage: str
    context: ContextReference
    target: str
    arguments: list[ArgumentShape] | None = None
    descriptors: int = 0


@dataclass(slots=True)
class Expand(Message):
    type_name = "expand"
    call: int
    stage: str
    context: ContextReference
    map_on: str | None = None
    arguments: list[ArgumentShape] | None = None
    descriptors: int = 0


@dataclass(slots=True)
class Items(Message):
    type_name = "items"
    call: int
    stage: str
    context: ContextReference
    target: str
    map_on: str | None = dataclasses.field(default=None, kw_only=True)
    arguments: list[ArgumentShape] | None = dataclasses.field(default=None, kw_only=True)
    first: int
    count: int
    stop_on_failure: bool
    descriptors: int = 0


@dataclass(slots=True)
class Encode(Message):
    type_name = "encode"
    call: int
    context: ContextReference
    argument: ArgumentShape
    descriptors: int = 0


@dataclass(slots=True)
class Invoke(Message):
    type_name = "invoke"
    call: int
    target: str


@dataclass(slots=True)
class Response(Message):
    type_name = "response"
    request: int
    found: bool
    failure: WireFailure | None = None
    descriptors: int = 0


# Worker to server.


@dataclass(slots=True)
class WorkerHello(Message):
    type_name = "hello"
    protocol: ProtocolVersion
    features: list[str]
    process_id: int
    python: str
    stack_signal: int


@dataclass(slots=True)
class Pong(Message):
    type_name = "pong"
    sequence: int
    mapped_bytes: int


@dataclass(slots=True)
class Loaded(Message):
    type_name = "loaded"
    seconds: float


@dataclass(slots=True)
class ItemsDone(Message):
    type_name = "items"
    call: int
    first: int
    descriptors: int = 0


@dataclass(slots=True)
class Finished(Message):
    type_name = "finished"
    call: int
    busy_us: int
    descriptors: int = 0


@dataclass(slots=True)
class Failed(Message):
    type_name = "failed"
    call: int
    failure: WireFailure


@dataclass(slots=True)
class Log(Message):
    type_name = "log"
    records: list[LogRecord]


@dataclass(slots=True)
class Progress(Message):
    type_name = "progress"
    done: float
    total: float | None = None
    message: str = ""


@dataclass(slots=True)
class Request(Message):
    type_name = "request"
    request: int
    method: str
    namespace: str
    key: str = ""
    descriptors: int = 0


# Server to zygote and back.


@dataclass(slots=True)
class Fork(Message):
    type_name = "fork"
    request: int
    fresh: bool
    directory: str
    limits: Limits
    descriptors: int


@dataclass(slots=True)
class Parked(Message):
    type_name = "parked"
    protocol: ProtocolVersion
    python: str
    python_threads: int
    imported: list[str]
    failed: list[tuple[str, str]]
    seconds: float


@dataclass(slots=True)
class Forked(Message):
    type_name = "forked"
    request: int
    process_id: int
    descriptors: int


@dataclass(slots=True)
class ForkFailed(Message):
    type_name = "fork_failed"
    request: int
    message: str


@dataclass(slots=True)
class Exited(Message):
    type_name = "exited"
    process_id: int
    code: int | None = None
    signal: int | None = None


TO_WORKER: Final = (ServerHello, Ping, Cancel, Stop, Load, Stage, Expand, Items, Encode, Response, Invoke)
FROM_WORKER: Final = (WorkerHello, Pong, Loaded, ItemsDone, Finished, Failed, Log, Progress, Request)
TO_ZYGOTE: Final = (Fork,)
FROM_ZYGOTE: Final = (Parked, Forked, ForkFailed, Exited)


class Direction:
    """Reads the messages of one direction."""

    def __init__(self, classes: tuple[type[Message], ...]) -> None:
        self._classes = {each.type_name: (each, _plan(each)) for each in classes}

    def parse(self, header: Mapping[str, Any]) -> Message:
        """The message that a header says. `ProtocolError` when it is none of this direction's."""
        try:
            made, plan = self._classes[header["type"]]
            fields: dict[str, Any] = {}
            for name, convert in plan:
                if name in header:
                    value = header[name]
                    fields[name] = value if convert is None or value is None else convert(value)
            return made(**fields)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ProtocolError(f"unreadable message: {error!r}") from error


def encode(message: Message) -> bytes:
    """The header bytes of a message."""
    return dump_json({"type": message.type_name, **_fields(message)})


def dump_json(value: object) -> bytes:
    """Compact JSON. A lone surrogate, which JSON readers refuse, is written as its escape in plain text."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") if text.isascii() else _encode_text(text)


def finished_header(call: int, busy_us: int, descriptors: int) -> bytes:
    """The same bytes as `encode(Finished(…))`, without the walk over its fields: this one is on every call's way."""
    if descriptors:
        return b'{"type":"finished","call":%d,"busy_us":%d,"descriptors":%d}' % (call, busy_us, descriptors)
    return b'{"type":"finished","call":%d,"busy_us":%d}' % (call, busy_us)


def failure_dict(failure: WireFailure) -> dict[str, Any]:
    return _fields(failure)


def parse_failure(value: Mapping[str, Any]) -> WireFailure:
    return WireFailure(value["kind"], value["class"], value["message"], value.get("traceback"), value.get("hint"))


def finite(value: float) -> float | None:
    """A number that JSON can say, or None."""
    return value if math.isfinite(value) else None


def _encode_text(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # A surrogate between quotes becomes the six characters of its escape, with the backslash itself escaped.
        return "".join(f"\\\\u{ord(char):04x}" if 0xD800 <= ord(char) <= 0xDFFF else char for char in text).encode("utf-8")


def _fields(value: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if (item is None and field.default is None) or (item == 0 and field.name == "descriptors" and field.default == 0):
            continue
        result[field.name.rstrip("_")] = _plain(item)
    return result


def _plain(item: object) -> object:
    if dataclasses.is_dataclass(item):
        return _fields(item)
    if isinstance(item, (list, tuple)):
        return [_plain(each) for each in item]
    return item


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "ProtocolVersion": lambda value: ProtocolVersion(value["major"], value["minor"]),
    "ExecutorChoice | None": lambda value: ExecutorChoice(value["target"], value.get("options", {})),
    "ContextReference": lambda value: ContextReference(value["id"], value.get("body")),
    "ArgumentShape": lambda value: ArgumentShape(value["kind"], value.get("count")),
    "list[ArgumentShape] | None": lambda value: [ArgumentShape(each["kind"], each.get("count")) for each in value],
    "list[LogRecord]": lambda value: [LogRecord(each["level"], each["text"]) for each in value],
    "Limits": lambda value: Limits(**{field.name: value.get(field.name) for field in dataclasses.fields(Limits)}),
    "WireFailure": parse_failure,
    "WireFailure | None": parse_failure,
}


def _plan(made: type[Message]) -> list[tuple[str, Callable[[Any], Any] | None]]:
    return [(field.name, _CONVERTERS.get(str(field.type))) for field in dataclasses.fields(made)]
