"""`execute_workflow` and the local executor: the rules of the server, without one."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flowdapt.compute import artifacts, object_store
from flowdapt.compute.executor.base import Executor
from flowdapt.compute.executor.local import LocalExecutor
from flowdapt.compute.resources.workflow.context import WorkflowResource, get_run_context
from flowdapt.compute.resources.workflow.errors import WorkflowExecutionError
from flowdapt.compute.resources.workflow.execute import execute_workflow
from flowdapt.lib.config import get_configuration, set_app_dir, set_configuration


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWDAPT__STORAGE__BASE_PATH", str(tmp_path))
    return tmp_path


def stage(name: str, target: Any, *depends_on: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "target": target, "depends_on": list(depends_on), **more}


def mapped(name: str, target: Any, *depends_on: str, **options: Any) -> dict[str, Any]:
    return stage(name, target, *depends_on, type="parameterized", options=options)


def execute(*stages: dict[str, Any], **more: Any) -> Any:
    async def run() -> Any:
        return await execute_workflow({"metadata": {"name": "w"}, "spec": {"stages": list(stages)}}, **more)

    return asyncio.run(run())


def outcome(*stages: dict[str, Any], **more: Any) -> Any:
    """The result, or class and message of the failure."""
    ended = execute(*stages, **more)
    assert ended.state in ("finished", "failed") and ended.finished_at >= ended.started_at
    return ended.result if ended.state == "finished" else tuple(ended.result)


def numbers(n: int = 3) -> list[int]:
    return list(range(n))


def add(a: Any, b: Any) -> Any:
    return a + b


def double(x: Any) -> Any:
    return x * 2


def odd_fails(x: int) -> int:
    if x % 2:
        raise RuntimeError(f"{x} is odd")
    return x


async def later(x: int = 1) -> int:
    await asyncio.sleep(0.001)
    return x + 100


def star(*args: Any) -> list[Any]:
    return list(args)


def anything(**kwargs: Any) -> dict[str, Any]:
    return kwargs


def with_extra(x: Any, extra: Any = None) -> list[Any]:
    return [x, extra]


def only_by_name(*, k: Any) -> Any:
    return k


def refused(context: Any) -> None: ...


def leave() -> None:
    raise SystemExit("bye")


class Strange(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def strange() -> None:
    raise Strange("this", "that")


A, B = stage("a", numbers), stage("b", sum, "a")

SUCCESSES: list[tuple[str, list[dict[str, Any]], dict[str, Any], Any]] = [
    ("input by name, the rest is dropped", [stage("a", numbers)], {"n": 2, "other": 1}, [0, 1]),
    ("catch-all", [stage("a", anything)], {"n": 2}, {"n": 2}),
    ("by name only", [stage("a", only_by_name)], {"k": 5}, 5),
    ("dependencies in their order", [stage("x", lambda: "x"), stage("y", lambda: "y"), stage("z", add, "y", "x")], {}, "yx"),
    ("one dependency twice", [stage("x", lambda: 2), stage("z", add, "x", "x")], {}, 4),
    ("more results than parameters", [stage("x", lambda: 2), stage("z", double, "x", "x")], {}, 4),
    ("all of them into args", [stage("x", lambda: 2), stage("z", star, "x", "x")], {}, [2, 2]),
    ("defined before what it needs", [stage("b", double, "a"), stage("a", lambda: 3)], {}, 6),
    ("last of the last group", [stage("a", lambda: 1), stage("b", lambda: 2), stage("c", double, "a"), stage("d", star, "b")], {}, [2]),
    ("of one name the later", [stage("a", lambda: 1), stage("a", lambda: 2)], {}, 2),
    ("options replace keys", [stage("a", numbers, options={"target": "platform.python_implementation"})], {}, "CPython"),
    ("async", [stage("a", later)], {}, 101),
    ("a dotted path", [stage("a", " collections.OrderedDict ")], {}, {}),
    ("fan-out over a result", [A, mapped("m", double, "a")], {"n": 4}, [0, 2, 4, 6]),
    ("other results go to every item", [A, stage("e", lambda: "e"), mapped("m", with_extra, "a", "e")], {"n": 1}, [[0, "e"]]),
    ("fan-out over input", [mapped("m", double, map_on="x")], {"x": [1, 2]}, [2, 4]),
    ("with more input", [mapped("m", with_extra, map_on="x")], {"x": [1], "extra": 7}, [[1, 7]]),
    ("over input and results", [A, mapped("m", with_extra, "a", map_on="x")], {"n": 2, "x": "ab"}, [["a", [0, 1]], ["b", [0, 1]]]),
    ("nothing to run over", [A, mapped("m", double, "a")], {"n": 0}, []),
    ("keys of an object", [stage("a", lambda: {"k": 1}), mapped("m", double, "a")], {}, ["kk"]),
    ("failing items are dropped", [A, mapped("m", odd_fails, "a")], {"n": 5}, [0, 2, 4]),
    ("all of them", [mapped("m", odd_fails, map_on="x")], {"x": [1, 3]}, []),
    ("async items", [A, mapped("m", later, "a")], {"n": 3}, [100, 101, 102]),
    ("map_on beside the options is dropped", [A, {**mapped("m", double, "a"), "map_on": "nope"}], {"n": 2}, [0, 2]),
    ("early spelling", [A, {**mapped("m", double, "a"), "type": "parameter"}], {"n": 2}, [0, 2]),
    ("resources are read", [stage("a", lambda: 1, resources={"cpus": "2", "memory": "5.4 kB", "label": 1})], {}, 1),
]

UNCOVERED = "Invalid arguments provided: [], {} for signature: (a: 'Any', b: 'Any') -> 'Any'"
RESOURCES = "`resources` of stage `a`"
STRICT = {"allow_partial_failure": False}
NOTHING = "Stage `c` takes no arguments but depends on previous stage."
PROBLEM = "Problematic stage dependency. Check your workflow defintion at stage: {}"

FAILURES: list[tuple[str, list[dict[str, Any]], dict[str, Any], tuple[str, str]]] = [
    ("raised", [stage("a", odd_fails)], {"x": 1}, ("RuntimeError", "1 is odd")),
    ("later groups do not start", [stage("a", odd_fails), stage("b", "no.such", "a")], {"x": 1}, ("RuntimeError", "1 is odd")),
    ("missing input", [stage("a", add)], {"a": 1}, ("ValueError", UNCOVERED.replace("{}", "{'a': 1}"))),
    (
        "takes nothing",
        [A, stage("c", only_by_name, "a")],
        {},
        ("ValueError", "Stage `c` takes no arguments but depends on previous stage."),
    ),
    ("cycle", [stage("a", star, "b"), stage("b", star, "a")], {}, ("AssertionError", PROBLEM.format("{'a', 'b'}"))),
    ("unknown name", [stage("a", star, "z")], {}, ("AssertionError", PROBLEM.format("{'a'}"))),
    ("on itself", [stage("a", star, "a")], {}, ("KeyError", "'a'")),
    ("map_on without input", [mapped("m", double, map_on="x")], {}, ("KeyError", "'x'")),
    ("nothing to map", [mapped("m", double)], {}, ("IndexError", "pop from empty list")),
    ("no iterable", [stage("a", lambda: 1), mapped("m", double, "a")], {}, ("TypeError", "'int' object is not iterable")),
    (
        "first failure ends it",
        [mapped("m", odd_fails, map_on="x", allow_partial_failure=False)],
        {"x": [2, 1]},
        ("RuntimeError", "1 is odd"),
    ),
    ("unbound item", [mapped("m", add, map_on="a")], {"a": [1]}, ("ValueError", UNCOVERED)),
    ("type", [stage("a", star, type="odd")], {}, ("ValidationError", "Stage type `odd` does not exist.")),
    ("option", [mapped("m", double, map_on=1)], {}, ("ValidationError", "option `map_on` of stage `m` is `1`, not text or null")),
    ("no path", [stage("a", "zzz")], {}, ("ImportError", "zzz isn't a valid module path.")),
    ("no module", [stage("a", "no.such")], {}, ("ModuleNotFoundError", "No module named 'no'")),
    (
        "unit",
        [stage("a", star, resources={"memory": "5 foos"})],
        {},
        ("ValidationError", f"{RESOURCES}: Could not interpret 'foos' as a byte unit"),
    ),
    (
        "number",
        [stage("a", star, resources={"cpus": "many"})],
        {},
        ("ValidationError", f"{RESOURCES}: could not convert string to float: 'many'"),
    ),
    ("leaves", [stage("a", leave)], {}, ("SystemExit", "bye")),
    ("cannot come back", [stage("a", strange)], {}, ("Strange", "this and that")),
    ("no stages", [], {}, ("ValueError", "the workflow has no stages")),
]


@pytest.fixture(scope="module")
def pool() -> Any:
    """One set of processes for the whole table."""
    loop = asyncio.new_event_loop()
    executor = LocalExecutor(cpus=2)
    loop.run_until_complete(executor.start())
    yield executor
    loop.run_until_complete(executor.close())
    loop.close()


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize(("stages", "given", "expected"), [case[1:] for case in SUCCESSES], ids=[case[0] for case in SUCCESSES])
def test_results(stages: list[dict[str, Any]], given: dict[str, Any], expected: Any, processes: bool, pool: Any):
    assert outcome(*stages, input=given, executor=pool if processes else None) == expected


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize(("stages", "given", "expected"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
def test_failures(stages: list[dict[str, Any]], given: dict[str, Any], expected: Any, processes: bool, pool: Any):
    assert outcome(*stages, input=given, executor=pool if processes else None) == expected


def test_a_context_parameter_is_refused():
    name, message = outcome(stage("a", refused))
    assert name == "ValidationError" and "cannot have the following parameters: ['context']" in message


def test_return_result_raises_what_the_stage_raised(pool: Any):
    for executor in (None, pool):
        with pytest.raises(RuntimeError, match="1 is odd"):
            execute(stage("a", odd_fails), input={"x": 1}, return_result=True, executor=executor)
        assert execute(A, stage("s", lambda xs: sum(xs), "a"), return_result=True, executor=executor) == 3


def test_the_run():
    ended = execute(stage("a", lambda: 1))
    assert (ended.state, ended.result, ended.source, ended.workflow) == ("finished", 1, "manual", "w")
    assert len(ended.uid) == 36 and ended.name.count("-") == 2
    given = execute(stage("a", lambda: 1), run={"uid": "u", "name": "n", "source": "api"})
    assert (given.uid, given.name, given.source, given.result) == ("u", "n", "api", 1)
    resource = WorkflowResource(metadata={"name": "r"}, spec={"stages": [stage("a", lambda: 1)]})
    assert asyncio.run(execute_workflow(resource)).workflow == "r"
    early = {"name": "e", "config": {"k": 1}, "stages": [stage("a", lambda: get_run_context().config)]}
    assert asyncio.run(execute_workflow(early, return_result=True)) == {"k": 1}


@pytest.mark.parametrize("wrong", [5, "text", [1]])
def test_what_is_no_workflow(wrong: Any):
    with pytest.raises(TypeError):
        asyncio.run(execute_workflow(wrong))
    with pytest.raises(TypeError):
        execute(A, input=wrong)


def context_of_the_stage() -> Any:
    context = get_run_context()
    context.input["n"].append("changed")
    return {
        "input": context.input,
        "namespace": context.namespace,
        "executor": context.executor,
        "config": context.config,
        "workflow": context.definition.metadata.name,
        "stages": [each.name for each in context.definition.spec.stages],
        "run": (context.run.workflow, context.run.source, context.run.state.value, context.run.finished_at, context.run.result),
    }


def test_context(pool: Any):
    given: dict[str, Any] = {"n": []}
    for executor in (None, pool):
        stages = stage("a", context_of_the_stage), stage("b", lambda: get_run_context().input["n"])
        found = execute(*stages, input=given, namespace="ns", config={"c": 1}, return_result=True, executor=executor)
        assert (found, given) == ([], {"n": []})
        found = execute(stages[0], input=given, namespace="ns", config={"c": 1}, return_result=True, executor=executor)
        assert found == {
            "input": {"n": ["changed"]},
            "namespace": "ns",
            "executor": "local",
            "config": {"c": 1},
            "workflow": "w",
            "stages": ["a"],
            "run": ("w", "manual", "running", None, None),
        }
    with pytest.raises(RuntimeError, match="No active"):
        get_run_context()


def test_stages_and_items_run_side_by_side():
    barrier = threading.Barrier(3, timeout=10)
    waits = [stage(name, barrier.wait) for name in "abc"]
    assert sorted(execute(*waits, stage("z", star, *"abc"), cpus=3, return_result=True)) == [0, 1, 2]
    items = mapped("m", lambda x: barrier.wait(), map_on="x")
    assert sorted(execute(items, input={"x": "abc"}, cpus=3, return_result=True)) == [0, 1, 2]


def test_no_further_item_starts_after_a_failure():
    started: list[int] = []

    def first_fails(x: int) -> None:
        started.append(x)
        time.sleep(0.01)
        raise ValueError(x)

    ended = execute(mapped("m", first_fails, map_on="x", allow_partial_failure=False), input={"x": list(range(50))}, cpus=1)
    assert ended.result == ["ValueError", "0"] and len(started) < 5


def test_dropped_items_are_logged(capsys: pytest.CaptureFixture[str]):
    execute(mapped("m", odd_fails, map_on="x"), input={"x": [0, 1]})
    assert "item 1 of stage `m` is dropped: RuntimeError: 1 is odd" in capsys.readouterr().err


def die() -> None:
    os._exit(3)


def test_a_worker_that_dies_takes_only_its_run_along():
    async def several() -> Any:
        async with LocalExecutor(cpus=1) as executor:
            spec = {"metadata": {"name": "w"}, "spec": {"stages": [stage("a", die)]}}
            with pytest.raises(WorkflowExecutionError, match="worker process ended"):
                await execute_workflow(spec, return_result=True, executor=executor)
            spec["spec"] = {"stages": [stage("a", os.getpid)]}
            return await execute_workflow(spec, return_result=True, executor=executor)

    assert asyncio.run(several()) != os.getpid()


def test_unpicklable_values_fail_on_processes_only(pool: Any):
    stages = stage("a", lambda: (x for x in (1, 2))), stage("b", lambda xs: sum(xs), "a")
    assert outcome(*stages) == 3
    assert outcome(*stages, executor=pool)[0] == "TypeError"


def put(key: str, value: Any) -> Any:
    return object_store.put(key, value)


def get(key: str) -> Any:
    return object_store.get(key)


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_memory_lasts_as_long_as_the_executor(processes: bool):
    async def several() -> None:
        async with LocalExecutor(use_processes=processes, cpus=2) as executor:
            info = await executor.environment_info()
            assert (executor.running, executor.connected, executor.kind) == (True, True, "local")
            assert (info["processes"], info["cpus"], info["cluster_memory"]["store_size"]) == (processes, 2, 0)

            async def run(target: Any, **given: Any) -> Any:
                spec = {"metadata": {"name": "w"}, "spec": {"stages": [stage("a", target)]}}
                return await execute_workflow(spec, given, executor=executor)

            # From a coroutine as well.
            async def put_later() -> None:
                object_store.put("c", 3)

            assert (await run(put, key="any key!", value=[1])).result == "OK"
            assert (await run(get, key="any key!")).result == [1]
            assert (await run(put_later)).state == "finished"
            assert (await run(get, key="c")).result == 3
            assert (await executor.environment_info())["cluster_memory"]["store_size"] == 2
            other = LocalExecutor(use_processes=False)
            ended = await execute_workflow({"metadata": {"name": "w"}, "spec": {"stages": [stage("a", get)]}}, {"key": "c"}, executor=other)
            assert ended.result[0] == "FileNotFoundError" and not other.running
        assert not executor.running
        await executor.start()
        assert (await run(get, key="c")).result[0] == "FileNotFoundError"
        await executor.close()

    asyncio.run(several())


def where() -> tuple[str, str]:
    artifact = artifacts.new_artifact("here")
    artifact.new_file("x", "1")
    return artifact.uri, get_configuration().storage.protocol


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_artifacts_follow_the_environment(storage: Path, monkeypatch: pytest.MonkeyPatch, processes: bool, pool: Any):
    executor = pool if processes else None
    assert execute(stage("a", where), return_result=True, executor=executor) == (f"file://{storage}/artifacts/default/here", "file")
    assert (storage / "artifacts/default/here/x").read_text() == "1"
    monkeypatch.setenv("FLOWDAPT__STORAGE__PROTOCOL", "memory")
    monkeypatch.setenv("FLOWDAPT__STORAGE__BASE_PATH", f"testing_data_{processes}")
    uri = f"memory://testing_data_{processes}/artifacts/default/here"
    assert execute(stage("a", where), return_result=True, executor=executor) == (uri, "memory")


def test_a_configuration_that_was_set_wins(tmp_path: Path, pool: Any):
    configuration = get_configuration().model_copy(deep=True)
    configuration.storage.base_path = str(tmp_path / "chosen")
    set_configuration(configuration)
    try:
        for name, executor in (("threads", None), ("processes", pool)):
            found = execute(stage("a", where), namespace=name, return_result=True, executor=executor)
            assert found[0] == f"file://{tmp_path}/chosen/artifacts/{name}/here"
    finally:
        set_configuration(None)


def test_user_modules(tmp_path: Path):
    """In a process of their own: their names are the same in every test."""
    folder = tmp_path / "user_modules"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "um.py").write_text("def hi(n=1):\n    return {'um': n}\n")
    workflow = {"metadata": {"name": "w"}, "spec": {"stages": [stage("a", "user_modules.um.hi")]}}

    async def twice() -> Any:
        async with LocalExecutor(cpus=1) as executor:
            first = await execute_workflow(workflow, {"n": 2}, executor=executor, return_result=True)
            (folder / "um.py").write_text("def hi(n=1):\n    return 'edited'\n")
            return first, await execute_workflow(workflow, executor=executor, return_result=True)

    set_app_dir(tmp_path)
    try:
        assert asyncio.run(twice()) == ({"um": 2}, "edited")
    finally:
        set_app_dir(None)


def test_an_executor_of_ones_own():
    class Inline(Executor):
        kind = "inline"
        running = False

        async def start(self) -> None:
            self.running = True

        async def close(self) -> None:
            self.running = False

        def lazy(self, stage: Any) -> Any:
            async def call(context: Any, values: Any) -> Any:
                return stage.target(*(values or []))

            return call

        def mapped_lazy(self, stage: Any) -> Any:
            async def call(context: Any, values: Any) -> Any:
                return [stage.target(item) for item in values[0]]

            return call

    executor = Inline()
    assert execute(A, mapped("m", double, "a"), stage("s", sum, "m"), executor=executor, return_result=True) == 6
    assert not executor.running


def test_an_executor_that_is_not_running():
    executor = LocalExecutor(use_processes=False, cpus=1, unknown=1)
    with pytest.raises(ValueError, match="0 cores"):
        LocalExecutor(cpus=0)
    call = executor.lazy(None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="not running"):
        asyncio.run(call(None, None))  # type: ignore[arg-type]
