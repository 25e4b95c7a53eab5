"""Plugins written to the documented template, unchanged: their own tests pass on the compatibility package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import COMPAT

PLUGINS = Path(__file__).parent / "plugins"


@pytest.mark.parametrize(("name", "passed"), [("tides", 3), ("wordcount", 3)])
def test_its_own_tests(name: str, passed: int, tmp_path: Path):
    folder = PLUGINS / name
    path = os.pathsep.join(map(str, (COMPAT, COMPAT.parents[1], folder)))
    environment = {**os.environ, "PYTHONPATH": path, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pyproject.toml"), "--rootdir", str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout
    assert list(tmp_path.iterdir()) == []
