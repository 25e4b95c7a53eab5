"""The parked interpreter: hello, fork, reap, limits, end."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from parent import Worker, Zygote, inline
from pegboard._messages import PROTOCOL
from places import COMPAT, PLUGINS

BAD = "pegboard_fixture_misbehaving"


def test_parked(zygote: Zygote):
    parked = zygote.parked
    assert parked["type"] == "parked"
    assert parked["protocol"] == {"major": PROTOCOL.major, "minor": PROTOCOL.minor}
    assert parked["imported"] == ["numpy"]
    assert parked["failed"] == []
    assert parked["python_threads"] == 0
    assert parked["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_preload_that_does_not_import_is_told(tmp_path: Path):
    (tmp_path / "pegboard_broken_library.py").write_text("import json\nraise ValueError('no such\\nluck')\n")
    (tmp_path / "pegboard_exiting_library.py").write_text("raise SystemExit(3)\n")
    zygote = Zygote("json", "pegboard_broken_library", "pegboard_exiting_library", "nothing.here", path=[tmp_path])
    assert zygote.parked["imported"] == ["json"]
    assert [name for name, _ in zygote.parked["failed"]] == ["pegboard_broken_library", "pegboard_exiting_library"]
    zygote.close()
    assert zygote.process.returncode == 0


@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_a_worker_starts_and_stops(zygote: Zygote, tmp_path: Path, fresh: bool):
    worker = zygote.fork(tmp_path, fresh=fresh)
    assert worker.hello["process_id"] == worker.process_id
    assert worker.hello["features"] == ["shared-memory", "stack-dump", "executor", "invoke"]
    assert os.getpgid(worker.process_id) == worker.process_id == os.getsid(worker.process_id)
    assert worker.load("json") == {"type": "loaded", "seconds": pytest.approx(0, abs=5)}
    assert worker.stage("os.getcwd", root={}).error[:2] == ("target", "TypeError")
    assert worker.stage("platform.python_version", root={}).value == zygote.parked["python"]
    worker.control.send({"type": "stop"})
    assert zygote.exited(worker) == {"type": "exited", "process_id": worker.process_id, "code": 0}


def test_stop_waits_for_the_call(zygote: Zygote, victim: Worker):
    victim.start("stage", target="pegboard_fixture_good.sleep", arguments=[{"kind": "single"}], parts=[inline(0.3)])
    time.sleep(0.1)
    victim.control.send({"type": "stop"})
    assert victim.finish().value == 0.3
    assert zygote.exited(victim)["code"] == 0


def test_exit_handlers_run_and_output_arrives(zygote: Zygote, victim: Worker):
    victim.stage(f"{BAD}.hang_at_exit", root={"seconds": 0.2})
    started = time.monotonic()
    victim.control.send({"type": "stop"})
    assert zygote.exited(victim)["code"] == 0
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGABRT], ids=lambda number: number.name
)
def test_death_by_signal_is_told(zygote: Zygote, victim: Worker, number: signal.Signals):
    victim.start("stage", target=f"{BAD}.kill_self", arguments=[{"kind": "single"}], parts=[inline(int(number))])
    with pytest.raises(EOFError):
        victim.finish()
    assert zygote.exited(victim) == {"type": "exited", "process_id": victim.process_id, "signal": int(number)}


def test_exit_status_is_told(zygote: Zygote, victim: Worker):
    victim.start("stage", target=f"{BAD}.leave", arguments=[{"kind": "single"}], parts=[inline(3)])
    with pytest.raises(EOFError):
        victim.finish()
    assert zygote.exited(victim) == {"type": "exited", "process_id": victim.process_id, "code": 3}


def test_a_dead_worker_leaves_no_grandchild(zygote: Zygote, victim: Worker):
    grandchild = victim.stage(f"{BAD}.spawn_child", root={}).value
    os.kill(grandchild, 0)
    victim.kill()
    assert zygote.exited(victim)["signal"] == signal.SIGKILL
    assert _is_gone(grandchild)


@pytest.mark.parametrize("how", [signal.SIGKILL, None, signal.SIGTERM], ids=["killed", "socket-closed", "terminated"])
def test_nothing_outlives_the_zygote(tmp_path: Path, how: signal.Signals | None):
    zygote = Zygote(path=[COMPAT, *PLUGINS])
    worker = zygote.fork(tmp_path)
    grandchild = worker.stage(f"{BAD}.spawn_child", root={}).value
    busy = zygote.fork(tmp_path)
    busy.start("stage", target=f"{BAD}.hang", arguments=[{"kind": "single"}], parts=[inline(3600)])
    if how is None:
        zygote.peer.close()
    else:
        zygote.process.send_signal(how)
    zygote.process.wait(10)
    assert _is_gone(worker.process_id)
    assert _is_gone(busy.process_id)
    if how is signal.SIGKILL:
        # Nobody was left to tell; the server ends the group by the handle that it has.
        os.kill(grandchild, signal.SIGKILL)
    assert _is_gone(grandchild)
    zygote.close()


def test_a_lost_server_ends_the_group(zygote: Zygote, victim: Worker):
    grandchild = victim.stage(f"{BAD}.spawn_child", root={}).value
    victim.control.close()
    assert zygote.exited(victim)["signal"] == signal.SIGKILL
    assert _is_gone(grandchild)


def test_another_major_version_is_refused(zygote: Zygote, tmp_path: Path):
    worker = zygote.fork(tmp_path, major=2)
    assert zygote.exited(worker)["code"] == 71
    assert f"protocol version 2.0 does not fit ours, {PROTOCOL.major}.{PROTOCOL.minor}".encode() in worker.read(worker.error_output)


def test_garbage_from_the_server_ends_the_worker(zygote: Zygote, victim: Worker):
    victim.data.socket.sendall(b"hello, I am not a frame")
    assert zygote.exited(victim)["code"] == 71
    assert b"no frame begins here" in victim.read(victim.error_output)


def test_garbage_from_the_server_ends_the_zygote():
    zygote = Zygote()
    zygote.peer.socket.sendall(b"hello, I am not a frame")
    assert zygote.process.wait(10) == 1
    zygote.close()


def test_a_directory_that_is_not_there(zygote: Zygote, tmp_path: Path):
    worker = zygote.fork(tmp_path / "nowhere", greet=False)
    assert zygote.exited(worker)["code"] == 72
    assert b"worker could not start: FileNotFoundError" in worker.read(worker.error_output)


def test_limits(zygote: Zygote, tmp_path: Path):
    limits = {"memory_bytes": 1 << 30, "file_bytes": 1 << 20, "open_files": 256}
    worker = zygote.fork(tmp_path, limits=limits)
    answer = worker.stage(f"{BAD}.allocate_at_once", root={"megabytes": 2000})
    assert answer.error[:2] == ("memory", "MemoryError")
    assert "`engine.memory`" in answer.failure["hint"]
    assert worker.stage(f"{BAD}.write_file", root={"megabytes": 2}).error == ("raised", "OSError", "[Errno 27] File too large")
    assert worker.stage(f"{BAD}.open_files", root={}).error[:2] == ("raised", "OSError")
    # A shared value is memory, not a file: the limit of files does not stop it.
    assert len(worker.stage(f"{BAD}.return_bytes", root={"megabytes": 3}).value) == 3 << 20
    worker.kill()
    zygote.exited(worker)


@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_processor_time_counts_per_call(zygote: Zygote, tmp_path: Path, fresh: bool):
    worker = zygote.fork(tmp_path, limits={"cpu_seconds": 1}, fresh=fresh)
    if fresh:
        worker.start("stage", target="fractions.Fraction", context={"id": "r", "body": {}})
        assert worker.finish().value == 0
        worker.kill()
    else:
        assert worker.stage(f"{BAD}.spin", root={"seconds": 0.6}).value == "done"
        assert worker.stage(f"{BAD}.spin", root={"seconds": 0.6}).value == "done"
        worker.start("stage", target=f"{BAD}.spin", arguments=[{"kind": "single"}], parts=[inline(30)])
        with pytest.raises(EOFError):
            worker.finish()
    assert zygote.exited(worker)["signal"] in (signal.SIGXCPU, signal.SIGKILL)


def test_children_do_not_share_random_numbers(zygote: Zygote, tmp_path: Path):
    (tmp_path / "pegboard_dice.py").write_text("def roll():\n    import random, numpy\n    return random.random(), numpy.random.rand()\n")
    found = []
    for _ in range(2):
        worker = zygote.fork(tmp_path)
        worker.stage("site.addsitedir", str(tmp_path))
        found.append(worker.stage("pegboard_dice.roll", root={}).value)
        worker.kill()
        zygote.exited(worker)
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]


def test_wrong_number_of_descriptors(zygote: Zygote):
    zygote.peer.send({"type": "fork", "request": 9, "fresh": False, "directory": "/", "limits": {}, "descriptors": 0})
    assert zygote.peer.receive()[0].header == {"type": "fork_failed", "request": 9, "message": "five descriptors are needed, 0 came"}


def test_linear_algebra_has_no_threads(zygote: Zygote):
    assert len(os.listdir(f"/proc/{zygote.process.pid}/task")) == 1


def _is_gone(process_id: int, patience: float = 10.0) -> bool:
    """No such process, or only its shell that nobody has collected."""
    due = time.monotonic() + patience
    while time.monotonic() < due:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False
