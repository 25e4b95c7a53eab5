"""Calls on a real worker: stage, expand, items, encode, load, cancel, and everything that a plugin can do wrong."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

from parent import Failure, Worker, Zygote, context, inline, read_value, shared

GOOD = "pegboard_fixture_good"
BAD = "pegboard_fixture_misbehaving"
SINGLE = {"kind": "single"}


# Stages.


def test_output_is_flushed_before_the_answer(worker: Worker):
    assert worker.stage(f"{GOOD}.hello", root={"name": "Bob"}).value == "hello Bob"
    assert worker.read(worker.output, 0) == b"greeting Bob\n"


def test_arguments_by_position_and_as_a_list(worker: Worker):
    parts = [inline(1), inline(2), inline(3)]
    worker.start("stage", parts, target=f"{GOOD}.add", arguments=[{"kind": "list", "count": 2}, {"kind": "list", "count": 1}])
    assert worker.finish().value == [1, 2, 3]


def test_async_stage_sees_its_run(worker: Worker):
    assert worker.stage(f"{GOOD}.sleep_async", 0.02).value == 0.02


def test_a_failure_has_class_message_and_a_clean_traceback(worker: Worker):
    failure = worker.stage(f"{GOOD}.fail", root={}).failure
    assert (failure["kind"], failure["class"], failure["message"]) == ("raised", "ValueError", "You goofed up")
    assert "in fail" in failure["traceback"]
    assert "_calls.py" not in failure["traceback"]
    assert "hint" not in failure


@pytest.mark.parametrize(
    ("target", "root", "error"),
    [
        ("exit_system", {}, ("raised", "SystemExit", "3")),
        ("interrupt", {}, ("raised", "KeyboardInterrupt", "")),
        ("generator_exit", {}, ("raised", "GeneratorExit", "")),
        ("return_generator", {}, ("unpicklable", "TypeError", "cannot pickle 'generator' object")),
        ("return_hostile", {}, ("unpicklable", "RuntimeError", "not to be pickled")),
        ("raise_surrogate", {}, ("raised", "ValueError", "half a character: \\ud800")),
    ],
)
def test_bad_ends_are_ordinary_failures(worker: Worker, target: str, root: dict[str, Any], error: tuple[str, str, str]):
    assert worker.stage(f"{BAD}.{target}", root=root).error == error
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("return_lambda", "unpicklable"),
        ("return_local_class", "unpicklable"),
        ("return_deep", "unpicklable"),
        ("raise_hostile", "raised"),
        ("raise_huge", "raised"),
        ("recurse", "raised"),
    ],
)
def test_worse_ends_too(worker: Worker, target: str, kind: str):
    failure = worker.stage(f"{BAD}.{target}", root={}).failure
    assert failure["kind"] == kind
    assert len(failure["message"]) < 200_000 and len(failure["traceback"]) < 300_000
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


@pytest.mark.parametrize("target", ["close_streams", "close_python_streams"])
def test_streams_that_a_call_closed_are_there_for_the_next(worker: Worker, target: str):
    assert worker.stage(f"{BAD}.{target}", root={}).value == "closed"
    assert worker.stage(f"{GOOD}.hello", root={"name": "Bob"}).value == "hello Bob"
    assert worker.read(worker.output, 0) == b"greeting Bob\n"


def test_streams_that_a_plugin_replaced_do_no_harm(worker: Worker):
    assert worker.stage(f"{BAD}.replace_streams", root={}).value == "replaced"
    assert worker.stage(f"{BAD}.move_away", root={}).value == "moved"
    assert worker.stage(f"{BAD}.print_bytes", root={}).failure["class"] == "AttributeError"
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


def test_much_output(worker: Worker):
    found = bytearray()
    reader = threading.Thread(
        target=lambda: [found.extend(worker.read(worker.output, 2)) for _ in iter(lambda: len(found) < (20 << 20), False)]
    )
    reader.start()
    assert worker.stage(f"{BAD}.print_megabytes", root={"megabytes": 20}).value == 20
    reader.join(10)
    assert len(found) == 20 << 20


# Targets.


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("zzz", ("ImportError", "zzz isn't a valid module path.")),
        ("", ("ImportError", " isn't a valid module path.")),
        ("no.such.mod", ("ModuleNotFoundError", "No module named 'no'")),
        ("pegboard_fixture_broken_import.x", ("RuntimeError", "this plugin cannot be imported")),
        ("pegboard_fixture_missing_dependency.value", ("ModuleNotFoundError", "No module named 'a_package_that_is_not_there'")),
        ("math.pi", ("TypeError", None)),
        ("math.sqrt", ("TypeError", None)),
        ("json.decoder.JSONDecoder.decode", ("ModuleNotFoundError", None)),
        ("json:loads", ("ImportError", "json:loads isn't a valid module path.")),
    ],
)
def test_targets_that_do_not_resolve(worker: Worker, target: str, error: tuple[str, str | None]):
    kind, name, message = worker.stage(target, root={}).error
    assert (kind, name) == ("target", error[0])
    assert error[1] is None or message == error[1]


def test_missing_attribute(worker: Worker):
    kind, name, message = worker.stage(f"{GOOD}.zzz", root={}).error
    assert (kind, name) == ("target", "ImportError")
    assert message.startswith(f"Module <module '{GOOD}' from ") and message.endswith("does not have a `zzz` attribute")


def test_blanks_and_classes(worker: Worker):
    assert worker.stage(f" {GOOD}.hello ", root={}).value == "hello world"
    assert str(worker.stage("fractions.Fraction", 1, 3).value) == "1/3"


def test_an_edit_is_seen_by_the_next_call(worker: Worker, tmp_path: Path):
    path = tmp_path / "pegboard_edited.py"
    path.write_text("import random\nNUMBER = random.random()\ndef value():\n    return 1, NUMBER\n")
    worker.stage("site.addsitedir", str(tmp_path))
    first = worker.stage("pegboard_edited.value", root={}).value
    assert worker.stage("pegboard_edited.value", root={}).value == first
    path.write_text("NUMBER = 5\ndef value():\n    return 2, NUMBER\n")
    assert worker.stage("pegboard_edited.value", root={}).value == (2, 5)
    # The same length within the same second.
    path.write_text("NUMBER = 6\ndef value():\n    return 2, NUMBER\n")
    assert worker.stage("pegboard_edited.value", root={}).value == (2, 6)
    path.write_text("NUMBER = 7\nthis is no Python\n")
    for _ in range(2):
        assert worker.stage("pegboard_edited.value", root={}).value == (2, 6)
    path.write_text("NUMBER = 8\nraise ValueError('half way')\n")
    assert worker.stage("pegboard_edited.value", root={}).value == (2, 6)
    path.write_text("def value():\n    return 3\n")
    assert worker.stage("pegboard_edited.value", root={}).value == 3


def test_what_was_called_is_loaded_if_it_exists(worker: Worker, tmp_path: Path):
    (tmp_path / "pegboard_called_broken.py").write_text("from nowhere import anything\n")
    (tmp_path / "pegboard_called.py").write_text("")
    worker.stage("site.addsitedir", str(tmp_path))
    assert worker.load(called=["pegboard_called", "pegboard_called_gone", "pegboard_called.gone"])["type"] == "loaded"
    failure = worker.load(called=["pegboard_called_broken"])["failure"]
    assert (failure["class"], failure["message"]) == ("ModuleNotFoundError", "No module named 'nowhere'")


def test_an_edit_between_load_and_first_call_is_seen(worker: Worker, tmp_path: Path):
    path = tmp_path / "pegboard_edited_early.py"
    path.write_text("def value():\n    return 1\n")
    worker.stage("site.addsitedir", str(tmp_path))
    assert worker.load("pegboard_edited_early")["type"] == "loaded"
    path.write_text("def value():\n    return 'new'\n")
    assert worker.stage("pegboard_edited_early.value", root={}).value == "new"


# Load.


def test_load(worker: Worker):
    assert worker.load(GOOD)["type"] == "loaded"


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("pegboard_fixture_broken_import", "RuntimeError", "this plugin cannot be imported"),
        ("pegboard_fixture_missing_dependency", "ModuleNotFoundError", "No module named 'a_package_that_is_not_there'"),
    ],
)
def test_a_broken_import_is_an_answer(worker: Worker, module: str, name: str, message: str):
    answer = worker.load(module)
    failure = answer["failure"]
    assert (answer["type"], answer["call"]) == ("failed", 0)
    assert (failure["kind"], failure["class"], failure["message"]) == ("load", name, message)
    assert module in failure["traceback"] and "_loader.py" not in failure["traceback"]


# Items.


def test_items(worker: Worker):
    answer = worker.items(f"{GOOD}.square", [1, 2, 3], first=40)
    assert answer.items == [1, 4, 9]
    assert (answer.header["type"], answer.parts, answer.frames) == ("finished", [], 1)


def test_items_with_further_arguments(worker: Worker):
    answer = worker.items(f"{GOOD}.fail_on", [1, 2, 3], extra=[3], arguments=[SINGLE])
    assert [item if isinstance(item, int) else item["message"] for item in answer.items] == [10, 20, "3 is bad"]
    answer = worker.items(f"{GOOD}.fail_on", [1, 2], map_on="x", arguments=None, context=context({"x": [1, 2], "bad": 1}))
    assert isinstance(answer.items[0], Failure) and answer.items[1] == 20


def test_one_item_fails_alone(worker: Worker):
    answer = worker.items(f"{GOOD}.fail_on", [1, 2, 3])
    assert answer.items[0] == 10 and answer.items[2] == 30
    assert (answer.items[1]["class"], answer.items[1]["message"]) == ("RuntimeError", "2 is bad")


@pytest.mark.parametrize("target", ["fail_on", "square_async"])
def test_stop_on_failure(worker: Worker, target: str):
    items: list[Any] = [1, 2, 3] if target == "fail_on" else [1, "x", 3]
    answer = worker.items(f"{GOOD}.{target}", items, stop=True)
    assert len(answer.items) == 2 and isinstance(answer.items[1], Failure)
    assert answer.header["type"] == "finished"


def test_async_items_run_side_by_side(worker: Worker):
    started = time.monotonic()
    answer = worker.items(f"{GOOD}.sleep_async", [0.2] * 200)
    assert answer.items == [0.2] * 200
    assert time.monotonic() - started < 5


def test_no_items(worker: Worker):
    answer = worker.items(f"{GOOD}.square", [])
    assert answer.items == [] and answer.header["type"] == "finished"


def test_large_results_are_sent_early(worker: Worker):
    worker.start("items", [inline(1)] * 3, target=f"{BAD}.return_bytes", arguments=[], first=0, count=3, stop_on_failure=False)
    assert [len(item) for item in worker.finish().items] == [1 << 20] * 3
    answer = worker.items(f"{GOOD}.identity", ["x" * 60_000] * 200)
    assert answer.frames >= 3 and len(answer.items) == 200


def test_at_most_two_hundred_descriptors(zygote: Zygote, tmp_path: Path):
    worker = zygote.fork(tmp_path, inline_limit=100)
    answer = worker.items(f"{GOOD}.identity", ["x" * 200 + str(index) for index in range(450)])
    assert answer.frames == 3
    assert answer.items[-1].endswith("449")
    worker.kill()
    zygote.exited(worker)


def test_slow_items_are_sent_before_the_end(worker: Worker):
    parts = [inline(0.4)] * 6
    worker.start("items", parts, target=f"{GOOD}.sleep", arguments=[], first=0, count=6, stop_on_failure=False)
    started = time.monotonic()
    assert worker.data.receive()[0].header["type"] == "items"
    assert time.monotonic() - started < 2


def test_a_batch_that_cannot_be_bound_fails_as_a_call(worker: Worker):
    assert worker.items(f"{GOOD}.noop", [1]).error == (
        "target",
        "ValueError",
        "Stage `s` takes no arguments but depends on previous stage.",
    )


# Expand and encode.


def test_expand(worker: Worker):
    worker.start("expand", [inline({"p": 1, "q": 2}), inline("unused")], arguments=[SINGLE, SINGLE])
    assert worker.finish().items == ["p", "q"]
    worker.start("expand", map_on="x", context=context({"x": "abc"}))
    assert worker.finish().items == ["a", "b", "c"]
    worker.start("expand", map_on="x", context=context({"x": []}))
    answer = worker.finish()
    assert answer.items == [] and answer.header["type"] == "finished"


@pytest.mark.parametrize(
    ("fields", "parts", "error"),
    [
        ({"map_on": "x"}, [], ("target", "KeyError", "'x'")),
        ({}, [], ("target", "IndexError", "pop from empty list")),
        ({"arguments": [SINGLE]}, [inline(None)], ("target", "TypeError", "'NoneType' object is not iterable")),
    ],
)
def test_what_cannot_be_expanded(worker: Worker, fields: dict[str, Any], parts: list[bytes], error: tuple[str, str, str]):
    worker.start("expand", parts, **fields)
    assert worker.finish().error == error


def test_encode(worker: Worker):
    worker.start("encode", [inline((1, float("nan"))), inline(numpy.float64(2.5))], argument={"kind": "list", "count": 2})
    answer = worker.finish()
    assert bytes(answer.parts[0]) == b"j[[1,null],2.5]"


def test_the_context_is_kept_by_id(worker: Worker):
    worker.start("stage", target=f"{GOOD}.hello", context={"id": "a", "body": {"input": {"name": "Ann"}}})
    assert worker.finish().value == "hello Ann"
    worker.start("stage", target=f"{GOOD}.hello", context={"id": "a"})
    assert worker.finish().value == "hello Ann"
    worker.start("stage", target=f"{GOOD}.hello", context={"id": "b"})
    assert worker.finish().value == "hello world"


# Shared values.


def test_large_values_are_shared(worker: Worker):
    array = numpy.arange(1 << 17, dtype="float64")
    answer = worker.stage(f"{GOOD}.identity", array)
    assert bytes(answer.parts[0][:1]) == b"s" and len(answer.descriptors) == 1
    value = answer.value
    assert (value == array).all() and value.ctypes.data % 64 == 0
    with pytest.raises(OSError):
        os.pwrite(answer.descriptors[0], b"x", 0)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_spilled_value_is_mapped(zygote: Zygote, tmp_path: Path, read_only: bool):
    (tmp_path / "pegboard_writer.py").write_text(
        "def change(array):\n    global kept\n    kept = array[:5]\n    array[0] = 7\n    return array[0]\n"
    )
    worker = zygote.fork(tmp_path, read_only=read_only)
    worker.stage("site.addsitedir", str(tmp_path))
    part, descriptor = shared(numpy.zeros(1 << 17), tmp_path)
    worker.start("stage", [part], [descriptor], target="pegboard_writer.change", arguments=[SINGLE])
    answer = worker.finish()
    if read_only:
        assert answer.failure["class"] == "ValueError"
    else:
        assert answer.value == 7
    worker.control.send({"type": "ping", "sequence": 5})
    pong = worker.control.receive()[0].header
    assert pong["sequence"] == 5 and (1 << 20) < pong["mapped_bytes"] < (1 << 20) + 4096
    again = read_value(memoryview(part), [descriptor])
    assert again[0] == 0
    worker.kill()
    zygote.exited(worker)


def test_a_broken_shared_value_is_a_failure(worker: Worker, tmp_path: Path):
    (tmp_path / "short").write_bytes(b"PGBVAL01" + b"\xff" * 100)
    with open(tmp_path / "short", "rb") as file:
        part = b"s" + (0).to_bytes(4, "little") + (100).to_bytes(8, "little")
        worker.start("stage", [part], [file.fileno()], target=f"{GOOD}.identity", arguments=[SINGLE])
        assert worker.finish().error[:2] == ("target", "BlockError")
    worker.start("stage", [b"s12"], target=f"{GOOD}.identity", arguments=[SINGLE])
    assert worker.finish().error[:2] == ("target", "BlockError")


def test_no_descriptor_leaks(worker: Worker, tmp_path: Path):
    array = numpy.zeros(1 << 16)

    def count() -> int:
        return len(os.listdir(f"/proc/{worker.process_id}/fd"))

    def call() -> None:
        part, descriptor = shared(array, tmp_path)
        worker.start("stage", [part], [descriptor], target=f"{GOOD}.identity", arguments=[SINGLE])
        answer = worker.finish()
        os.close(descriptor)
        os.close(answer.descriptors[0])

    call()
    # What a call received is closed after its answer: give the worker the moment that takes.
    time.sleep(0.2)
    before = count()
    for _ in range(20):
        call()
    time.sleep(0.2)
    assert count() == before


# What plugin code may ask for.

NATIVE = """
import threading
from pegboard import api

def report():
    for step in range(3):
        api.progress(step, 3, f"step {step}")
    api.progress(float("nan"), float("inf"))
    api.log("info", "x" * 1_000_000)
    run = api.current_run()
    return run.id, run.stage, run.input, run.namespace, run.config

def remember():
    import numpy
    api.memory.put("array", numpy.arange(100_000), namespace="n")
    threads = [threading.Thread(target=api.memory.put, args=(f"k{i}", i)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [api.memory.get(f"k{i}") for i in range(20)]
    total = int(api.memory.get("array", namespace="n").sum())
    api.memory.delete("k1")
    return found, total, api.memory.exists("k1"), api.memory.exists("k2")

def too_long():
    api.memory.put("k" * 1_000_000, 1)

api.log("info", "imported")
"""


@pytest.fixture
def native(worker: Worker, tmp_path: Path) -> Worker:
    (tmp_path / "pegboard_native.py").write_text(NATIVE)
    worker.stage("site.addsitedir", str(tmp_path))
    assert worker.load("pegboard_native")["type"] == "loaded"
    assert worker.read(worker.error_output) == b"[info] imported\n"
    return worker


def test_progress_log_and_run(native: Worker):
    answer = native.stage("pegboard_native.report", root={"a": 1})
    assert answer.value == ("run-1", "s", {"a": 1}, "default", {})
    assert answer.progress[2] == {"type": "progress", "done": 2.0, "total": 3.0, "message": "step 2"}
    assert answer.progress[3] == {"type": "progress", "done": 0.0, "message": ""}
    assert len(answer.log[0][1]) < 300_000


def test_memory_from_threads(native: Worker):
    assert native.stage("pegboard_native.remember", root={}).value == (list(range(20)), 4999950000, False, True)
    assert native.stage("pegboard_native.too_long", root={}).failure["class"] == "ValueError"


# Cancel, heartbeat, lock.


@pytest.mark.parametrize("target", ["hang", "spin"])
def test_cancel(worker: Worker, target: str):
    call = worker.start("stage", [inline(60)], target=f"{BAD}.{target}", arguments=[SINGLE])
    time.sleep(0.1)
    started = time.monotonic()
    worker.control.send({"type": "cancel", "call": call + 1})
    worker.control.send({"type": "cancel", "call": call})
    assert worker.finish().error == ("cancelled", "Cancelled", "the call was cancelled")
    assert time.monotonic() - started < 2
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


def test_cancel_of_async_and_of_items(worker: Worker):
    for kind, fields in (("stage", {}), ("items", {"first": 0, "count": 1, "stop_on_failure": False})):
        arguments = [SINGLE] if kind == "stage" else []
        call = worker.start(kind, [inline(60)], target=f"{GOOD}.sleep_async", arguments=arguments, **fields)
        time.sleep(0.1)
        worker.control.send({"type": "cancel", "call": call})
        assert worker.finish().failure["kind"] == "cancelled"


def test_cancel_at_every_moment_breaks_nothing(worker: Worker):
    """Calls that log and print while they are cancelled: each ends once, and the channel stays whole."""
    ends = []
    for index in range(200):
        call = worker.start("stage", target=f"{GOOD}.say", context=context({"text": "x" * 2000}))
        time.sleep(index * 2e-6)
        worker.control.send({"type": "cancel", "call": call})
        ends.append(worker.finish().header["type"])
    assert set(ends) <= {"finished", "failed"}
    assert worker.stage(f"{GOOD}.hello", root={}).value == "hello world"


def test_ping_and_stacks_while_the_lock_is_held(worker: Worker):
    worker.start("stage", [inline(2)], target=f"{BAD}.hold_lock", arguments=[SINGLE])
    time.sleep(0.2)
    worker.control.send({"type": "ping", "sequence": 1})
    with pytest.raises(TimeoutError):
        worker.control.receive(0.5)
    os.kill(worker.process_id, worker.hello["stack_signal"])
    dumped = b""
    while b"in hold_lock" not in dumped:
        piece = worker.read(worker.dump, 1)
        assert piece, dumped
        dumped += piece
    assert worker.finish().header["type"] in ("finished", "failed")
    assert worker.control.receive()[0].header == {"type": "pong", "sequence": 1, "mapped_bytes": 0}


def test_a_stubborn_call_outlives_cancel_and_sigterm(zygote: Zygote, victim: Worker):
    call = victim.start("stage", [inline(60)], target=f"{BAD}.hang_stubbornly", arguments=[SINGLE])
    time.sleep(0.2)
    victim.control.send({"type": "cancel", "call": call})
    os.kill(victim.process_id, signal.SIGTERM)
    with pytest.raises(TimeoutError):
        victim.data.receive(0.5)
    victim.kill()
    assert zygote.exited(victim)["signal"] == signal.SIGKILL


# Forks.


@pytest.mark.parametrize("target", ["fork_and_return", "fork_and_raise"])
def test_a_forked_child_says_nothing(worker: Worker, target: str):
    assert worker.stage(f"{BAD}.{target}", root={}).value == worker.process_id
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


def test_a_forked_child_does_not_go_on_with_the_items(worker: Worker):
    answer = worker.items(f"{BAD}.fork_and_return_on", [1, 2, 3, 4])
    assert answer.items == [1, 2, 3, 4]
    assert worker.stage(f"{BAD}.fine", root={}).value == "fine"


def test_multiprocessing_works(worker: Worker, tmp_path: Path):
    (tmp_path / "pegboard_pool.py").write_text(
        "import multiprocessing\ndef square(x):\n    return x * x\n"
        "def run():\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n        return pool.map(square, range(5))\n"
    )
    worker.stage("site.addsitedir", str(tmp_path))
    assert worker.stage("pegboard_pool.run", root={}).value == [0, 1, 4, 9, 16]


# Attacks on the channel: the worker may die of them, the parent sees what it sees.


@pytest.mark.parametrize("target", ["close_all_descriptors", "shut_down_sockets"])
def test_channels_that_are_gone_end_the_worker(zygote: Zygote, victim: Worker, target: str):
    victim.start("stage", target=f"{BAD}.{target}")
    with pytest.raises(EOFError):
        victim.finish()
    ended = zygote.exited(victim)
    assert ended.get("code") == 70 or ended.get("signal") == signal.SIGKILL


def test_garbage_is_seen_as_such(zygote: Zygote, victim: Worker):
    from pegboard._errors import ProtocolError

    victim.start("stage", target=f"{BAD}.write_garbage")
    with pytest.raises(ProtocolError):
        victim.finish()
    victim.kill()
    zygote.exited(victim)


def test_half_a_frame_is_seen_as_such(zygote: Zygote, victim: Worker):
    victim.start("stage", target=f"{BAD}.write_half_a_frame")
    with pytest.raises(EOFError):
        victim.finish()
    assert victim.data.session.is_inside_frame
    zygote.exited(victim)


def test_the_answer_is_compact_json(worker: Worker):
    worker.start("stage", target=f"{GOOD}.noop")
    frame, _ = worker.data.receive()
    assert json.loads(json.dumps(frame.header))["type"] == "finished"
    assert frame.header["busy_us"] >= 0
