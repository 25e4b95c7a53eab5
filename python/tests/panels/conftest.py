from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panels.forked import Parked

IMPORTS = """
from dash import ALL, MATCH, Input, Output, Patch, State, callback, clientside_callback, ctx, dcc, html, no_update, set_props
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage
"""
PANEL = (
    IMPORTS
    + """
class NAME(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [(component_id, "children")]
        return html.Div("loading", id=component_id)

    def update_properties(self, model, **kwargs):
        return [f"{model.name} {kwargs}"]
"""
)
PLAIN = PANEL.replace("NAME", "Own")


def internal(body: str, children: str = "") -> str:
    """A panel with callbacks of its own."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    create = f"return html.Div(['loading', {children}], id=component_id)"
    return PLAIN.replace('return html.Div("loading", id=component_id)', create) + f"\n    def register_internal_callbacks(self):\n{lines}\n"


@pytest.fixture(scope="session")
def parked() -> Iterator[Parked]:
    made = Parked()
    yield made
    made.close()


class Folder:
    """A plugin folder and the workers of its files."""

    def __init__(self, path: Path, parked: Parked) -> None:
        self.path = path
        self._parked = parked

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def asked(self, name: str, text: str | None = None, *calls: Any, seconds: float = 20.0, **more: Any) -> dict[str, Any]:
        """A worker that loads the file and is then asked; all that came of it."""
        path = self.write(name, text) if text is not None else self.path / name
        kind = {"components": "component", "pages": "page", "views": "view"}[path.parent.name]
        first = ["load", {"roots": [str(self.path)], "file": str(path), "kind": kind, **more}]
        return self._parked.ask([first, *calls], seconds)

    def answers(self, name: str, text: str | None = None, *calls: Any, **more: Any) -> list[Any]:
        found = self.asked(name, text, *calls, **more)
        assert found["ended"] == 0, found
        return found["answers"]  # type: ignore[no-any-return]

    def loaded(self, name: str, text: str | None = None, **more: Any) -> Any:
        return self.answers(name, text, **more)[0]


@pytest.fixture
def folder(tmp_path: Path, parked: Parked) -> Folder:
    return Folder(tmp_path, parked)


def update(name: str = "NAME", artifact: str = "wine", kind: str = "model", **options: Any) -> Any:
    return ["update", {"class": name, "artifact": {"type": kind, "name": artifact}, "options": options, "cookies": {}}]


def post(output: str, inputs: list[Any] | None = None, query: str = "", cookies: Any = None, **more: Any) -> Any:
    """A callback as the browser posts it: single and several outputs."""
    names = output.strip(".").split("...") if output.startswith("..") else [output]
    outputs = [{"id": name.rpartition(".")[0], "property": name.rpartition(".")[2]} for name in names]
    body = {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": inputs or [],
        "changedPropIds": [],
        **more,
    }
    return ["callback", {"body": body, "query": query, "cookies": cookies or {}}]


def given(name: str, value: Any) -> dict[str, Any]:
    return {"id": name.rpartition(".")[0], "property": name.rpartition(".")[2], "value": value}
