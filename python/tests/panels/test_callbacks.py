"""Callbacks as the browser posts them: exchanges of the original, answered by a worker."""

from __future__ import annotations

import base64
import struct
from typing import Any

from panels.conftest import IMPORTS, PANEL, PLAIN, Folder, given, internal, post, update

CHILDREN = "dcc.Dropdown(['A', 'B'], 'A', id='dd'), html.Div(id='o1'), html.Div(id='o2'), dcc.Graph(id='g')"
CALLBACKS = internal(
    """
@callback(Output('o1', 'children'), Input('dd', 'value'), State('dd', 'options'))
def one(value, options):
    if value == 'prevent':
        from dash.exceptions import PreventUpdate
        raise PreventUpdate
    if value == 'crash':
        raise ValueError('no such thing')
    if value == 'object':
        return object()
    if value == 'props':
        set_props('sel', {'children': 'side 1'})
        return no_update
    return f'{value}:{options}:{ctx.triggered_id}'
@callback(Output('o1', 'title'), Output('o2', 'children'), Input('dd', 'value'))
def two(value):
    return (value, no_update) if value != 'wrong' else (value,)
@callback(Input('dd', 'value'))
def none(value):
    set_props('o2', {'title': value})
@callback(Output('g', 'figure'), Input('dd', 'n_clicks'))
def patched(_):
    figure = Patch()
    figure['layout']['title']['text'] = 'patched'
    return figure
@callback(Output('o1', 'lang'), Input('dd', 'search_value'))
async def slowly(value):
    import asyncio
    await asyncio.sleep(0)
    return value
@callback(Output('o1', 'dir'), Input('dd', 'className'))
def cookies(_):
    ctx.response.set_cookie('seen', 'yes')
    return ctx.cookies.get('wb_theme')
clientside_callback('function(v) { return v; }', Output('o2', 'className'), Input('dd', 'value'))
""",
    CHILDREN,
)


def test_specifications_and_scripts(folder: Folder):
    loaded = folder.loaded("components/own.py", CALLBACKS)
    assert loaded["messages"] == []
    found = {each["output"]: each for each in loaded["callbacks"]}
    none = next(each for each in loaded["callbacks"] if each["no_output"])
    assert set(found) == {"o1.children", "..o1.title...o2.children..", none["output"], "g.figure", "o1.lang", "o1.dir", "o2.className"}
    assert len(none["output"]) == 64
    assert found["o1.children"] == {
        "output": "o1.children",
        "inputs": [{"id": "dd", "property": "value"}],
        "state": [{"id": "dd", "property": "options"}],
        "clientside_function": None,
        "prevent_initial_call": False,
        "background": None,
        "dynamic_creator": None,
        "no_output": False,
        "optional": False,
        "hidden": False,
        "websocket": False,
        "persistent": False,
    }
    (script,) = loaded["inline_scripts"]
    assert found["o2.className"]["clientside_function"] == {"namespace": "_dashprivate_clientside_funcs", "function_name": script["name"]}
    assert "function(v) { return v; }" in script["source"] and script["name"] in script["source"]


def test_exchanges(folder: Folder):
    state = [given("dd.options", ["A"])]
    value = [given("dd.value", "A")]
    none = next(each["output"] for each in folder.loaded("components/own.py", CALLBACKS)["callbacks"] if each["no_output"])
    asked = [
        post("o1.children", value, state=state, changedPropIds=["dd.value"]),
        post("o1.children", [given("dd.value", "prevent")], state=state),
        post("o1.children", [given("dd.value", "props")], state=state),
        post("..o1.title...o2.children..", value),
        post("g.figure", [given("dd.n_clicks", 1)]),
        post("o1.lang", [given("dd.search_value", "x")]),
        post("o1.dir", [given("dd.className", "x")], cookies={"wb_theme": "light"}),
        ["callback", {"body": {"output": none, "outputs": [], "inputs": value, "changedPropIds": ["dd.value"]}}],
    ]
    _, *answers = folder.answers("components/own.py", None, *asked)
    assert all(answer["error"] is None for answer in answers)
    assert [answer["status"] for answer in answers] == [200, 204, 200, 200, 200, 200, 200, 200]
    assert [answer["body"] for answer in answers] == [
        {"multi": True, "response": {"o1": {"children": "A:['A']:dd"}}},
        None,
        {"multi": True, "sideUpdate": {"sel": {"children": "side 1"}}, "response": {}},
        {"multi": True, "response": {"o1": {"title": "A"}}},
        {
            "multi": True,
            "response": {
                "g": {
                    "figure": {
                        "__dash_patch_update": "__dash_patch_update",
                        "operations": [{"operation": "Assign", "location": ["layout", "title", "text"], "params": {"value": "patched"}}],
                    }
                }
            },
        },
        {"multi": True, "response": {"o1": {"lang": "x"}}},
        {"multi": True, "response": {"o1": {"dir": "light"}}},
        {"multi": True, "sideUpdate": {"o2": {"title": "A"}}, "response": {}},
    ]
    assert answers[6]["set_cookies"] == ["seen=yes; Path=/"]


def test_what_fails_says_so_and_the_worker_goes_on(folder: Folder):
    state = [given("dd.options", ["A"])]
    asked = [
        post("o1.children", [given("dd.value", "crash")], state=state),
        post("o1.children", [given("dd.value", "object")], state=state),
        post("..o1.title...o2.children..", [given("dd.value", "wrong")]),
        post("nobody.children", []),
        ["callback", {"body": [1, 2]}],
        post("o1.children", [given("dd.value", "A")], state=state),
    ]
    _, *answers = folder.answers("components/own.py", CALLBACKS, *asked)
    assert [answer["status"] for answer in answers] == [500, 500, 500, 404, 400, 200]
    assert all(answer["body"]["error"] == answer["error"] for answer in answers[:-1])
    crash = answers[0]["error"]
    lines = CALLBACKS.splitlines()
    assert (crash["message"], lines[crash["line"] - 1].strip()) == ("ValueError: no such thing", "raise ValueError('no such thing')")
    assert "Traceback" in crash["traceback"]
    assert answers[1]["error"]["message"].startswith("InvalidCallbackReturnValue")
    assert "Expected length: 2" in answers[2]["error"]["message"]
    assert answers[3]["error"]["message"] == "no callback of this plugin has the output `nobody.children`"
    assert answers[4]["error"]["message"].startswith("the body is no callback")


PATTERNS = internal(
    """
@callback(Output({'type': 'box', 'i': MATCH}, 'children'), Input({'type': 'item', 'i': MATCH}, 'n_clicks'))
def each(clicks):
    return f"{ctx.triggered_id['i']}: {clicks}"
@callback(Output('all', 'children'), Input({'type': 'item', 'i': ALL}, 'n_clicks'))
def all_of_them(clicks):
    return str(clicks)
""",
    "html.Div(id='all'), *[html.Button(id={'type': 'item', 'i': i}) for i in (1, 2)], html.Div(id={'type': 'box', 'i': 1})",
)


def test_pattern_matching_ids(folder: Folder):
    key = '{"i":["MATCH"],"type":"box"}.children'
    one, two = {"i": 1, "type": "item"}, {"i": 2, "type": "item"}
    match = {
        "output": key,
        "outputs": {"id": {"i": 1, "type": "box"}, "property": "children"},
        "inputs": [{"id": one, "property": "n_clicks", "value": 4}],
        "changedPropIds": ['{"i":1,"type":"item"}.n_clicks'],
        "parsedChangedPropsIds": [one],
    }
    every = {
        "output": "all.children",
        "outputs": {"id": "all", "property": "children"},
        "inputs": [[{"id": each, "property": "n_clicks", "value": number} for number, each in enumerate((one, two))]],
        "changedPropIds": [],
    }
    loaded, matched, all_of_them = folder.answers(
        "components/own.py", PATTERNS, ["callback", {"body": match}], ["callback", {"body": every}]
    )
    assert one in loaded["panels"][0]["ids"]
    assert {each["output"] for each in loaded["callbacks"]} == {key, "all.children"}
    assert matched["body"]["response"] == {'{"i":1,"type":"box"}': {"children": "1: 4"}}
    assert all_of_them["body"]["response"] == {"all": {"children": "[0, 1]"}}


def test_two_callbacks_with_one_output(folder: Folder):
    text = internal(
        """
@callback(Output('o1', 'children'), Input('dd', 'value'))
def first(value):
    return f'first {value}'
@callback(Output('o2', 'children'), Output('o1', 'children'), Input('dd', 'value'))
def second(value):
    return 'second', 'second'
@callback(Output('o1', 'children', allow_duplicate=True), Input('dd', 'options'), prevent_initial_call=True)
def third(value):
    return 'third'
""",
        CHILDREN,
    )
    loaded, answer = folder.answers("components/own.py", text, post("o1.children", [given("dd.value", "A")]))
    outputs = [each["output"].partition("@")[0] for each in loaded["callbacks"]]
    assert outputs == ["o1.children", "o1.children"]
    assert [each["text"] for each in loaded["messages"]] == [
        "two callbacks have the output o1.children: the first one counts; give the other `allow_duplicate=True`"
    ]
    assert answer["body"]["response"] == {"o1": {"children": "first A"}}


FIGURES = (
    IMPORTS
    + """
import numpy as np
import pandas as pd
import plotly.graph_objects as go

class Own(PluginInterface):
    auto_load_page = PluginPage.ENDPOINT
    plugin_input_type = PluginInputType.ENDPOINT

    def create_component(self, component_id):
        self.properties = [(component_id + "-g", "figure"), (component_id + "-t", "children"), (component_id + "-n", "data")]
        return html.Div([dcc.Graph(id=component_id + "-g"), html.Div(id=component_id + "-t"), dcc.Store(id=component_id + "-n")])

    def update_properties(self, endpoint, **kwargs):
        figure = self.theme_manager.figure(go.Scatter(x=np.array([1.0, 2.0]), y=[1, 2]))
        when = pd.Timestamp("2026-01-02T03:04:05Z")
        return [figure, [html.B(endpoint.name), "!"], [np.float64(1.5), float("nan"), pd.NaT, when]]

    def set_theme(self, theme):
        return [self.theme_manager.figure(), no_update, theme]
"""
)


def test_values_and_themes(folder: Folder):
    asked = [
        update("Own", "abalone-regression", "endpoint"),
        ["update", {"class": "Own", "artifact": {"type": "endpoint", "name": "abalone-regression"}, "cookies": {"wb_theme": "light"}}],
        ["set_theme", {"class": "Own", "theme": "light", "cookies": {"wb_theme": "dark"}}],
        ["set_theme", {"class": "Own", "theme": "dark"}],
    ]
    loaded, dark, light, themed, back = folder.answers("components/own.py", FIGURES, *asked)
    assert (loaded["panels"][0]["page"], loaded["panels"][0]["input"]) == ("endpoint", "endpoint")
    figure, text, numbers = dark["values"]
    assert figure["data"][0]["x"] == {"dtype": "f8", "bdata": base64.b64encode(struct.pack("<2d", 1, 2)).decode()}
    assert text[0] == {"props": {"children": "abalone-regression"}, "type": "B", "namespace": "dash_html_components"}
    assert numbers == [1.5, None, None, "2026-01-02T03:04:05+00:00"]

    def template(value: Any) -> Any:
        return value["layout"]["template"]["layout"]["font"]

    assert template(light["values"][0]) != template(figure)
    assert template(themed["values"][0]) == template(light["values"][0])
    assert template(back["values"][0]) == template(figure)
    assert themed["values"][1:] == [{"_dash_no_update": "_dash_no_update"}, "light"]


def test_prevent_update_leaves_all_as_it_is(folder: Folder):
    raising = "        from dash.exceptions import PreventUpdate\n        raise PreventUpdate\n"
    text = PLAIN.replace('        return [f"{model.name} {kwargs}"]\n', raising)
    _, updated = folder.answers("components/own.py", text, update("Own"))
    assert updated == {"values": [{"_dash_no_update": "_dash_no_update"}], "error": None}


def test_an_update_may_set_other_properties(folder: Folder):
    text = PLAIN.replace("        return [", "        set_props('elsewhere', {'data': 1})\n        return [")
    _, updated = folder.answers("components/own.py", text, update("Own"))
    assert updated["side_update"] == {"elsewhere": {"data": 1}}


FORMER = """
from sageworks.web_components.plugin_interface import PluginInterface, PluginPage, PluginInputType
from dash import html
class Old(PluginInterface):
    plugin_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL_DETAILS
    def create_component(self, component_id):
        return html.Div(id=component_id)
    def update_contents(self, model):
        return [model.uuid]
"""


def test_former_releases(folder: Folder):
    """Without keywords: the inference run that the page would hand over is left out."""
    loaded, updated = folder.answers("components/old.py", FORMER, update("Old", inference_run="test"))
    assert loaded["messages"] == []
    assert loaded["panels"][0]["properties"] == [["old", "children"]]
    assert updated == {"values": ["wine"], "error": None}


def test_the_built_in_components_as_panels(folder: Folder):
    text = """
from workbench.web_interface.components.plugin_interface import PluginPage
from workbench.web_interface.components.plugins.model_plot import ModelPlot
from workbench.web_interface.components.plugins.model_details import ModelDetails
class MyPlot(ModelPlot):
    auto_load_page = PluginPage.MODEL
class MyDetails(ModelDetails):
    auto_load_page = PluginPage.MODEL
"""
    loaded, plot, details = folder.answers(
        "components/own.py", text, update("MyPlot", inference_run="full_cross_fold"), update("MyDetails", inference_run="full_cross_fold")
    )
    assert loaded["error"] is None and all(each["error"] is None for each in loaded["panels"]), loaded["messages"]
    assert plot["error"] is details["error"] is None
    assert len(plot["values"]) == len(next(each for each in loaded["panels"] if each["class"] == "MyPlot")["properties"])
    assert loaded["callbacks"]


def test_a_worker_holds_one_file(folder: Folder):
    other = str(folder.write("components/other.py", PANEL.replace("NAME", "Other")))
    _, again, unknown = folder.answers("components/own.py", PLAIN, ["load", {"file": other}], update("Other"))
    assert again["error"]["message"] == "this worker has loaded a file already"
    assert unknown == {"raised": "LookupError: this worker has no panel `Other`; it has Own"}
    (early,) = folder._parked.ask([update("Own")])["answers"]
    assert early == {"raised": "LookupError: this worker has no panel `Own`; it has none"}


def test_what_the_server_serves(folder: Folder):
    (host,) = folder._parked.ask([["host", {}]])["answers"]
    scripts = host["libraries"]["scripts"]
    names = [path.rpartition("/")[2].partition("@")[0].partition(".")[0] for _, path in scripts]
    before, after = host["libraries"]["before"], host["libraries"]["after"]
    assert names[:before] == ["polyfill", "react", "react-dom", "prop-types"]
    assert set(names[before:-after]) == {"dash_bootstrap_components", "dash_ag_grid"}
    assert names[-after:] == ["dash_renderer", "dash_core_components", "dash_core_components-shared", "dash_html_components", "bundle"]
    assert set(host["packages"]) == {"dash", "dash_ag_grid", "dash_bootstrap_components", "plotly"}
    files = {name: set(each["files"]) for name, each in host["packages"].items()}
    assert all(path in files[package] for package, path in scripts)
    assert {"dcc/async-graph.js", "dcc/async-dropdown.js"} <= files["dash"]
    assert "package_data/plotly.min.js" in files["plotly"]
    assert host["children_props"]["dash_core_components"]["Tab"] == ["label"]
    assert host["versions"]["dash"] == "4.2.0"
    assert [each["name"] for each in host["themes"]] == ["dark", "light", "midnight_blue"]
