"""Stages written to the Flowdapt dialect, on a real worker with a scripted parent that plays the server's memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from parent import Answer, Worker, context

GOOD = "pegboard_fixture_good"
RUN = {
    "uid": "u-1",
    "name": "brave-otter-1",
    "workflow": "probe",
    "source": "api",
    "state": "running",
    "started_at": "2026-11-20T17:51:22.123456789Z",
}
STAGES = [{"name": "a", "target": "x.y", "type": "simple", "depends_on": []}, {"name": "b", "target": "x.z"}]
DEFINITION = {"kind": "workflow", "metadata": {"name": "probe", "uid": "d-1"}, "spec": {"stages": STAGES}}


@pytest.fixture
def call(worker: Worker, tmp_path: Path) -> Any:
    (tmp_path / "pegboard_dialect.py").write_text(STAGE_CODE)
    worker.stage("site.addsitedir", str(tmp_path))
    worker.memory.clear()

    def run(target: str, namespace: str = "ns", **given: Any) -> Answer:
        storage = {"protocol": "file", "base_path": str(tmp_path / "storage")}
        whole = context(given, run=RUN, definition=DEFINITION, namespace=namespace, config={"a": [1]}, storage=storage)
        return worker.stage(target if "." in target else f"pegboard_dialect.{target}", root=given, context=whole)

    return run


STAGE_CODE = """
import asyncio, copy, logging, threading
from flowdapt.compute import artifacts, object_store
from flowdapt.compute.artifacts.dataset.dataframes import dataframe_from_artifact, dataframe_to_artifact
from flowdapt.compute.artifacts.dataset import array_from_artifact, array_to_artifact
from flowdapt.compute.artifacts.misc import json_from_artifact, json_to_artifact, pickle_to_artifact
from flowdapt.compute.cluster_memory import get_from_cluster_memory, put_in_cluster_memory
from flowdapt.compute.resources.workflow.context import WorkflowRunContext, get_run_context, reset_run_context, set_run_context
from flowdapt.compute.resources.workflow.errors import WorkflowExecutionError
from flowdapt.lib.errors import ResourceNotFoundError
from flowdapt.lib.logger import get_logger

logger = get_logger("dialect")


def models():
    context = get_run_context()
    context.input["x"] = "changed"
    dumped = context.run.model_dump(mode="json")
    return {
        "x": context.input["x"],
        "started": dumped["started_at"],
        "finished": context.run.finished_at,
        "annotations": context.definition.metadata.annotations,
        "stage": context.definition.spec.stages[1].model_dump(),
        "copied": context.run.model_copy(update={"name": "other"}).name,
        "kept": context.run.name,
        "deep": copy.deepcopy(context) == context,
    }


def untouched():
    return get_run_context().input.get("x")


async def in_coroutine():
    await asyncio.sleep(0)
    object_store.put("from-coroutine", 1)
    return get_run_context().namespace, object_store.get("from-coroutine")


def in_thread():
    found = []

    def ask():
        try:
            get_run_context()
        except RuntimeError as error:
            found.append(str(error))
        put_in_cluster_memory("t", 5, namespace="n", backend="local")
        found.append(get_from_cluster_memory("t", namespace="n", backend="local"))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found


def own_context():
    token = set_run_context(WorkflowRunContext(namespace="mine"))
    try:
        return get_run_context().namespace
    finally:
        reset_run_context(token)


def catch(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]


def missing(strategy=None, key="k"):
    return catch(object_store.get, key, strategy=strategy)


def hooks_do_not_matter():
    import pandas
    frame = pandas.DataFrame({"a": [1, 2, 3]})
    object_store.put("frame", frame, save_artifact_hook=dataframe_to_artifact(format="csv"))
    return object_store.get("frame")["a"].tolist()


def artifact_frame():
    import pandas
    frame = pandas.DataFrame({"a": [1, 2, 3]})
    object_store.put("frame", frame, artifact_only=True, save_artifact_hook=dataframe_to_artifact(format="csv", index=False, num_parts=2))
    names = [file.name for file in artifacts.get_artifact("frame")]
    by_hook = object_store.get("frame", strategy="artifact", load_artifact_hook=dataframe_from_artifact(format="csv"))
    by_default = object_store.get("frame", strategy="artifact")
    return names, by_hook["a"].tolist(), by_default["a"].tolist(), artifacts.get_artifact("frame")["value_type"]


def artifact_array():
    import numpy
    object_store.put("array", numpy.arange(5), strategy="artifact", save_artifact_hook=array_to_artifact(num_parts=2))
    return object_store.get("array", strategy="artifact").tolist()


def other_hooks():
    object_store.put("j", {"a": 1}, strategy="artifact", save_artifact_hook=json_to_artifact())
    object_store.put("p", (1, 2), strategy="artifact", save_artifact_hook=pickle_to_artifact("x"))
    object_store.put("o", {1, 2}, strategy="artifact")
    unreadable = artifacts.new_artifact("u")
    unreadable.new_file("something", "text")
    return [
        object_store.get("j", strategy="artifact"),
        object_store.get("p", strategy="artifact"),
        object_store.get("o", strategy="artifact"),
        object_store.get("j", strategy="artifact", load_artifact_hook=json_from_artifact()),
        catch(object_store.get, "u", strategy="artifact"),
        catch(object_store.get, "o", strategy="artifact", load_artifact_hook=json_from_artifact()),
    ]


def unpicklable_value_becomes_an_artifact():
    object_store.put("generator", 5, save_artifact_hook=lambda artifact, value: artifact.set_meta("kept", value))
    before = artifacts.check_if_artifact_exists("generator")
    object_store.put("lambda", (i for i in [1]), save_artifact_hook=lambda artifact, value: artifact.set_meta("kept", list(value)))
    return before, artifacts.get_artifact("lambda").get_meta("kept")


def artifact_surface():
    found = {}
    artifact = artifacts.new_artifact("a-1")
    found["again"] = catch(artifacts.new_artifact, "a-1")
    found["bad name"] = catch(artifacts.new_artifact, "a b")
    found["empty"] = (artifact.is_empty, bool(artifact))
    file = artifact.new_file("x.txt", "one")
    found["kept"] = artifact.new_file("x.txt", "two").read()
    found["refused"] = catch(artifact.new_file, "x.txt", exist_ok=False)[0]
    with file.open("w") as handle:
        handle.write("three")
    with file.open("a") as handle:
        handle.write("!")
    with file.open() as handle:
        found["written"] = handle.read()
    found["in"] = ("x.txt" in artifact, "y" in artifact, bool(artifact))
    found["absent file"] = catch(artifact.get_file, "y")[0]
    found["escape"] = catch(artifact.new_file, "../y")[0]
    artifact["count"] = 3
    found["meta"] = (artifact["count"], artifact["none"], artifact.get_meta("none", 5), artifacts.get_artifact("a-1").metadata)
    found["del"] = catch(artifact.del_meta, "none")[0]
    found["metas"] = [file.name for file in artifact.list_files(include_meta=True)]
    with artifact.transaction():
        artifact.new_file("later", b"1")
        found["in transaction"] = artifact.list_files() == []  or [file.name for file in artifact.list_files()]
    found["after transaction"] = [file.name for file in artifact]
    found["uri"] = artifact.uri
    found["listed"] = [each.name for each in artifacts.list_artifacts()], artifacts.list_artifacts("nobody")
    artifact.clear()
    found["cleared"] = (artifact.list_files(), artifact["count"])
    artifact.delete()
    found["deleted"] = (artifacts.check_if_artifact_exists("a-1"), catch(artifact.list_files)[0])
    found["create"] = artifacts.get_artifact("fresh", create=True).metadata
    return found


def lines():
    logger.info("plain")
    logger.bind(a=1).warning("with fields", text="two words")
    logger.debug("%s of %s", 1, 2)
    try:
        raise ResourceNotFoundError(detail="gone")
    except ResourceNotFoundError as error:
        logger.exception("failed", status=error.status_code)
    asyncio.run(logger.ainfo("from a coroutine"))
    logging.getLogger("standard").error("to standard error")


def errors():
    import pickle
    error = pickle.loads(pickle.dumps(ResourceNotFoundError("gone")))
    return error.status_code, error.detail, str(error), issubclass(WorkflowExecutionError, Exception)
"""


def test_context(call: Any):
    value = call(f"{GOOD}.describe", name="Bob").value
    del value["process_id"]
    assert value == {
        "input": {"name": "Bob"},
        "namespace": "ns",
        "executor": "local",
        "config": {"a": [1]},
        "workflow": "probe",
        "stages": ["a", "b"],
        "run": {"workflow": "probe", "source": "api", "state": "running"},
    }


def test_context_models(call: Any):
    value = call("models", x="first").value
    assert value["x"] == "changed" and value["deep"] is True
    assert value["started"] == "2026-11-20T17:51:22.123456+00:00"
    assert (value["finished"], value["annotations"]) == (None, {})
    assert value["stage"]["name"] == "b" and value["stage"]["depends_on"] == []
    assert (value["copied"], value["kept"]) == ("other", "brave-otter-1")
    assert call("untouched", x="first").value == "first"


def test_context_in_coroutines_threads_and_own(call: Any):
    assert call("in_coroutine").value == ("ns", 1)
    assert call("in_thread").value == ["No active WorkflowRunContext", 5]
    assert call("own_context").value == "mine"


@pytest.mark.parametrize("strategy", [None, "fallback", "cluster_memory", "artifact", "nonsense"])
@pytest.mark.parametrize("value", [None, 0, [], {"a": (1, 2)}])
def test_object_store_round_trip(call: Any, strategy: str | None, value: Any):
    assert call(f"{GOOD}.is_stored", strategy=strategy).value is False
    assert call(f"{GOOD}.store", value=value, strategy=strategy).value == "stored"
    assert call(f"{GOOD}.is_stored", strategy=strategy).value is True
    # JSON input makes lists of tuples.
    assert json.dumps(call(f"{GOOD}.fetch", strategy=strategy).value) == json.dumps(value)
    assert call(f"{GOOD}.fetch", "other", strategy="artifact").failure["class"] == "FileNotFoundError"
    assert call(f"{GOOD}.remove", strategy=strategy).value == "removed"
    assert call(f"{GOOD}.is_stored", strategy=strategy).value is False


@pytest.mark.parametrize(
    ("strategy", "key", "error"),
    [
        (None, "k", ["FileNotFoundError", "No Artifact existing in namespace `ns` with the path `k`"]),
        ("artifact", "k", ["FileNotFoundError", "No Artifact existing in namespace `ns` with the path `k`"]),
        ("cluster_memory", "k", ["KeyError", "'k'"]),
        (
            "artifact",
            "a b",
            ["ValueError", "Artifact `name` can only contain alphanumeric characters, underscores, and hyphens. Got: `a b`"],
        ),
    ],
)
def test_missing_keys(call: Any, strategy: str | None, key: str, error: list[str]):
    assert call("missing", strategy=strategy, key=key).value == error


def test_fallback_prefers_memory_and_artifacts_count_for_exists(call: Any):
    call(f"{GOOD}.store", value="artifact", strategy="artifact")
    assert call(f"{GOOD}.is_stored", strategy="cluster_memory").value is True
    assert call(f"{GOOD}.fetch").value == "artifact"
    call(f"{GOOD}.store", value="memory")
    assert call(f"{GOOD}.fetch").value == "memory"
    call(f"{GOOD}.remove")
    assert call(f"{GOOD}.fetch").value == "artifact"
    call(f"{GOOD}.remove", strategy="artifact")
    assert call(f"{GOOD}.remove", strategy="artifact").value == "removed"


def test_keys_that_no_artifact_can_have(call: Any):
    assert call(f"{GOOD}.store", key="any key/at all").value == "stored"
    assert call(f"{GOOD}.fetch", key="any key/at all").value == 1
    assert call(f"{GOOD}.is_stored", key="another key").value is False


def test_hooks(call: Any):
    assert call("hooks_do_not_matter").value == [1, 2, 3]
    names, by_hook, by_default, kind = call("artifact_frame").value
    assert names == ["partition-0.csv", "partition-1.csv"]
    assert by_hook == by_default == [1, 2, 3]
    assert kind == "pandas.core.frame.DataFrame"
    assert call("artifact_array").value == [0, 1, 2, 3, 4]
    found = call("other_hooks").value
    assert found[:4] == [{"a": 1}, (1, 2), {1, 2}, {"a": 1}]
    assert found[4] == ["FileNotFoundError", "Artifact `u` has no `object` file"]
    assert found[5][0] == "AssertionError"
    assert call("unpicklable_value_becomes_an_artifact").value == (False, [1])


def test_artifact_surface(call: Any, tmp_path: Path):
    found = call("artifact_surface").value
    folder = tmp_path / "storage" / "artifacts" / "ns" / "a-1"
    assert found["again"] == ["FileExistsError", "Artifact `a-1` already exists in namespace `ns`"]
    assert found["bad name"][0] == "ValueError"
    assert found["empty"] == (True, False)
    assert found["kept"] == b"one"
    assert (found["refused"], found["absent file"], found["escape"]) == ("FileExistsError", "FileNotFoundError", "ValueError")
    assert found["written"] == "three!"
    assert found["in"] == (True, False, True)
    assert found["meta"] == (3, None, 5, {"count": 3})
    assert found["del"] == "KeyError"
    assert found["metas"] == [".artifact.json", "x.txt"]
    assert found["in transaction"] == ["x.txt"]
    assert found["after transaction"] == ["later", "x.txt"]
    assert found["uri"] == f"file://{folder}"
    assert found["listed"] == (["a-1"], [])
    assert found["cleared"] == ([], 3)
    assert found["deleted"] == (False, "FileNotFoundError")
    assert found["create"] == {}
    assert json.loads((tmp_path / "storage" / "artifacts" / "ns" / "fresh" / ".artifact.json").read_text()) == {}


def test_logger(call: Any, worker: Worker):
    log = call("lines").log
    assert log[:3] == [("info", "plain"), ("warning", "with fields a=1 text='two words'"), ("debug", "1 of 2")]
    assert log[3][0] == "error" and log[3][1].startswith("failed status=404\nTraceback") and "ResourceNotFoundError: gone" in log[3][1]
    assert log[4] == ("info", "from a coroutine")
    assert worker.read(worker.error_output, 1) == b"to standard error\n"
    assert call(f"{GOOD}.say_exception").log[0][1].startswith("it failed plugin=good\n")


def test_errors(call: Any):
    assert call("errors").value == (404, "gone", "gone", True)


def test_version(worker: Worker, tmp_path: Path):
    (tmp_path / "pegboard_versions.py").write_text("import flowdapt\ndef version():\n    return flowdapt.__version__\n")
    worker.stage("site.addsitedir", str(tmp_path))
    assert worker.stage("pegboard_versions.version", root={}).value == "0.1.52"
