"""Configuration, serializers, utilities, plugins and frames: what plugins import and no run is needed for."""

from __future__ import annotations

import asyncio
import datetime
import sys
import types
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from flowdapt.builtins import utils
from flowdapt.compute import artifacts
from flowdapt.compute.artifacts import files
from flowdapt.compute.resources.workflow.context import WorkflowRunContext, WorkflowRunState, reset_run_context, set_run_context
from flowdapt.lib import config, optional, plugins, serializers
from flowdapt.lib.errors import APIErrorModel, ResourceNotFoundError
from flowdapt.lib.utils import misc

from pegboard import _run


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("FLOWDAPT__STORAGE__PROTOCOL", "FLOWDAPT__STORAGE__BASE_PATH", "FLOWDAPT__APP_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield
    config.set_configuration(None)
    config.set_app_dir(None)


def test_defaults():
    found = config.get_configuration()
    assert found is config.get_configuration() and found.name.startswith("flowdapt.")
    assert (found.rpc.api.host, found.rpc.api.port, found.rpc.event_bus.url) == ("127.0.0.1", 8080, "memory://")
    assert found.database.target.endswith(".TinyDBStorage")
    assert found.services.compute.executor.target == "flowdapt.compute.executor.local.LocalExecutor"
    assert (found.services.compute.default_os_strategy, found.services.compute.run_retention_duration) == ("fallback", -1)
    assert (found.storage.protocol, found.storage.base_path, found.storage.parameters) == ("file", "", {})
    assert (found.logging.level, found.telemetry.enabled, found.drain_timeout_seconds, found.app_dir) == ("INFO", False, 300, None)
    with pytest.raises(RuntimeError):
        config.get_configuration(use_temp=False)


def test_environment_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name, value in {
        "RPC__API__PORT": "8081",
        "SERVICES__COMPUTE__EXECUTOR____TARGET__": "a.B",
        "SERVICES__COMPUTE__EXECUTOR__USE_PROCESSES": "False",
        "SERVICES__COMPUTE__EXECUTOR__CPUS": "null",
        "STORAGE__PARAMETERS__KEY": "k",
        "TELEMETRY__HEADERS": '{"a": 1}',
        "DRAIN_ON_SIGTERM": "true",
        "LOGGING__LEVEL": "debug",
        "APP_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(f"FLOWDAPT__{name}", value)
    found = config.get_configuration()
    executor = found.services.compute.executor
    assert (found.rpc.api.port, executor.target, executor.use_processes, executor.cpus) == (8081, "a.B", False, None)
    assert (found.storage.parameters, found.telemetry.headers, found.drain_on_sigterm) == ({"key": "k"}, {"a": 1}, True)
    assert (found.logging.level, found.app_dir) == ("debug", tmp_path)
    monkeypatch.setenv("FLOWDAPT__SERVICES__COMPUTE", "disabled")
    for name in [name for name in config.os.environ if name.startswith("FLOWDAPT__SERVICES__COMPUTE__")]:
        monkeypatch.delenv(name)
    assert config.get_configuration().services.compute == "disabled"


def test_files_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\nexport OTHER__NAME='quoted # text'\nOTHER__RPC__API__PORT=1 # a remark\nOTHER__STORAGE__PROTOCOL=s3\nnoise\n"
    )
    monkeypatch.setenv("OTHER__RPC__API__PORT", "2")
    found = asyncio.run(config.config_from_env([path], env_prefix="OTHER"))
    assert (found.name, found.rpc.api.port, found.storage.protocol) == ("quoted # text", 2, "s3")
    with pytest.raises(FileNotFoundError):
        asyncio.run(config.config_from_env([tmp_path / "none"]))


def test_in_a_worker_the_server_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLOWDAPT__STORAGE__PROTOCOL", "memory")
    said = {
        "storage": {"protocol": "s3", "base_path": "bucket", "default_os_strategy": "artifact"},
        "configuration": {"name": "server", "app_dir": "/app", "services": {"compute": {"default_namespace": "ns"}}},
    }
    token = _run.active_run.set(_run.ActiveRun(_run.RunContext("r", said), "a"))
    try:
        found = config.get_configuration()
        assert config.get_app_dir() == found.app_dir == Path("/app")
    finally:
        _run.active_run.reset(token)
    assert config.get_app_dir() is None
    assert (found.name, found.storage.protocol, found.storage.base_path) == ("server", "s3", "bucket")
    assert (found.services.compute.default_namespace, found.services.compute.default_os_strategy) == ("ns", "artifact")
    assert config.get_configuration().storage.protocol == "memory"


def test_models_look_like_pydantic():
    settings = config.StorageSettings(base_path="x", later=1)
    assert settings.model_dump() == {"protocol": "file", "base_path": "x", "parameters": {}, "later": 1}
    assert settings.model_dump_json(exclude={"later"}) == '{"protocol": "file", "base_path": "x", "parameters": {}}'
    assert config.StorageSettings.model_validate(settings) is settings
    assert config.StorageSettings.model_validate({"base_path": "x", "later": 1}) == settings
    assert dict(settings)["base_path"] == "x" and "base_path='x'" in repr(settings)
    with pytest.raises(ValueError, match="cannot be made"):
        config.StorageSettings.model_validate(5)
    assert APIErrorModel(detail="d").model_dump() == {"detail": "d"}


@pytest.mark.parametrize("name", [name for name in serializers.__all__ if name not in ("Serializer", "SecureCloudPickleSerializer")])
def test_serializers(name: str):
    serializer = getattr(serializers, name)
    value: Any = b"bytes" if name == "NoOpSerializer" else {"a": [1, 2.5, None, "ü"]}
    data = serializer.dumps(value)
    assert isinstance(data, bytes) and serializer.loads(data) == value


def test_functions_go_by_value():
    for serializer in (serializers.CloudPickleSerializer, serializers.DillPickleSerializer):
        assert serializer.loads(serializer.dumps(lambda x: x + 1))(1) == 2


def test_json_is_read_with_comments():
    assert serializers.JSONSerializer.dumps({"a": 1}) == b'{\n    "a": 1\n}'
    text = '{ // a comment, with a comma\n "a": [1, 2,], /* more */ "b": "// none, ] here",\n}'
    assert serializers.JSONSerializer.loads(text) == {"a": [1, 2], "b": "// none, ] here"}
    with pytest.raises(ValueError):
        serializers.JSONSerializer.loads(b"{nothing}")


def test_signed_pickles():
    serializer = serializers.SecureCloudPickleSerializer("key")
    data = serializer.dumps({"a": 1})
    assert serializer.loads(data) == {"a": 1}
    for wrong in (serializers.SecureCloudPickleSerializer("other").dumps(1), data[:-1] + b"x", b""):
        with pytest.raises(ValueError, match="signature"):
            serializer.loads(wrong)
    with pytest.raises(ValueError, match="empty key"):
        serializers.SecureCloudPickleSerializer(b"")


def test_absent_packages_are_named(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ImportError, match=r"reading needs `a-package`, which is not installed: add it"):
        optional.optional("a_package_that_is_not_there", "a-package", purpose="reading")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match="an artifact on `gs` needs `fsspec`"):
        files.files_of("gs", {}).read("x")
    assert isinstance(files.files_of("memory", {}), files.MemoryFiles)


def test_names_and_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert len(misc.generate_name().split("-")) == 2 and len(misc.generate_name(4).split("-")) == 4
    assert misc.import_from_string("collections.OrderedDict").__name__ == "OrderedDict"
    assert misc.import_from_string("collections.abc", is_module=True).__name__ == "collections.abc"
    for path, error in {"zzz": "zzz isn't a valid", "os.zzz": "does not have a `zzz`", "no.such": "No module named 'no'"}.items():
        with pytest.raises(ImportError, match=error):
            misc.import_from_string(path)
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "imported_by_name.py"
    source.write_text("value = 1\n")
    assert misc.import_from_string("imported_by_name.value") == 1
    first = sys.modules["imported_by_name"]
    assert misc.import_from_string("imported_by_name", is_module=True) is first
    source.write_text("value = 'edited'\n")
    assert misc.import_from_string("imported_by_name.value", use_cache=True) == 1
    assert misc.import_from_string("imported_by_name.value") == "edited"


@pytest.mark.parametrize(
    ("text", "size"),
    [("1e6", 1000000), ("5.4 kB", 5400), ("1 KiB", 1024), ("MB", 1000000), ("2Gi", 2 << 30), ("1.5M", 1500000), (12, 12), ("3 b", 3)],
)
def test_sizes(text: Any, size: int):
    assert misc.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["5 foos", "", "1.2.3", "kk"])
def test_what_is_no_size(text: str):
    with pytest.raises(ValueError, match="Could not interpret"):
        misc.parse_bytes(text)


def test_small_helpers(tmp_path: Path):
    assert misc.dict_to_list_string({"a": 1, "b": "", "c": None, "d": "x"}) == (["1", "x"], "1_x")
    assert misc.get_full_path_type(tmp_path).startswith("pathlib")
    (tmp_path / "f").write_bytes(b"abc")
    assert misc.hash_file(tmp_path / "f") == misc.compute_hash("abc") == misc.compute_hash(b"abc")
    assert misc.is_valid_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8") and not misc.is_valid_uuid("x")
    assert misc.flatten_list([1, [2, (3, [4])], "ab"]) == [1, 2, 3, 4, "ab"]
    before = Path.cwd()
    with misc.current_directory(tmp_path) as here:
        assert Path(here) == Path.cwd() == tmp_path.resolve()
    assert Path.cwd() == before
    with misc.timer() as watch:
        assert watch.elapsed >= 0
    assert watch.elapsed == watch.elapsed
    ordered = misc.OrderedSet([3, 1, 3])
    ordered.add(2)
    ordered.discard(1)
    assert (list(ordered), 3 in ordered, len(ordered), ordered == {2, 3}) == ([3, 2], True, 2, True)


def test_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # The environment may have plugins of its own.
    others = {plugin.name for plugin in plugins.list_plugins()}
    assert plugins.has_plugins() == bool(others)
    info = tmp_path / "a_plugin-1.2.dist-info"
    (tmp_path / "a_plugin").mkdir()
    info.mkdir()
    (tmp_path / "a_plugin/__init__.py").write_text("loaded = True\n")
    (tmp_path / "a_plugin/points.csv").write_text("1,2\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-plugin\nVersion: 1.2\nSummary: said\nRequires-Dist: six\n")
    (info / "entry_points.txt").write_text("[flowdapt.plugins]\nx = a_plugin\n")
    (info / "RECORD").write_text("a_plugin/__init__.py,,\na_plugin/points.csv,,\na_plugin-1.2.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    [plugin] = [plugin for plugin in plugins.list_plugins() if plugin.name not in others]
    assert (plugin.name, plugin.module, plugin.metadata.version) == ("a-plugin", "a_plugin", "1.2")
    assert plugins.get_plugin("a-plugin").metadata.model_dump() == {
        "description": "said",
        "author": "",
        "license": "",
        "url": "",
        "version": "1.2",
        "requirements": ["six"],
    }
    assert asyncio.run(plugin.list_datafiles()) == [tmp_path / "a_plugin/points.csv"]
    assert "a_plugin" in [module.__name__ for module in plugins.load_plugins()]
    with pytest.raises(ResourceNotFoundError):
        plugins.get_plugin("a_plugin")
    (info / "entry_points.txt").write_text("[flowdapt.plugins]\nx = no_such_module\n")
    assert "a_plugin" not in [module.__name__ for module in plugins.load_plugins()]
    with pytest.raises(RuntimeError):
        plugins.get_user_modules_dir()
    config.set_app_dir(tmp_path)
    assert plugins.get_user_modules_dir() == tmp_path / "user_modules"


def frame(*days: int) -> pandas.DataFrame:
    return pandas.DataFrame({"date": pandas.to_datetime([f"2024-01-{day:02}" for day in days]), "%-x": [float(day) for day in days]})


def test_columns():
    both = pandas.DataFrame({"%a": [1.0, None], "&b": [1.0, 2.0], "c": [None, None]})
    assert (utils.find_features(both), utils.find_labels(both)) == (["%a"], ["&b"])
    features, labels = utils.extract_features_and_labels(both)
    assert (list(features), list(labels)) == (["%a"], ["&b"])
    assert len(utils.remove_rows_with_nans(both[["%a"]])) == 1
    assert list(utils.remove_none_columns(both, threshold=1)) == ["%a", "&b"]
    assert list(utils.remove_none_columns(both)) == ["%a", "&b"]
    shifted = utils.shift_and_add_features(frame(1, 2, 3), 3, ["%-x"])
    assert list(shifted)[2:] == ["%-x_shift-1", "%-x_shift-2"] and shifted["%-x_shift-2"].iloc[2] == 1


def test_an_empty_kind_is_logged(capsys: pytest.CaptureFixture[str]):
    utils.extract_features_and_labels(pandas.DataFrame({"x": [1]}))
    assert "no features" in capsys.readouterr().err


def test_times():
    assert utils.get_data_frequency(frame(1, 2)) == pandas.Timedelta(days=1)
    now = pandas.Timestamp.now(tz="UTC")
    recent = pandas.DataFrame({"date": [now - pandas.Timedelta(hours=hours, minutes=5) for hours in (4, 3)]})
    assert utils.get_data_gap(recent, datetime.timezone.utc) == 3
    bare = pandas.DataFrame({"date": recent["date"].dt.tz_localize(None)})
    assert utils.get_data_gap(bare, datetime.timezone.utc) == 3


def test_merging():
    old, new = frame(1, 2, 3), frame(3, 4)
    new["%-x"] += 100
    assert list(utils.merge_dataframes(old, new)["%-x"]) == [1, 2, 103, 104]
    assert list(utils.merge_dataframes(old, new, prefer_new=False)["%-x"]) == [1, 2, 3, 104]
    assert list(utils.merge_dataframes(old, new).index) == [0, 1, 2, 3]
    assert utils.merge_dataframes(old, frame()) == (False, 0)


def test_texts(tmp_path: Path):
    assert utils.artifact_name_from_dict({"city": "Los Angeles"}) == "Los20Angeles"
    assert utils.artifact_name_from_dict({"exchange": "okx", "symbol": "ETH/USDT", "interval": "5m", "none": ""}) == "okx_ETHUSDT_5m"
    assert utils.artifact_name_from_dict({"a": "1.5"}) == "1_5"
    assert utils.string_to_uuid("a") == utils.string_to_uuid("a") != utils.string_to_uuid("b")
    assert utils.path_from_string("a_b_c") == Path("a/b/c")


def test_made_up_frames():
    made = utils.dummy_pandas_df(200, 3)
    assert list(made) == ["%-0", "%-1", "&-a"] and made.isna().any(axis=None)
    assert not utils.dummy_pandas_df(200, 3, withnans=False).isna().any(axis=None)


def test_feather(tmp_path: Path):
    about = {"exchange": "okx", "symbol": "ETH"}
    assert utils.load_historical_data_from_feather(about, tmp_path).empty
    assert list(utils.update_historic_data(frame(1, 2), about, tmp_path)["%-x"]) == [1, 2]
    assert list(utils.update_historic_data(frame(2, 3), about, tmp_path)["%-x"]) == [1, 2, 3]
    assert len(utils.update_historic_data(frame(), about, tmp_path)) == 3
    assert (tmp_path / "okx/ETH.feather").is_file()


def test_threads():
    assert 0 < utils.get_current_threads_all_procs() <= utils.get_total_system_threads()


@pytest.fixture
def in_run() -> Any:
    """A run on hand, as a test of a plugin may make one."""
    token = set_run_context(WorkflowRunContext(namespace="ns", run={"state": "running"}))
    yield
    reset_run_context(token)


def test_context_made_by_hand(in_run: None):
    assert WorkflowRunContext(run={"state": "failed"}).run.state is WorkflowRunState.failed
    config.set_app_dir("/nonexistent/app")
    assert artifacts.list_artifacts() == []
    with pytest.raises(FileNotFoundError):
        artifacts.get_artifact("a")


def test_numpy_scalars_are_metadata(in_run: None, tmp_path: Path):
    artifact = artifacts.new_artifact("a", base_path=str(tmp_path))
    artifact["n"] = numpy.int64(3)
    artifact["f"] = numpy.float32(0.5)
    assert artifact.metadata == {"n": 3, "f": 0.5}
    assert isinstance(sys.modules["flowdapt"], types.ModuleType)
