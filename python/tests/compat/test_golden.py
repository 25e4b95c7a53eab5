"""The recorded exchanges about execution, run context and object store, replayed through `execute_workflow`.

Where the recording goes through the server's resources, this test plays the server: it keeps workflows and configs by name, and merges
the configs by the dialect's rules.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flowdapt.compute.executor.local import LocalExecutor
from flowdapt.compute.resources.workflow.execute import execute_workflow
from flowdapt.lib.config import set_app_dir

from pegboard._encode import to_json
from places import FIXTURES

GOLDEN = FIXTURES.parent / "flowdapt" / "golden"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLOWDAPT__STORAGE__BASE_PATH", str(tmp_path))
    monkeypatch.syspath_prepend(FIXTURES / "probe")
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "user_modules").mkdir()
    (tmp_path / "user_modules/um.py").write_text('def hi(n=1):\n    return {"um": n}\n')
    set_app_dir(tmp_path)
    yield
    set_app_dir(None)


class Resources:
    """What a server would keep."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, dict[str, Any]]] = {"workflows": {}, "configs": {}}

    def change(self, method: str, path: list[str], body: Any) -> None:
        if method == "POST":
            self.kept[path[0]][body["metadata"]["name"]] = body
        elif method == "DELETE":
            del self.kept[path[0]][path[1]]

    def config_of(self, workflow: dict[str, Any]) -> dict[str, Any]:
        metadata, merged = workflow["metadata"], {}
        for kind in ("name", "annotation"):
            for config in self.kept["configs"].values():
                selector = config["spec"].get("selector") or {}
                value = selector.get("value")
                if selector.get("type") != kind or selector.get("kind") not in (None, "workflow"):
                    continue
                annotations = metadata.get("annotations", {}).items()
                if value == metadata["name"] if kind == "name" else any(pair in value.items() for pair in annotations):
                    merged.update(config["spec"]["data"])
        return merged


def fits(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(fits, found, wanted))
    return wanted == "<ANY>" or found == wanted


@pytest.mark.parametrize("use_processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize(("name", "runs"), [("15-execution-semantics", 51), ("16-config-merge-and-context", 3), ("18-object-store", 24)])
def test_replay(name: str, runs: int, use_processes: bool):
    async def replay() -> int:
        resources, done = Resources(), 0
        async with LocalExecutor(use_processes=use_processes, cpus=2) as executor:
            for step in json.loads((GOLDEN / f"{name}.json").read_text())["steps"]:
                for exchange in step["exchanges"]:
                    request, wanted = exchange["request"], exchange["response"]["body"]
                    url = urllib.parse.urlsplit(request["path"])
                    path = url.path.strip("/").split("/")
                    if path[-1] != "run":
                        resources.change(request["method"], path, request.get("body"))
                        continue
                    workflow = resources.kept["workflows"][path[1]]
                    namespace = dict(urllib.parse.parse_qsl(url.query)).get("namespace", "default")
                    run = await execute_workflow(
                        workflow,
                        request.get("body"),
                        namespace=namespace,
                        config=resources.config_of(workflow),
                        executor=executor,
                        run={"name": "r", "uid": "u", "workflow": path[1], "source": "api"},
                    )
                    found = run.state.value, run.source, json.loads(to_json(run.result))
                    assert fits(list(found), [wanted["state"], wanted["source"], wanted["result"]]), (step["label"], found, wanted)
                    done += 1
        return done

    assert asyncio.run(replay()) == runs
