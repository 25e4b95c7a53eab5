"""The plugin contract: what is checked when, in which words, and what becomes of errors."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from dash import dcc, html
from dash.exceptions import PreventUpdate
from workbench.utils.config_manager import ConfigManager
from workbench.utils.datetime_utils import to_the_minute
from workbench.utils.plugin_manager import PluginManager
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage
from workbench.web_interface.components.plugin_unit_test import PluginUnitTest
from workbench.web_interface.page_views.page_view import PageView


def test_every_value_of_the_enumerations():
    pages = ["data_source", "feature_set", "model", "endpoint", "graph", "compound", "custom", "none"]
    assert [page.value for page in PluginPage] == pages
    kinds = ["data_source", "feature_set", "model", "endpoint", "graph", "dataframe", "compound", "custom"]
    assert [kind.value for kind in PluginInputType] == kinds
    assert PluginInputType.MODEL_DETAILS is PluginInputType.MODEL


def body(**more: Any) -> dict[str, Any]:
    def create_component(self: Any, component_id: str) -> Any:
        self.properties = [(component_id, "figure")]
        return dcc.Graph(id=component_id)

    def update_properties(self: Any, thing: Any, **kwargs: Any) -> list[Any]:
        return [go.Figure()]

    words = {"auto_load_page": PluginPage.MODEL, "plugin_input_type": PluginInputType.MODEL}
    found = {**words, "create_component": create_component, "update_properties": update_properties, **more}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize("page", [None, "model", PluginInputType.MODEL])
def test_a_page_that_is_none_is_refused_with_the_class(page: Any):
    with pytest.raises(TypeError, match=r"^Subclasses must define a 'auto_load_page' of type PluginPage$"):
        type("Bad", (PluginInterface,), body(auto_load_page=page))


def test_an_input_type_that_is_none_is_refused_with_the_class():
    with pytest.raises(TypeError, match=r"^Subclasses must define a 'plugin_input_type' of type PluginInputType$"):
        type("Bad", (PluginInterface,), body(plugin_input_type="model"))


def test_what_is_missing_is_said():
    lacking = type("Lacking", (PluginInterface,), body(update_properties=None))
    assert lacking.validate_subclass() == (False, "Method 'update_properties' is not implemented by Lacking")
    assert not issubclass(lacking, PluginInterface)
    with pytest.raises(TypeError, match="Can't instantiate abstract class Lacking"):
        lacking()
    good = type("Good", (PluginInterface,), body())
    assert good.validate_subclass() == (True, "Subclass validation successful")
    plain = type("Plain", (), {})
    assert PluginInterface.validate_subclass(plain) == (False, "Missing required attribute 'auto_load_page' in Plain")
    # By what it has, not by where it comes from.
    assert issubclass(type("Duck", (), body()), PluginInterface)
    heir = type("Heir", (good,), {})
    assert heir.validate_subclass()[0]


@pytest.mark.parametrize(
    ("name", "expected"), [("MyEndpointPlugin", "my_endpoint_plugin"), ("MyHTTPPlugin2D", "my_httpplugin2_d"), ("X", "x")]
)
def test_ids(name: str, expected: str):
    assert type(name, (PluginInterface,), body())().generate_component_id() == expected


def test_an_error_while_it_is_created_is_shown(caplog: pytest.LogCaptureFixture):
    def create_component(self: Any, component_id: str) -> Any:
        raise ValueError("no such thing")

    graph = type("Broken", (PluginInterface,), body(create_component=create_component))().create_component("x")
    assert (type(graph).__name__, graph.id) == ("Graph", "error")
    assert "no such thing" in graph.figure.layout.annotations[0].text
    assert caplog.records[-1].levelno == logging.CRITICAL


@pytest.mark.parametrize("error", [ValueError("no such thing"), PreventUpdate()])
def test_an_error_while_it_is_updated_takes_the_form_of_each_property(error: Exception):
    def update_properties(self: Any, thing: Any, **kwargs: Any) -> list[Any]:
        raise error

    plugin = type("Broken", (PluginInterface,), body(update_properties=update_properties))()
    plugin.properties = [("x", name) for name in ("figure", "children", "value", "data", "columnDefs", "rowData", "style")]
    figure, *texts, columns, rows, style = plugin.update_properties(None)
    assert figure.layout.height == 400
    assert figure.layout.annotations[0].font.size == 12
    assert all(text.startswith("Broken Crashed: \n") and type(error).__name__ in text for text in texts)
    assert columns == [{"headerName": "Crash", "field": "Crash"}]
    assert rows == [{"Crash": texts[0]}]
    assert style is None


def test_a_text_as_a_figure():
    figure = PluginInterface.display_text("one\ntwo", figure_height=100)
    note = figure.layout.annotations[0]
    assert (note.text, note.font.color, note.font.size, note.x, note.xref) == ("one<br>two", "#9999cc", 24, 0.5, "paper")
    with pytest.raises(ValueError, match="height"):
        PluginInterface.display_text("x", figure_height=5)


FORMER = {
    "2024-03": """
from sageworks.web_components.plugin_interface import PluginInterface, PluginPage, PluginInputType
from dash import dcc
class Old(PluginInterface):
    plugin_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL_DETAILS
    def create_component(self, component_id):
        return dcc.Graph(id=component_id)
    def generate_figure(self, model):
        return self.message_figure(model.uuid)
""",
    "2023-10": """
from sageworks.web_components.plugin_interface import PluginInterface, PluginType, PluginInputType
from dash import dcc
class Old(PluginInterface):
    plugin_type = PluginType.MODEL
    plugin_input_type = PluginInputType.MODEL_DETAILS
    def create_component(self, component_id):
        return dcc.Markdown(id=component_id)
    def generate_component_figure(self, details):
        return str(details["name"])
""",
    "2024-04": """
from sageworks.web_components.plugin_interface import PluginInterface, PluginPage, PluginInputType
from dash import html
class Old(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL
    def create_component(self, component_id):
        self.slots = {f"{component_id}-a": "children", f"{component_id}-b": "children"}
        return html.Div([html.Div(id=each) for each in self.slots], id=component_id)
    def update_contents(self, model, **kwargs):
        return [model.name, kwargs.get("inference_run")]
""",
    "2024-12": """
from sageworks.web_interface.components.plugin_interface import PluginInterface, PluginPage, PluginInputType
from sageworks.api.model import Model
from dash import html
class Old(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL
    def create_component(self, component_id):
        self.properties = [(component_id, "children")]
        return html.Div(id=component_id)
    def update_properties(self, model: Model, **kwargs):
        self.log.important("updated")
        return [model.uuid]
""",
}


class Thing:
    name = uuid = "wine"

    def details(self) -> dict[str, str]:
        return {"name": "wine"}


@pytest.mark.parametrize("period", FORMER)
def test_files_of_former_releases(period: str):
    module: dict[str, Any] = {"__name__": "former"}
    exec(compile(FORMER[period], period, "exec"), module)
    plugin = module["Old"]()
    assert module["Old"].auto_load_page is PluginPage.MODEL
    assert plugin.validate_subclass()[0]
    plugin.create_component("old")
    values = plugin.update_properties(Thing(), inference_run="test")
    assert len(values) == len(plugin.properties)
    shown = values[0].layout.annotations[0].text if hasattr(values[0], "layout") else values[0]
    assert shown == "wine"


def test_former_names_are_the_same_classes():
    from sageworks.views.view import View
    from sageworks.web_interface.components.plugin_interface import PluginInterface as former

    assert former is PluginInterface
    assert View is PageView
    with pytest.raises(ModuleNotFoundError, match="sageworks"):
        __import__("sageworks.no_such_module")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(files: dict[str, str]) -> PluginManager:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        monkeypatch.setattr(PluginManager, "_instance", None)
        monkeypatch.setattr(ConfigManager, "_instance", None)
        monkeypatch.setenv("WORKBENCH_PLUGINS", str(tmp_path))
        return PluginManager()

    return load


PANEL = """
from __future__ import annotations
from dataclasses import dataclass
from dash import html
from workbench.web_interface.components.plugin_interface import PluginInterface, PluginPage, PluginInputType
from helper_of_the_test import WORD

@dataclass
class Note:
    text: str = WORD

class NAME(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL
    def create_component(self, component_id):
        self.properties = [(component_id, "children")]
        return html.Div(id=component_id)
    def update_properties(self, model, **kwargs):
        return [Note().text]
"""


def test_a_folder_of_plugins(manager: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path):
    caplog.set_level(logging.INFO, "workbench")
    files = {
        "packages/helper_of_the_test.py": "WORD = 'hello'",
        "components/one.py": PANEL.replace("NAME", "One"),
        "components/two.py": PANEL.replace("NAME", "Two").replace("return html", "raise ValueError('x')\n        return html"),
        "components/lacking.py": PANEL.replace("NAME", "Lacking").replace("def update_properties", "def other"),
        "components/broken.py": "def x(:",
        "components/leaving.py": "import sys\nsys.exit(3)",
        "components/_hidden.py": "raise ValueError",
        "components/README.md": "",
        "components/picky.py": PANEL.replace("NAME", "Picky") + "    def __init__(self):\n        raise ValueError('no')\n",
        "views/view.py": "from workbench.web_interface.page_views.page_view import PageView\n"
        "class Shown(PageView):\n    def refresh(self): pass\nclass Other: pass\n",
        "pages/page.py": "class Page:\n    def page_setup(self, app): pass\nclass Helper: pass\n",
        "transforms/change.py": "class Change: pass",
        "assets/hello.js": "x",
    }
    found = manager(files)
    plugins = found.get_all_plugins()
    assert list(plugins) == ["components", "transforms", "views", "pages"]
    assert {kind: sorted(each) for kind, each in plugins.items()} == {
        "components": ["One", "Picky", "Two"],
        "transforms": [],
        "views": ["Shown"],
        "pages": ["Page"],
    }
    assert found.plugin_load_errors == ["Lacking"]
    assert [type(each).__name__ for each in found.get_list_of_web_plugins(PluginPage.MODEL)] == ["One", "Two"]
    assert found.get_list_of_web_plugins(PluginPage.ENDPOINT) == []
    assert found.get_web_plugin("One").update_properties(None) == ["hello"]
    assert found.get_web_plugin("None") is None
    assert isinstance(found.get_view("Shown"), PageView)
    assert list(found.get_pages_with_timeout()) == ["Page"]
    said = [record.getMessage() for record in caplog.records]
    for expected in (
        "Loading components plugin: One",
        "Plugin 'Lacking' (lacking.py) failed validation: Method 'update_properties' is not implemented by Lacking",
        "Failed to load plugin: 'broken.py' skipping...",
        "Failed to load plugin: 'leaving.py': 3",
        "Plugin 'Picky' failed to instantiate: no",
        "Unexpected plugin type 'views' for plugin 'Other'",
        "Unexpected plugin type 'transforms' for plugin 'Change'",
        "Class Helper in page.py does not have all required page methods",
        "1 plugin(s) failed to load: Lacking",
    ):
        assert expected in said, said
    assert not found.plugins_modified()
    assert found.stage_plugin_assets(str(tmp_path / "staged"))
    assert (tmp_path / "staged" / "hello.js").read_text() == "x"


def test_folders_that_hold_nothing(manager: Any, monkeypatch: pytest.MonkeyPatch):
    assert manager({}).get_all_plugins() == {"components": {}, "transforms": {}, "views": {}, "pages": {}}
    monkeypatch.setattr(PluginManager, "_instance", None)
    monkeypatch.setattr(ConfigManager, "_instance", None)
    monkeypatch.setenv("WORKBENCH_PLUGINS", "s3://bucket")
    with pytest.raises(ValueError, match=r"^S3 path must include a bucket and a key/prefix: s3://bucket$"):
        PluginManager()


def test_the_unit_test_of_a_plugin():
    class Shown(PluginInterface):
        auto_load_page = PluginPage.MODEL
        plugin_input_type = PluginInputType.CUSTOM

        def create_component(self, component_id: str) -> Any:
            self.properties, self.signals = [(component_id, "children")], [(component_id, "n_clicks")]
            return html.Div(id=component_id)

        def update_properties(self, thing: Any, **kwargs: Any) -> list[Any]:
            return [f"{thing} {kwargs}"]

    test = PluginUnitTest(Shown, input_data="wine", test_type="older")
    assert test.results == ["wine {'test_type': 'older'}"]
    assert test.component.id == "shown_test"
    client = test.app.server.test_client()
    assert b"Plugin Unit Test" in client.get("/").data
    answer = client.post(
        "/_dash-update-component",
        json={
            "output": "..shown_test.children..",
            "outputs": [{"id": "shown_test", "property": "children"}],
            "inputs": [{"id": "update-button", "property": "n_clicks", "value": 1}],
            "changedPropIds": ["update-button.n_clicks"],
        },
    )
    assert answer.get_json()["response"] == {"shown_test": {"children": "wine {'test_type': 'older'}"}}
    with pytest.raises(ValueError, match=r"^Invalid test type: "):
        PluginUnitTest(Shown)
    with pytest.raises(AssertionError, match="Plugin class has not passed all the PluginInterface validations"):
        PluginUnitTest(type("No", (), {}))


def test_times_are_told_to_the_minute_wherever_they_come_from():
    east = timezone(timedelta(hours=2))
    for time in ("2026-11-21T17:58:25.067Z", datetime(2026, 11, 21, 17, 58, 25), datetime(2026, 11, 21, 19, 58, 25, tzinfo=east)):
        assert to_the_minute(time) == "2026-11-21 17:58 UTC"
    for other in ("wine_data", 54, None, "17:58Z"):
        assert to_the_minute(other) == other
