"""Discovery on hand-made site-packages: nothing is imported, nothing is installed."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pegboard import _discover

METADATA = """Metadata-Version: 2.1
Name: My-Plugin
Version: 1.2.3
Summary: What it is
Author-email: Ann <ann@example.org>
License-Expression: MIT
Project-URL: Homepage, https://example.org/plugin
Requires-Dist: requests>=2
Requires-Dist: six ; extra == "x"
"""
POINTS = "[flowdapt.plugins]\nanything = my_plugin\n[console_scripts]\nx = y:z\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "docs" / "site-packages"
    folder.mkdir(parents=True)
    found = list(metadata.Distribution.discover(path=[str(folder)]))
    assert found == []
    monkeypatch.setattr(metadata, "distributions", lambda: metadata.Distribution.discover(path=[str(folder)]))
    return folder


def install(
    site: Path, files: dict[str, str], *, points: str = POINTS, name: str = "My_Plugin", info: str = METADATA, **extra: str
) -> None:
    folder = site / f"{name}-1.2.3.dist-info"
    folder.mkdir()
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    own = {"METADATA": info, "entry_points.txt": points, **extra}
    for path, text in own.items():
        (folder / path).write_text(text)
    recorded = [*files, *(f"{folder.name}/{path}" for path in own), f"{folder.name}/RECORD"]
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in recorded))


def only(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["result"] == "ok" and len(answer["plugins"]) == 1, answer
    return answer["plugins"][0]  # type: ignore[no-any-return]


def test_package(site: Path):
    files = {
        "my_plugin/__init__.py": "raise SystemExit('imported')",
        "my_plugin/data/points.csv": "",
        "my_plugin/py.typed": "",
        "my_plugin/tests/data.csv": "",
        "my_plugin/__pycache__/x.pyc": "",
        "my_other.py": "",
    }
    install(site, files, REQUESTED="")
    plugin = only(_discover.main([""]))
    assert plugin["name"] == "My-Plugin"
    assert plugin["metadata"] == {
        "name": "My-Plugin",
        "description": "What it is",
        "author": "",
        "license": "MIT",
        "url": "https://example.org/plugin",
        "version": "1.2.3",
        "requirements": ["requests>=2", 'six ; extra == "x"'],
    }
    assert plugin["entry_points"] == ["my_plugin"]
    assert plugin["modules"] == ["my_other", "my_plugin"]
    assert plugin["data_files"] == ["my_plugin/data/points.csv", "my_plugin/py.typed"]
    assert plugin["data_root"] == str(site)
    assert plugin["requested"] is True and plugin["editable"] is False


@pytest.mark.parametrize("name", ["my-plugin", "My_Plugin", "MY.PLUGIN"])
def test_by_any_spelling(site: Path, name: str):
    install(site, {"my_plugin/__init__.py": ""})
    assert only(_discover.main([name]))["name"] == "My-Plugin"


def test_namespace_package_and_attribute(site: Path):
    points = "[flowdapt.plugins]\na = shared.mine.stages:thing\nb = shared.mine.stages\n"
    install(site, {"shared/mine/__init__.py": "", "shared/mine/stages.py": ""}, points=points)
    plugin = only(_discover.main([""]))
    assert plugin["modules"] == ["shared.mine"]
    assert plugin["entry_points"] == ["shared.mine.stages"]


def test_editable_by_path(site: Path, tmp_path: Path):
    source = tmp_path / "checkout" / "src"
    (source / "my_plugin" / "data").mkdir(parents=True)
    (source / "my_plugin" / "__init__.py").write_text("")
    (source / "my_plugin" / "data" / "points.csv").write_text("")
    (source / "tests").mkdir()
    direct = json.dumps({"url": f"file://{tmp_path}/checkout", "dir_info": {"editable": True}})
    install(site, {"_my_plugin.pth": f"{source}\n"}, **{"direct_url.json": direct})
    plugin = only(_discover.main([""]))
    assert plugin["modules"] == ["my_plugin"]
    assert (plugin["data_root"], plugin["data_files"]) == (str(source), ["my_plugin/data/points.csv"])
    assert plugin["editable"] is True and plugin["direct_url"].endswith("/checkout")


def test_editable_by_finder(site: Path, tmp_path: Path):
    (tmp_path / "flat" / "my_plugin").mkdir(parents=True)
    (tmp_path / "flat" / "my_plugin" / "__init__.py").write_text("")
    (tmp_path / "flat" / "my_plugin" / "model.bin").write_text("")
    finder = f"from __future__ import annotations\nMAPPING: dict[str, str] = {{'my_plugin': {str(tmp_path / 'flat' / 'my_plugin')!r}}}\n"
    install(site, {"__editable__.my_plugin-1.2.3.pth": "import x", "__editable___my_plugin_1_2_3_finder.py": finder})
    plugin = only(_discover.main([""]))
    assert plugin["modules"] == ["my_plugin"]
    assert plugin["data_files"] == ["my_plugin/model.bin"]


def test_failures_are_answers(site: Path):
    assert _discover.main([])["kind"] == "usage"
    assert _discover.main(["nothing"])["kind"] == "distribution-not-found"
    install(site, {"x.py": ""}, points="")
    assert _discover.main(["my-plugin"])["kind"] == "no-entry-points"
    answer = _discover.main([""])
    assert answer["plugins"] == [] and answer["distributions"] == {"My-Plugin": "1.2.3"}


def test_one_unreadable_distribution_hides_no_other(site: Path):
    install(site, {"my_plugin/__init__.py": ""})
    (site / "nameless-1.0.dist-info").mkdir()
    (site / "nameless-1.0.dist-info" / "METADATA").write_text("Version: 1.0\n")
    bad = "from 1:\n  MAPPING = (\n"
    install(site, {"__editable___bad_finder.py": bad}, name="bad", info="Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    answer = _discover.main([""])
    assert [plugin["name"] for plugin in answer["plugins"]] == ["My-Plugin"]  # type: ignore[attr-defined]
    assert len(answer["warnings"]) == 2  # type: ignore[arg-type]


def test_a_distribution_without_metadata_is_told(site: Path):
    install(site, {"my_plugin/__init__.py": ""})
    (site / "broken-1.0.dist-info").mkdir()
    answer = _discover.main([""])
    assert only(answer)["name"] == "My-Plugin"
    assert answer["distributions"] == {"My-Plugin": "1.2.3"}
