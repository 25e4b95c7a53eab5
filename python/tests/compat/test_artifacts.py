"""Artifacts on every kind of file system: one suite, run on all of them."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from flowdapt.compute import artifacts, object_store
from flowdapt.compute.artifacts import Artifact
from flowdapt.compute.artifacts.dataset import (
    array_from_artifact,
    array_to_artifact,
    dataframe_from_artifact,
    dataframe_to_artifact,
    get_handler_func,
    register_handler,
)
from flowdapt.compute.artifacts.misc import json_from_artifact, json_to_artifact, pickle_from_artifact, pickle_to_artifact
from flowdapt.compute.resources.workflow.context import WorkflowRunContext, reset_run_context, set_run_context
from flowdapt.lib import config


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, Any]]:
    """Where a stand-in for S3 listens, and the keys for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parameters = {
        "key": "key",
        "secret": "secret",
        "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"},
    }
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/pegboard-bucket", method="PUT")).close()
        yield parameters
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)


@pytest.fixture(params=["file", "memory", "memory without fsspec", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[config.StorageSettings]:
    settings = config.StorageSettings(protocol=request.param.partition(" ")[0], base_path=str(tmp_path))
    if request.param == "s3":
        settings.base_path = f"pegboard-bucket/{uuid.uuid4().hex}"
        settings.parameters = request.getfixturevalue("bucket")
    elif request.param.endswith("fsspec"):
        monkeypatch.setitem(sys.modules, "fsspec", None)
    chosen = config.Configuration(storage=settings)
    config.set_configuration(chosen)
    token = set_run_context(WorkflowRunContext(namespace="ns"))
    yield settings
    reset_run_context(token)
    config.set_configuration(None)


def test_functions(storage: config.StorageSettings):
    assert artifacts.list_artifacts() == [] and not artifacts.check_if_artifact_exists("a")
    with pytest.raises(FileNotFoundError, match="No Artifact existing in namespace `ns` with the path `a`"):
        artifacts.get_artifact("a")
    made = artifacts.new_artifact("a")
    assert made.uri == f"{storage.protocol}://{storage.base_path}/artifacts/ns/a" and made.path.endswith("/artifacts/ns/a")
    with pytest.raises(FileExistsError, match="Artifact `a` already exists in namespace `ns`"):
        artifacts.new_artifact("a")
    with pytest.raises(AssertionError):
        artifacts.new_artifact("")
    for wrong in ("a b", "a/b", "..", "a\n"):
        with pytest.raises(ValueError, match="can only contain alphanumeric"):
            artifacts.get_artifact(wrong)
    with pytest.raises(ValueError, match="no name of a namespace"):
        artifacts.list_artifacts("../x")
    assert artifacts.get_artifact("b", create=True).metadata == {}
    assert [each.name for each in artifacts.list_artifacts()] == ["a", "b"]
    assert artifacts.list_artifacts("other") == []
    artifacts.get_artifact("c", "other", create=True)
    assert [each.namespace for each in artifacts.list_artifacts("other")] == ["other"]
    made.delete()
    assert not made.exists and [each.name for each in artifacts.list_artifacts()] == ["b"]
    for action in (made.delete, made.list_files, lambda: made.new_file("x"), lambda: made.get_meta("k"), lambda: made.set_meta("k", 1)):
        with pytest.raises(FileNotFoundError):
            action()


def test_files(storage: config.StorageSettings):
    artifact = artifacts.new_artifact("a")
    assert artifact.is_empty and not artifact
    file = artifact.new_file("x.txt", "one")
    assert (file.name, file.path, file.artifact) == ("x.txt", f"{artifact.path}/x.txt", artifact)
    assert artifact.new_file("x.txt", "two").read() == b"one"
    with pytest.raises(FileExistsError):
        artifact.new_file("x.txt", exist_ok=False)
    assert artifact.new_file("empty").read() == b"" and artifact.new_file("bytes", b"\0\1").read(1) == b"\0"
    assert file.write("größe") == 7 and file.read(mode="r") == "größe"
    with file.open("a") as handle:
        handle.write("!")
    with file.open() as handle:
        assert handle.read() == "größe!"
    with file.open("wb") as handle:
        handle.write(b"12")
        handle.close()
    with file.open("rb") as handle:
        assert handle.read() == b"12" and handle.seek(0) == 0
    with pytest.raises(RuntimeError), file.open("w") as handle:
        handle.write("lost")
        raise RuntimeError
    assert file.read() == b"12"
    with pytest.raises(FileExistsError), file.open("x"):
        pass
    assert "x.txt" in artifact and "y" not in artifact and 5 not in artifact and artifact
    assert [each.name for each in artifact] == ["bytes", "empty", "x.txt"]
    assert ".artifact.json" in {each.name for each in artifact.list_files(include_meta=True)}
    file.remove()
    artifact.delete_file("empty")
    for action in (file.remove, file.read, lambda: artifact.delete_file("y"), lambda: artifact.get_file("y")):
        with pytest.raises(FileNotFoundError):
            action()
    for wrong in ("../y", "a/b", "", ".."):
        with pytest.raises(ValueError, match="no name of a file"):
            artifact.new_file(wrong)
    assert artifact.get_file("y", create=True).read() == b""


def test_metadata(storage: config.StorageSettings):
    artifact = artifacts.new_artifact("a")
    artifact["k"] = {"a": [1]}
    artifact.set_meta("n", numpy.float64(1.5))
    assert artifacts.get_artifact("a").metadata == {"k": {"a": [1]}, "n": 1.5}
    assert (artifact["none"], artifact.get_meta("none", 5)) == (None, 5)
    del artifact["k"]
    for key in ("k", "none"):
        with pytest.raises(KeyError):
            artifact.del_meta(key)
    artifact.new_file("x")
    artifact.clear()
    assert artifact.is_empty and artifact["n"] == 1.5


def test_transactions(storage: config.StorageSettings):
    artifact = artifacts.new_artifact("a")
    with artifact.transaction():
        file = artifact.new_file("x", "1")
        assert file.read() == b"1" and artifact.has_file("x")
        assert not artifacts.get_artifact("a").has_file("x")
    assert artifacts.get_artifact("a").get_file("x").read() == b"1"
    with pytest.raises(RuntimeError), artifact.transaction():
        artifact.new_file("y", "1")
        file.write("2")
        artifact.new_file("z")
        artifact.delete_file("z")
        raise RuntimeError
    assert [each.name for each in artifact] == ["x"] and file.read() == b"1"


def test_an_artifact_can_be_pickled(storage: config.StorageSettings):
    artifact = artifacts.new_artifact("a")
    artifact.new_file("x", "1")
    again = pickle.loads(pickle.dumps(artifact))
    assert isinstance(again, Artifact) and again.get_file("x").read() == b"1"


FRAME = pandas.DataFrame({"x": [1, 2, 3, 4, 5], "s": list("abcde")})


@pytest.mark.parametrize("strategy", ["artifact", "fallback"])
def test_object_store(storage: config.StorageSettings, strategy: str):
    def store(key: str, value: Any, **hooks: Any) -> None:
        object_store.put(key, value, strategy=strategy, executor="none", **hooks)

    def fetch(key: str, **hooks: Any) -> Any:
        return object_store.get(key, strategy=strategy, executor="none", **hooks)

    store("o", {"a": (1, None)})
    assert fetch("o") == {"a": (1, None)}
    store("f", FRAME, save_artifact_hook=dataframe_to_artifact(num_parts=2))
    names = [file.name for file in artifacts.get_artifact("f")]
    assert names == ["partition-0.parquet", "partition-1.parquet"]
    # The second is by what the hook has recorded.
    for hooks in ({"load_artifact_hook": dataframe_from_artifact()}, {}):
        assert fetch("f", **hooks)["x"].tolist() == [1, 2, 3, 4, 5]
    assert artifacts.get_artifact("f")["value_type"] == "pandas.core.frame.DataFrame"
    assert len(dataframe_from_artifact()(_only(artifacts.get_artifact("f"), "partition-0.parquet"))) == 3
    store("n", numpy.arange(4), save_artifact_hook=array_to_artifact())
    assert fetch("n", load_artifact_hook=array_from_artifact()).tolist() == fetch("n").tolist() == [0, 1, 2, 3]
    store("j", {"a": [1]}, save_artifact_hook=json_to_artifact())
    assert fetch("j", load_artifact_hook=json_from_artifact()) == fetch("j") == {"a": [1]}
    store("p", {1, 2}, save_artifact_hook=pickle_to_artifact("name"))
    assert fetch("p", load_artifact_hook=pickle_from_artifact("name")) == fetch("p") == {1, 2}
    with pytest.raises(AssertionError):
        fetch("p", load_artifact_hook=json_from_artifact())
    store("own", 5, save_artifact_hook=lambda artifact, value: artifact.new_file("mine", str(value)))
    with pytest.raises(FileNotFoundError, match="has no `object` file"):
        fetch("own")
    assert object_store.exists("o", executor="none")
    object_store.delete("o", strategy=strategy, executor="none")
    object_store.delete("o", strategy=strategy, executor="none")
    assert not object_store.exists("o", executor="none")


def _only(artifact: Artifact, name: str) -> Artifact:
    for file in artifact.list_files():
        if file.name != name:
            file.remove()
    return artifact


def test_frames_in_other_formats(storage: config.StorageSettings):
    artifact = artifacts.new_artifact("a")
    dataframe_to_artifact("csv")(artifact, FRAME)
    assert list(dataframe_from_artifact("csv")(artifact)) == ["Unnamed: 0", "x", "s"]
    # Saving again replaces all parts.
    dataframe_to_artifact()(artifact, FRAME)
    assert [file.name for file in artifact] == ["partition-0.parquet"]
    for wrong, value in ((dataframe_to_artifact("xml"), FRAME), (array_to_artifact("npz"), numpy.arange(1))):
        with pytest.raises(KeyError):
            wrong(artifact, value)
    with pytest.raises(ValueError, match="No handler"):
        dataframe_to_artifact()(artifact, [1])


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def test_a_type_of_ones_own(storage: config.StorageSettings):
    name = f"{Point.__module__}.Point"
    register_handler("local", name, "to_artifact", lambda artifact, value, format: artifact.new_file("x", str(value.x)))
    register_handler("local", name, "from_artifact", lambda artifact, format: Point(int(artifact.get_file("x").read())))
    artifact = artifacts.new_artifact("a")
    dataframe_to_artifact(executor="local")(artifact, Point(3))
    assert dataframe_from_artifact(executor="local")(artifact).x == 3
    with pytest.raises(ValueError, match="No handler"):
        get_handler_func("", name, "to_artifact")


def test_another_place_than_the_configured_one(storage: config.StorageSettings, tmp_path: Path):
    other = tmp_path / "other"
    artifacts.new_artifact("a", "elsewhere", "file", str(other)).new_file("x", "1")
    assert (other / "artifacts/elsewhere/a/x").read_text() == "1"
    assert artifacts.check_if_artifact_exists("a", "elsewhere", "file", str(other))
    object_store.put("b", 1, strategy="artifact", artifact_params={"protocol": "file", "base_path": str(other)})
    assert [each.name for each in artifacts.list_artifacts(protocol="file", base_path=str(other))] == ["b"]
    assert not artifacts.check_if_artifact_exists("b")


def test_what_others_write_is_seen(storage: config.StorageSettings):
    mine, theirs = artifacts.new_artifact("a"), artifacts.get_artifact("a")
    assert mine.list_files() == [] and not mine.has_file("x")
    theirs.new_file("x", "1")
    assert mine.has_file("x") and [file.name for file in mine] == ["x"]
    theirs.delete()
    assert not mine.exists
    artifacts.new_artifact("a")
    assert mine.exists and mine.is_empty


def test_a_run_is_needed():
    with pytest.raises(RuntimeError, match="No active"):
        artifacts.list_artifacts()
