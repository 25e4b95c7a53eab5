"""Pages and views: what they register, layouts that are made for each visitor, and what goes wrong with them."""

from __future__ import annotations

from typing import Any

from panels.conftest import IMPORTS, PANEL, Folder, given, post

PAGE = (
    """
import dash
"""
    + IMPORTS
    + """
from workbench.utils.plugin_manager import PluginManager
from workbench.web_interface.utils.page_callbacks import register_theme_callback

class Own:
    def __init__(self):
        self.panel = PluginManager().get_web_plugin("NAME")
        self.view = PluginManager().get_view("Shown")

    def page_setup(self, app):
        parts = [dcc.Dropdown(id="dd"), html.Div(id="out"), self.panel.create_component("embedded"), self.view.view_data()]
        dash.register_page(__file__, path="/own", name="Our page", title="Ours", order=3, redirect_from=["/former"], layout=html.Div(parts))

        @app.callback(Output("out", "children"), Input("dd", "value"))
        def by_app(value):
            return f"app {value}"

        @callback(Output("out", "title"), Input("dd", "value"))
        def by_dash(value):
            return dash.get_relative_path("/own") + dash.get_asset_url("plugins/own.css")

        self.panel.register_internal_callbacks()
        register_theme_callback([self.panel])
"""
)
VIEW = """
from workbench.web_interface.page_views.page_view import PageView
class Shown(PageView):
    def refresh(self):
        pass
    def view_data(self):
        return "shown"
"""


def own(folder: Folder) -> None:
    folder.write("components/panel.py", PANEL)
    folder.write("components/broken.py", "def x(:")
    folder.write("views/view.py", VIEW)


def test_a_page_with_a_view_and_a_panel(folder: Folder):
    own(folder)
    asked = [post("out.children", [given("dd.value", 1)]), post("out.title", [given("dd.value", 1)])]
    loaded, by_app, by_dash = folder.answers("pages/own.py", PAGE, *asked)
    (page,) = loaded["pages"]
    layout = page.pop("layout")
    assert page == {
        "class": "Own",
        "module": str(folder.path / "pages" / "own.py"),
        "path": "/own",
        "path_template": None,
        "name": "Our page",
        "title": "Ours",
        "title_is_function": False,
        "description": "",
        "order": 3,
        "image": None,
        "redirect_from": ["/former"],
        "is_not_found": False,
        "layout_is_function": False,
        "ids": ["dd", "out", "embedded"],
        "error": None,
    }
    assert layout["props"]["children"][-1] == "shown"
    assert by_app["body"]["response"] == {"out": {"children": "app 1"}}
    assert by_dash["body"]["response"] == {"out": {"title": "/ui/dash/own/ui/dash/assets/plugins/own.css"}}
    theme = next(each for each in loaded["callbacks"] if each["inputs"][0]["id"] == "workbench-theme-store")
    assert theme["output"].startswith("..embedded.children@")
    # A page is out of date when a view changes; the broken sibling is no trouble of its own.
    assert {name.rpartition("/")[2] for name in loaded["files"]} == {"own.py", "panel.py", "broken.py", "view.py"}
    assert loaded["messages"] == [] and loaded["panels"] == []


FUNCTIONS = (
    """
import dash
"""
    + IMPORTS
    + """
class Own:
    def page_setup(self, app):
        def layout(name=None, tab="a", **more):
            if name == "crash":
                raise ValueError("no such thing")
            if name == "number":
                return {"a": 1}
            return html.Div(f"{name} {tab} {more} {ctx.cookies.get('wb_theme')}", id="x")

        def title(name=None):
            return f"About {name}"

        dash.register_page("own", path_template="/own/<name>", title=title, layout=layout)
        dash.register_page("not_found_404", path="/nowhere", layout=html.Div("lost"))
"""
)


def test_layouts_that_are_functions(folder: Folder):
    def asked(name: str) -> Any:
        variables = {
            "page": "own",
            "path_variables": {"name": name},
            "query": {"tab": "b", "x": ["1", "2"]},
            "cookies": {"wb_theme": "light"},
        }
        return ["layout", variables]

    loaded, one, crash, number, unknown = folder.answers(
        "pages/own.py", FUNCTIONS, asked("wine"), asked("crash"), asked("number"), ["layout", {"page": "other"}]
    )
    pages = {page["module"]: page for page in loaded["pages"]}
    page = pages["own"]
    assert (page["path_template"], page["title"], page["layout"]) == ("/own/<name>", None, None)
    assert page["layout_is_function"] and page["title_is_function"]
    assert pages["not_found_404"]["is_not_found"]
    assert one["layout"]["props"]["children"] == "wine b {'x': ['1', '2']} light"
    assert (one["title"], one["error"]) == ("About wine", None)
    assert crash["error"]["message"] == "ValueError: no such thing"
    assert crash["layout"]["props"]["className"] == "alert alert-danger"
    assert number["error"]["message"] == "the layout is a dict, not a Dash component"
    assert unknown["raised"].startswith("LookupError: this worker has no page `other`")


def page(setup: str, name: str = "Own", before: str = "") -> str:
    lines = "\n".join(f"        {line}" for line in setup.strip().splitlines())
    return (
        f"import dash\nfrom dash import Input, Output, callback, html\n\n\nclass {name}:\n{before}    def page_setup(self, app):\n{lines}\n"
    )


GOOD = "dash.register_page('good', path='/good', layout=html.Div('good'))"


def test_pages_that_cannot_be_set_up(folder: Folder):
    cases = {
        "constructor": (page(GOOD, before="    def __init__(self):\n        raise ValueError('no')\n"), "ValueError: no", None),
        "setup": (page("raise ValueError('no')"), "ValueError: no", None),
        "half": (page("dash.register_page('bad', path='/bad', layout=html.Div())\nraise ValueError('no')"), "ValueError: no", "/bad"),
        "nothing": (page("pass"), "page_setup of Own registers no page", None),
        "no layout": (page("dash.register_page('bad', path='/bad')"), "page `/bad` has no layout", "/bad"),
        "no component": (page("dash.register_page('bad', path='/bad', layout=[object()])"), "the layout is a object", "/bad"),
        "leaves": (page("import sys; sys.exit(1)"), "the file leaves the process", None),
    }
    for name, (text, message, path) in cases.items():
        other = page(GOOD, "Other").partition("class")[2]
        callbacks = "@callback(Output('a', 'b'), Input('c', 'd'))\ndef bad(x): return x\n"
        if name == "half":
            text = text.replace("        raise", "".join(f"        {line}\n" for line in callbacks.splitlines()) + "        raise")
        loaded = folder.loaded(f"pages/{name.replace(' ', '_')}.py", f"{text}\n\nclass{other}")
        found = {each["class"]: each for each in loaded["pages"]}
        assert found["Own"]["error"]["message"].startswith(message), name
        assert found["Own"]["path"] == path, name
        assert found["Own"]["layout"]["props"]["className"] == "alert alert-danger"
        assert found["Other"]["error"] is None and found["Other"]["path"] == "/good"
        assert loaded["callbacks"] == [] and loaded["error"] is None
        assert [each["level"] for each in loaded["messages"]] == ["error"], name


def test_two_pages_with_one_path_and_what_is_no_page(folder: Folder):
    text = page(GOOD) + page("dash.register_page('again', path='/good', layout=html.Div('again'))", "Twice").partition("\n\n\n")[2]
    text += "class Helper:\n    pass\n"
    loaded = folder.loaded("pages/own.py", text)
    assert [(each["module"], each["path"]) for each in loaded["pages"]] == [("good", "/good")]
    assert [(each["level"], each["text"]) for each in loaded["messages"]] == [
        ("note", "class Helper is no page: it has no `page_setup`"),
        ("error", "two pages of the file have the path `/good`: the first one counts"),
    ]


def test_routes_of_a_page_are_not_served(folder: Folder):
    loaded = folder.loaded("pages/own.py", page(f"app.server.add_url_rule('/mine', 'mine', lambda: 'x')\n{GOOD}"))
    assert [each["text"] for each in loaded["messages"]] == ["route `/mine` of the plugin's own is not served"]


def test_a_page_that_registers_itself(folder: Folder):
    """As Dash's own pages do, without a class."""
    loaded = folder.loaded(
        "pages/own.py", "import dash\nfrom dash import html\ndash.register_page(__name__, path='/x', layout=html.Div())\n"
    )
    assert [(each["class"], each["path"], each["error"]) for each in loaded["pages"]] == [("own", "/x", None)]
    assert loaded["messages"] == []


def test_views(folder: Folder):
    text = VIEW + "class Lacking(PageView):\n    pass\nclass Helper:\n    pass\n"
    loaded = folder.loaded("views/view.py", text)
    found = {each["class"]: each["error"] for each in loaded["views"]}
    assert found["Shown"] is None
    assert found["Lacking"]["message"] == "Method 'refresh' is not implemented by Lacking"
    assert set(found) == {"Shown", "Lacking"}
    assert ("error", "Unexpected plugin type 'views' for plugin 'Helper'") in [(each["level"], each["text"]) for each in loaded["messages"]]
    path = str(folder.path / "views" / "view.py")
    (checked,) = folder._parked.ask([["check", {"roots": [str(folder.path)], "file": path, "kind": "view"}]])["answers"]
    assert checked["loaded"] == ["Shown"]
    assert folder.loaded("views/broken.py", "def x(:")["error"]["line"] == 1


def test_several_folders(folder: Folder):
    own(folder)
    other = Folder(folder.path.parent / "other", folder._parked)
    path = other.write("pages/own.py", PAGE)
    roots = [str(other.path), str(folder.path)]
    (loaded,) = folder._parked.ask([["load", {"roots": roots, "file": str(path), "kind": "page"}]])["answers"]
    assert loaded["error"] is None and [each["path"] for each in loaded["pages"]] == ["/own"]
