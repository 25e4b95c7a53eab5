"""The package as a whole: a guest in someone's environment."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pegboard import _messages, _session, api

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "pegboard"
FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "plugins"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Only where a plugin has them.
OPTIONAL = {"numpy", "pandas", "cloudpickle", "fsspec", "duckdb", "pyarrow"}
# What panels are made with, and the packages' own names.
PANELS = {"workbench", "dash", "dash_ag_grid", "dash_bootstrap_components", "flask", "networkx", "plotly", "rdkit"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_of_the_standard_library(path: Path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        for name in names:
            top = name.partition(".")[0]
            folders = (PACKAGE / "compat" / "workbench", PACKAGE / "compat" / "sageworks", PACKAGE / "panels")
            more = PANELS if any(path.is_relative_to(folder) for folder in folders) else set()
            assert top in sys.stdlib_module_names | OPTIONAL | more | {"pegboard"}, f"{path}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short(path: Path):
    assert len(path.read_text("utf-8").splitlines()) <= 600
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "name",
    [
        "api",
        "hub",
        "compat.flowdapt.compute.object_store",
        "compat.flowdapt.compute.artifacts",
        "compat.flowdapt.lib.logger",
        "compat.flowdapt.lib.errors",
    ],
)
def test_exported_names_exist(name: str):
    module = importlib.import_module(f"pegboard.{name}")
    assert all(hasattr(module, each) for each in module.__all__)


def test_api_outside_of_a_worker(capsys: pytest.CaptureFixture[str]):
    assert api.current_run() is None
    api.log("info", "to the terminal")
    api.progress(1, 2)
    assert capsys.readouterr().err == "[info] to the terminal\n"
    with pytest.raises(RuntimeError, match="not a worker"):
        api.memory.get("k")


def test_constants_are_those_of_the_protocol():
    source = (PACKAGE.parents[2] / "crates" / "pegboard-protocol" / "src").resolve()
    frame, hello = (source / "frame.rs").read_text(), (source / "hello.rs").read_text()
    assert f"0x{_session.MAGIC >> 16:04x}_{_session.MAGIC & 0xFFFF:04x}" in frame
    assert "MAX_HEADER: u64 = 64 << 20" in frame and _session.MAX_HEADER == 64 << 20
    assert "MAX_PARTS: u64 = 16 << 20" in frame and _session.MAX_PARTS == 16 << 20
    assert "MAX_BODY: u64 = 1 << 30" in frame and _session.MAX_BODY == 1 << 30
    assert f"MAX_DESCRIPTORS: usize = {_session.MAX_DESCRIPTORS}" in frame
    version = _messages.PROTOCOL
    assert f"ProtocolVersion {{ major: {version.major}, minor: {version.minor} }}" in hello
    assert all(f'"{feature}"' in hello for feature in _messages.FEATURES)


def run(*words: str) -> dict[str, object]:
    found = subprocess.run([sys.executable, "-I", *words], capture_output=True, text=True, check=True)
    assert found.stderr == ""
    value = json.loads(found.stdout)
    assert isinstance(value, dict)
    return value


def test_wheels(tmp_path: Path):
    answers = [run(str(PACKAGE / "_wheel.py"), str(PACKAGE.parent), str(tmp_path / folder)) for folder in ("a", "b")]
    assert answers[0] == answers[1]
    names = answers[0]["wheels"]
    assert names == [
        "pegboard-0.1.0-py3-none-any.whl",
        "flowdapt-0.1.52+pegboard-py3-none-any.whl",
        "workbench-0.8.466+pegboard-py3-none-any.whl",
    ]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        with zipfile.ZipFile(tmp_path / "a" / name) as archive:
            assert archive.testzip() is None
            listed = archive.namelist()
            record = next(item for item in listed if item.endswith("/RECORD"))
            assert {line.split(",")[0] for line in archive.read(record).decode().splitlines()} == set(listed)
    with zipfile.ZipFile(tmp_path / "a" / "flowdapt-0.1.52+pegboard-py3-none-any.whl") as archive:
        assert "flowdapt/compute/object_store.py" in archive.namelist()
        assert b"Requires-Dist: pegboard==0.1.0" in archive.read("flowdapt-0.1.52+pegboard.dist-info/METADATA")
    with zipfile.ZipFile(tmp_path / "a" / "pegboard-0.1.0-py3-none-any.whl") as archive:
        assert not any("compat/" in name and name != "pegboard/compat/__init__.py" for name in archive.namelist())
        metadata = archive.read("pegboard-0.1.0.dist-info/METADATA")
        assert b'dash==4.2.0; extra == "dashboard"' in metadata and b"Requires-Dist: pegboard" not in metadata
    with zipfile.ZipFile(tmp_path / "a" / "workbench-0.8.466+pegboard-py3-none-any.whl") as archive:
        assert {"workbench/__init__.py", "sageworks/__init__.py"} <= set(archive.namelist())
        assert b'; extra == "dashboard"' in archive.read("workbench-0.8.466+pegboard.dist-info/METADATA")


def test_wheel_errors_are_answers(tmp_path: Path):
    assert run(str(PACKAGE / "_wheel.py"))["kind"] == "usage"
    assert run(str(PACKAGE / "_wheel.py"), str(tmp_path), str(tmp_path))["kind"] == "incomplete-host"


def test_start_is_quick():
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import pegboard._zygote, pegboard._host; print(len(sys.modules))"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 250
