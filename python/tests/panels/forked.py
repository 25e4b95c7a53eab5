"""A parked interpreter for tests: forks a worker per plugin file, as the engine does, and has it answer calls.

Run as a program it reads one JSON line per worker, `[[function, argument], …]`, and writes what they answered, or how the worker ended.
`$1` and `$key1` in a query are job and key of the first background callback that was started, and so on.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parents[2] / "src"
# Longest time that a worker may take for its calls.
SECONDS = 20.0


class Parked:
    """The program, from a test's side."""

    def __init__(self) -> None:
        path = os.pathsep.join(map(str, (SOURCES, SOURCES / "pegboard" / "compat", Path(__file__).resolve().parents[1])))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PEGBOARD", "WORKBENCH"))}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONPATH": path}
        )

    def ask(self, calls: list[Any], seconds: float = SECONDS) -> dict[str, Any]:
        """`answers` as far as it came, and `ended`: the exit status, a signal as a negative number, or the word `deadline`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"calls": calls, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def main() -> None:
    from workbench.core.artifacts import artifact

    import pegboard.panels._warm  # noqa: F401  (what the engine imports)
    from compat.workbench_catalog import filled

    artifact.catalog = filled()
    answers = os.fdopen(os.dup(1), "w")
    # What plugins print is not an answer.
    os.dup2(2, 1)
    for line in sys.stdin:
        said = json.loads(line)
        answers.write(json.dumps(_in_worker(said["calls"], said["seconds"])) + "\n")
        answers.flush()


def _in_worker(calls: list[Any], seconds: float) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(calls, writing)
        os._exit(0)
    os.close(writing)
    received, ended = b"", None
    while ended is None:
        if not select.select([reading], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            ended = "deadline"
        elif piece := os.read(reading, 1 << 16):
            received += piece
        else:
            break
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"answers": [json.loads(line) for line in received.splitlines()], "ended": ended or status}


def _answer(calls: list[Any], writing: int) -> None:
    from pegboard import panels

    started: list[dict[str, Any]] = []
    with os.fdopen(writing, "wb") as out:
        for function, argument in calls:
            if function == "callback":
                for number, job in enumerate(started, 1):
                    query = argument.get("query", "").replace(f"$key{number}", job["cacheKey"])
                    argument["query"] = query.replace(f"${number}", job["job"])
            try:
                if function == "wait":
                    import time

                    time.sleep(argument)
                    made = b"null"
                else:
                    made = getattr(panels, function)(argument)
                    if function == "callback" and (body := json.loads(made)["body"]) and "job" in body:
                        started.append(body)
            except Exception as error:
                made = json.dumps({"raised": f"{type(error).__name__}: {error}"}).encode()
            out.write(made + b"\n")
            out.flush()


if __name__ == "__main__":
    main()
