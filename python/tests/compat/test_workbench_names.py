"""What the documentation says that there is, there is; and nothing else is public."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from compat import original_names

PAGE = Path(__file__).resolve().parents[3] / "docs" / "compat" / "workbench.md"
PROVIDED = PAGE.read_text("utf-8").partition("## What is provided")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| `(workbench[\w.]*)` \| (.*) \|$", PROVIDED, re.MULTILINE)


def test_the_table_is_read():
    assert len(ROWS) > 60


@pytest.mark.parametrize(("module", "names"), ROWS, ids=[module for module, _ in ROWS])
def test_names(module: str, names: str):
    found = importlib.import_module(module)
    wanted = re.findall(r"`(\w+)`", names)
    assert sorted(found.__all__) == sorted(wanted)
    assert all(hasattr(found, name) for name in wanted)
    former = importlib.import_module(module.replace("workbench", "sageworks", 1))
    # The table had another form then.
    if not module.endswith("plugins.ag_table"):
        assert all(getattr(former, name) is getattr(found, name) for name in wanted)


def test_the_page_of_names_that_are_not_provided_is_true():
    text = original_names.page()
    assert text == original_names.PAGE.read_text("utf-8"), "run python/tests/compat/original_names.py, and look at what has changed"
    # What plugins use most, by the ranking of what public files import, is none of them.
    for name in ("update_properties", "get_inference_predictions", "register_internal_callbacks", "colorscale", "display_text"):
        assert f"`{name}`" not in text
