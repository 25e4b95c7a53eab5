"""The page that lists what the package provides says the truth."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from places import COMPAT

PAGE = COMPAT.parents[3] / "docs" / "compat" / "flowdapt-python.md"
PACKAGE = COMPAT / "flowdapt"
# Of our own making, not names that a plugin knows.
INTERNAL = {
    "flowdapt.compute.artifacts.files",
    "flowdapt.compute.artifacts.place",
    "flowdapt.compute.artifacts.recorded",
    "flowdapt.compute.cluster_memory.base",
    "flowdapt.compute.cluster_memory.local",
    "flowdapt.compute.cluster_memory.store",
    "flowdapt.compute.executor._cluster",
    "flowdapt.compute.executor._custom",
    "flowdapt.compute.executor.calls",
    "flowdapt.compute.executor.local.workers",
    "flowdapt.compute.resources.workflow.graph",
    "flowdapt.lib.model",
    "flowdapt.lib.optional",
    "flowdapt.lib.serializers.base",
    "flowdapt.lib.utils.names",
}
# They need packages that only their users have.
CLUSTERS = ("flowdapt.compute.executor.ray", "flowdapt.compute.executor.dask")


def listed() -> dict[str, list[str]]:
    provided = PAGE.read_text("utf-8").partition("## What is provided")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(flowdapt[\w.]*)` \| ([^|]+) \|", provided, re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", names) for module, names in rows}


def test_the_page_lists_every_public_module():
    modules = set()
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(COMPAT).with_suffix("").parts).removesuffix(".__init__")
        if "__all__" in path.read_text("utf-8") and name not in INTERNAL and not name.startswith(CLUSTERS):
            modules.add(name)
    assert modules == {name for name in listed() if not name.startswith(CLUSTERS)}


@pytest.mark.parametrize("module", [name for name in listed() if not name.startswith(CLUSTERS)])
def test_listed_names_import(module: str):
    names = listed()[module]
    assert names == sorted(names) and set(names) == set(importlib.import_module(module).__all__)
    for name in names:
        exec(f"from {module} import {name}", {})


def test_wheel_offers_the_extras_of_the_page(tmp_path: Path):
    from pegboard import _wheel

    lines = [_wheel.needs("1"), *_wheel.optional(_wheel.FLOWDAPT_EXTRAS)]
    page = PAGE.read_text("utf-8")
    for extra, requirements in _wheel.FLOWDAPT_EXTRAS.items():
        assert f"Provides-Extra: {extra}" in lines
        names = ", ".join(re.split(r"[<>=]", requirement)[0] for requirement in requirements)
        assert f"| `flowdapt[{extra}]` | {names} |" in page
    assert lines[0] == "Requires-Dist: pegboard==1"
    assert not any(line.startswith("Requires-Dist") and "extra ==" not in line for line in lines[1:])
