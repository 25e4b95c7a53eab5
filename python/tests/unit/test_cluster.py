"""What drivers and tasks say to each other, without a cluster: resources, words, one task in this process."""

from __future__ import annotations

import queue
import sys
from pathlib import Path
from typing import Any

import pytest

from pegboard import _resources, _spoken
from pegboard._driver import ClusterDriver
from pegboard._errors import TaskFailed
from pegboard._loader import Loader
from pegboard._messages import ArgumentShape, ContextReference, Items, Stage
from pegboard._remote import Common, Portable, perform, portable
from pegboard._resources import Resources
from pegboard._run import RunContext, connection
from pegboard._values import Outgoing, Values

CODE = """
def twice(x):
    print("twice", x)
    return x * 2

def sour(x):
    if x == 3:
        raise ValueError(f"{x} is sour")
    return x
"""


class Shield:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class Here:
    """A cluster of one process, whose tasks end as soon as they begin. It may be stale, or gone."""

    kind = "here"

    def __init__(self) -> None:
        self.reason: str | None = None
        self.connected = 0
        self.stale = 0
        self.raises: BaseException | None = None
        self.sizes: list[int] = []

    def connect(self) -> None:
        self.connected += 1

    def refresh(self) -> bool:
        self.stale -= 1
        return True

    def host(self) -> str:
        return "127.0.0.1"

    def width(self) -> int:
        return 2

    def check(self, stage: str, resources: Resources) -> None: ...

    def share(self, common: Common) -> Common:
        return common

    def submit(self, common: Common, items: list[Portable] | None, stage: str, resources: Resources, done: Any) -> object:
        self.sizes.append(len(items or []))
        if self.raises is not None:
            done(self.raises)
        elif self.reason is None:
            answer = perform(common, items)
            done(answer._replace(is_stale=True, parts=[]) if self.stale else answer)
        return object()

    def cancel(self, tickets: Any, call: str, by_force: bool) -> None: ...

    def explain(self, error: BaseException, stage: str) -> Any:
        return _driver_lost(f"{stage}: {error}")

    def lost(self) -> str | None:
        return self.reason

    def disconnect(self) -> None:
        self.reason = None

    def memory(self) -> dict[str, Any]:
        return {}


def _driver_lost(message: str) -> Any:
    from pegboard._driver import lost

    return lost("here", message)


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks change their process: it belongs to the cluster."""
    monkeypatch.setattr(connection, "server", None)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"cluster_stages_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def driver(cluster: Here) -> ClusterDriver:
    return ClusterDriver(cluster, Values(1 << 16, False), Shield())


def values(outgoing: Outgoing) -> list[object]:
    reader = Values(1 << 16, False)
    return [reader.load(memoryview(part), []) if part[:1] == b"v" else bytes(part[:1]) for part in outgoing.parts]


def call_items(cluster: Here, module: str, function: str, items: list[object], stop: bool = False) -> list[object]:
    target = f"{module}.{function}"
    message = Items(1, "s", ContextReference("r"), target, arguments=[], first=0, count=len(items), stop_on_failure=stop)
    outgoing = Outgoing()
    context = RunContext("r", {"input": {}})
    driver(cluster).items(message, Loader().resolve(target), context, [], [portable(item) for item in items], outgoing, lambda first: 0)
    return values(outgoing)


def call_stage(cluster: Here, module: str, function: str, argument: object) -> list[object]:
    target = f"{module}.{function}"
    message = Stage(1, "s", ContextReference("r"), target, [ArgumentShape("single")])
    outgoing = Outgoing()
    driver(cluster).stage(message, Loader().resolve(target), RunContext("r", {}), [portable(argument)], outgoing)
    return values(outgoing)


def test_items_come_out_in_order_whatever_fails(module: str) -> None:
    cluster = Here()
    assert call_items(cluster, module, "twice", list(range(500))) == [2 * x for x in range(500)]
    assert cluster.sizes[0] == 1 and max(cluster.sizes) > 8
    assert call_items(cluster, module, "sour", list(range(6))) == [0, 1, 2, b"e", 4, 5]
    assert call_items(cluster, module, "sour", list(range(6)), stop=True) == [0, 1, 2, b"e"]
    assert call_items(cluster, module, "twice", []) == []


def test_a_stage_runs_with_code_that_was_sent_anew(module: str) -> None:
    cluster = Here()
    cluster.stale = 1
    assert call_stage(cluster, module, "twice", 4) == [8]
    with pytest.raises(TaskFailed, match="3 is sour") as failed:
        call_stage(cluster, module, "sour", 3)
    assert failed.value.failure.class_ == "ValueError"


def test_another_version_of_the_code_is_never_called(module: str) -> None:
    common = Common("c", "here", "s", f"{module}.twice", "0" * 32, "r", {}, None, [None], [portable(1)], False, None, [], {})
    answer = perform(common, None)
    assert answer.is_stale and not answer.parts


def test_a_lost_worker_and_a_lost_cluster_are_told_apart(module: str) -> None:
    cluster = Here()
    cluster.raises = RuntimeError("killed")
    with pytest.raises(TaskFailed, match="s: killed"):
        call_stage(cluster, module, "twice", 1)
    cluster.raises = ConnectionError("reset")
    original = cluster.submit

    def submit(*arguments: Any) -> object:
        cluster.reason = "it is gone"
        return original(*arguments)

    cluster.submit = submit  # type: ignore[method-assign]
    with pytest.raises(TaskFailed, match="cluster is gone: it is gone"):
        call_stage(cluster, module, "twice", 1)
    cluster.submit, cluster.raises = original, None  # type: ignore[method-assign]
    assert call_stage(cluster, module, "twice", 1) == [2]


def test_words_arrive_before_the_end_and_only_from_those_who_know_the_word() -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = _spoken.Listener("127.0.0.1", heard.put)
    listener.call = "now"
    host, port, word = listener.channel
    for channel, call, expected in [
        ((host, port, word), "now", [["out", "a"], ["log", "info", "b"], ["out", "rest"]]),
        ((host, port, "wrong"), "now", []),
        ((host, port, word), "another call", []),
    ]:
        with _spoken.speaking(channel, call) as sink, _spoken.capture(sink):
            sys.stdout.write("a\nre")
            sink.say(["log", "info", "b"])
            sys.stdout.write("st")
        assert [heard.get_nowait() for _ in expected] == expected
        assert heard.empty()
    listener.close()
    with _spoken.speaking((host, port, word), "now") as sink, _spoken.capture(sink):
        sys.stdout.write("held\n")
    assert sink.held == [["out", "held"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5.4 kB", 5400), ("2GiB", 2 << 30), ("1e6", 1_000_000), ("Ki", 1024), (12, 12), ("3 b", 3), ("1 M", 1_000_000)],
)
def test_bytes_are_read(text: object, expected: int) -> None:
    assert _resources.parse_bytes(text) == expected


def test_resources_come_from_the_last_stage_of_that_name() -> None:
    stages = [
        {"name": "s", "resources": {"cpus": 1}},
        {"name": "x", "options": {"name": "s", "resources": {"cpus": 2, "memory": "1kB", "tpu": 3}}},
    ]
    found = _resources.of_stage({"spec": {"stages": stages}}, "s")
    assert found == Resources(2.0, None, 1000, (("tpu", 3.0),))
    assert found.named() == {"cpus": 2.0, "memory": 1000.0, "tpu": 3.0}
    assert _resources.of_stage({}, "s") == Resources()
    with pytest.raises(ValueError, match="foos"):
        _resources.parse_bytes("1 foos")


def test_what_is_loaded_is_ones_own() -> None:
    kept = portable(bytearray(b"abc" * 50_000))
    one, other = kept.load(), kept.load()
    one[0] = 0
    assert other[0] == ord("a")
