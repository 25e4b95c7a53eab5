"""The app that the parked interpreter makes is that of each worker, and no worker sees another's callbacks."""

from __future__ import annotations

from panels.conftest import Folder, given, internal, post

OWN = "@callback(Output('o1', 'children'), Input('dd', 'value'))\ndef own(value):\n    return f'NAME {value} {get_relative_path(\"/x\")}'\n"
CHILDREN = "dcc.Dropdown(['A'], id='dd'), html.Div(id='o1')"


def test_workers_do_not_share_callbacks(folder: Folder):
    said = []
    for name in ("one", "other"):
        text = "from dash import get_relative_path\n" + internal(OWN.replace("NAME", name), CHILDREN)
        loaded, answer = folder.answers(f"components/{name}.py", text, post("o1.children", [given("dd.value", "A")]))
        assert [each["output"] for each in loaded["callbacks"]] == ["o1.children"]
        said.append(answer["body"]["response"]["o1"]["children"])
    assert said == ["one A /ui/dash/x", "other A /ui/dash/x"]


def test_another_prefix(folder: Folder):
    text = "from dash import get_relative_path\n" + internal(OWN.replace("NAME", "own"), CHILDREN)
    loaded, answer = folder.answers("components/own.py", text, post("o1.children", [given("dd.value", "A")]), prefix="/elsewhere/")
    assert loaded["error"] is None and len(loaded["callbacks"]) == 1
    assert answer["body"]["response"]["o1"]["children"] == "own A /elsewhere/x"


def test_routes_of_a_panel_are_warned_of(folder: Folder):
    body = "from dash import get_app\nget_app().server.route('/mine')(lambda: 'hello')"
    loaded = folder.loaded("components/own.py", internal(body))
    assert loaded["error"] is None
    assert [(each["level"], each["text"]) for each in loaded["messages"]] == [
        ("warning", "route `/mine` of the plugin's own is not served")
    ]
