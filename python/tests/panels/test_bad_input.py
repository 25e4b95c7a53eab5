"""What a bad plugin does stays in its own worker and is told with a line and a remedy; the two beside it go on."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from panels.conftest import IMPORTS, PANEL, Folder, update

CREATE = """        self.properties = [(component_id, "children")]
        return html.Div("loading", id=component_id)
"""
UPDATE = """        return [f"{model.name} {kwargs}"]
"""


def panel(create: str = CREATE, updating: str = UPDATE, more: str = "", name: str = "Bad") -> str:
    return PANEL.replace("NAME", name).replace(CREATE, create).replace(UPDATE, updating) + more


def line_of(text: str, marker: str | None) -> int | None:
    """Where the words are first."""
    return None if marker is None else next(number for number, line in enumerate(text.splitlines(), 1) if marker in line)


@pytest.fixture
def beside(folder: Folder) -> Any:
    """Two good ones, which must work before and after."""
    for name in ("First", "Second"):
        folder.write(f"components/{name.lower()}.py", PANEL.replace("NAME", name))
    yield folder
    for name in ("First", "Second"):
        loaded, updated = folder.answers(f"components/{name.lower()}.py", None, update(name, inference_run="test"))
        assert loaded["error"] is None and loaded["panels"][0]["error"] is None
        assert updated == {"values": ["wine {'inference_run': 'test'}"], "error": None}


IMPORT_TIME = {
    "syntax": ("class Bad(:\n    pass\n", "SyntaxError: ", 1, "mend that line and save the file"),
    "missing attribute": (
        panel().replace("    auto_load_page = PluginPage.MODEL\n", ""),
        "TypeError: Subclasses must define a 'auto_load_page' of type PluginPage",
        5,
        "write `auto_load_page = PluginPage.MODEL`",
    ),
    "text for a member": (
        panel().replace("PluginPage.MODEL", "'model'"),
        "TypeError: Subclasses must define a 'auto_load_page' of type PluginPage",
        5,
        "write `auto_load_page",
    ),
    "missing package": (
        "import one\nimport no_such_package.part\n".replace("import one\n", "\n"),
        "ModuleNotFoundError: ",
        2,
        "`packages/`",
    ),
    "missing part of workbench": ("import workbench.no_such_part\n", "ModuleNotFoundError: ", 1, "docs/compat/workbench.md"),
    "missing name of workbench": ("from workbench.api import Monitor\n", "ImportError: ", 1, "docs/compat/workbench.md"),
    "sys.exit": ("import sys\nsys.exit(3)\n", "the file leaves the process: sys.exit(3)", 2, "take `sys.exit` out"),
    "raises": ("\n\nraise ValueError('no such thing')\n", "ValueError: no such thing", 3, None),
}


@pytest.mark.parametrize("case", IMPORT_TIME)
def test_a_file_that_does_not_load(case: str, beside: Folder):
    text, message, line, hint = IMPORT_TIME[case]
    loaded = beside.loaded("components/bad.py", text)
    error = loaded["error"]
    assert error["message"].startswith(message)
    assert (error["line"], error["file"]) == (line, str(beside.path / "components" / "bad.py"))
    assert error["traceback"].startswith(("Traceback", "  File"))
    assert (error["hint"] or "").startswith(hint or "") or hint in error["hint"]
    assert loaded["panels"] == loaded["callbacks"] == []
    assert [(each["level"], each["line"]) for each in loaded["messages"]] == [("error", line)]
    assert loaded["files"] == [str(beside.path / "components" / "bad.py")]


CREATION = {
    "missing method": (
        panel().replace("def update_properties", "def update_other"),
        "Method 'update_properties' is not implemented by Bad",
        None,
    ),
    "constructor raises": (
        panel(more="    def __init__(self):\n        raise ValueError('no')\n"),
        "ValueError: no",
        "raise ValueError('no')",
    ),
    "constructor leaves": (
        panel(more="    def __init__(self):\n        raise SystemExit(1)\n"),
        "the file leaves the process: sys.exit(1)",
        "raise SystemExit",
    ),
    "constructor wants more": (panel(more="    def __init__(self, more):\n        super().__init__()\n"), "TypeError: ", None),
    "create raises": (panel("        raise ValueError('no')\n"), "ValueError: no", "raise ValueError"),
    "create returns a dict": (panel("        return {}\n"), "create_component returned a dict, not a Dash component", None),
    "create returns nothing": (panel("        pass\n"), "create_component returned None, not a Dash component", None),
    "unknown id": (
        panel(CREATE.replace("[(component_id,", "[(component_id + '-g',")),
        "`properties` names `bad-g.children`, but no component has that id (there are: bad)",
        None,
    ),
    "properties of another shape": (
        panel(CREATE.replace('[(component_id, "children")]', '{component_id: "children"}')),
        "`properties` has to be a list of pairs of an id and a property, and has a dict",
        None,
    ),
    "callbacks raise": (
        panel(more="    def register_internal_callbacks(self):\n        raise ValueError('no')\n"),
        "ValueError: no",
        "raise ValueError('no')",
    ),
}


@pytest.mark.parametrize("case", CREATION)
def test_a_panel_that_cannot_be_made(case: str, beside: Folder):
    text, message, marker = CREATION[case]
    line = line_of(text, marker)
    # A class that can be made is beside it in the same file.
    text += PANEL.replace("NAME", "Good").removeprefix(IMPORTS)
    loaded, good, bad = beside.answers("components/bad.py", text, update("Good"), update("Bad"))
    found = {each["class"]: each for each in loaded["panels"]}
    error = found["Bad"]["error"]
    assert error["message"].startswith(message)
    assert error["line"] == line
    assert found["Bad"]["properties"] == []
    layout = found["Bad"]["layout"]
    assert (layout["props"]["className"], layout["props"]["id"]) == ("alert alert-danger", found["Bad"]["id"])
    assert loaded["callbacks"] == []
    assert loaded["error"] is found["Good"]["error"] is None
    assert any(each["level"] == "error" and message in each["text"] for each in loaded["messages"])
    assert good == {"values": ["wine {}"], "error": None}
    assert bad == {"values": [], "error": error}


UPDATES = {
    "raises": ("        raise ValueError('no')\n", "ValueError: no", "raise ValueError"),
    "too few": ("        return []\n", "update_properties returned 0, expected 1", "def update_properties"),
    "too many": ("        return [1, 2]\n", "update_properties returned 2, expected 1", "def update_properties"),
    "nothing": ("        pass\n", "update_properties returned None, expected a list of 1", "def update_properties"),
    "a text": ("        return 'x'\n", "update_properties returned a str, expected a list of 1", "def update_properties"),
    "no JSON": (
        "        return [object()]\n",
        "update_properties returned an object for `bad.children`, which JSON cannot say",
        "def update_properties",
    ),
    "wants more": (None, "TypeError: ", None),
}


@pytest.mark.parametrize("case", UPDATES)
def test_an_update_that_fails(case: str, beside: Folder):
    updating, message, marker = UPDATES[case]
    text = (
        panel(updating=updating) if updating is not None else panel().replace("(self, model, **kwargs)", "(self, model, other, **kwargs)")
    )
    line = line_of(text, marker)
    loaded, first, second = beside.answers("components/bad.py", text, update("Bad"), update("Bad"))
    assert loaded["panels"][0]["error"] is None
    assert first["error"]["message"].startswith(message)
    assert first["error"]["line"] == line
    assert len(first["values"]) == 1 and first["values"][0].startswith("Bad Crashed: \n")
    # The worker goes on.
    assert second == first


def test_a_value_that_json_cannot_say_leaves_the_others_alone(folder: Folder):
    create = """        self.properties = [(component_id, "children"), (component_id + "-g", "figure")]
        return html.Div([dcc.Graph(id=component_id + "-g")], id=component_id)
"""
    text = panel(create, "        return ['fine', object()]\n")
    _, updated = folder.answers("components/bad.py", text, update("Bad"))
    assert updated["values"][0] == "fine"
    assert "which JSON cannot say" in updated["values"][1]["layout"]["annotations"][0]["text"].replace("<br>", "")


def test_a_theme_that_fails(folder: Folder):
    text = panel(more="    def set_theme(self, theme):\n        raise ValueError(theme)\n")
    asked = ["set_theme", {"class": "Bad", "theme": "light", "cookies": {}}]
    _, themed, updated = folder.answers("components/bad.py", text, asked, update("Bad"))
    assert themed["error"]["message"] == "ValueError: light"
    assert themed["values"][0].startswith("Bad Crashed")
    assert updated["error"] is None


DEADLY = {
    "leaves while it is imported": ("import os\nos._exit(7)\n", 7),
    "hangs while it is imported": ("import time\ntime.sleep(60)\n", "deadline"),
    "constructor hangs": (panel(more="    def __init__(self):\n        import time; time.sleep(60)\n"), "deadline"),
    "leaves in an update": (panel(updating="        import os; os._exit(9)\n"), 9),
    "is killed in an update": (panel(updating="        import os; os.kill(os.getpid(), 11)\n"), -signal.SIGSEGV),
    "hangs in an update": (panel(updating="        while True: pass\n"), "deadline"),
}


@pytest.mark.parametrize("case", DEADLY)
def test_what_ends_a_worker_ends_no_other(case: str, beside: Folder):
    text, ended = DEADLY[case]
    assert beside.asked("components/bad.py", text, update("Bad"), seconds=1.0)["ended"] == ended


def test_a_dataclass_with_postponed_annotations_and_a_sibling(folder: Folder):
    folder.write(
        "components/words.py",
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Word:\n    text: str = 'hello'\n",
    )
    text = "from __future__ import annotations\nfrom words import Word\n" + panel(updating="        return [Word().text]\n")
    loaded, updated = folder.answers("components/bad.py", text, update("Bad"))
    assert [each["class"] for each in loaded["panels"]] == ["Bad"]
    assert updated["values"] == ["hello"]
    # A change of either makes the worker out of date.
    assert [name.rpartition("/")[2] for name in loaded["files"]] == ["bad.py", "words.py"]


def test_packages_do_not_hide_what_is_installed(folder: Folder):
    folder.write("packages/json.py", "raise ValueError")
    folder.write("packages/words.py", "WORD = 'hello'")
    text = "import json\nfrom words import WORD\n" + panel(updating="        return [json.dumps(WORD)]\n")
    loaded, updated = folder.answers("components/statistics.py", text, update("Bad"))
    assert updated["values"] == ['"hello"']
    assert str(folder.path / "packages" / "words.py") in loaded["files"]
    # A file may have the name of an installed module.
    assert loaded["panels"][0]["class"] == "Bad"


def test_an_instance_that_the_base_class_never_saw(folder: Folder):
    text = panel(more="    def __init__(self):\n        self.mine = 1\n").replace("self.properties = ", "self.properties += ")
    loaded, updated = folder.answers("components/bad.py", text, update("Bad"))
    assert updated["error"] is None
    assert [(each["level"], each["remedy"]) for each in loaded["messages"]] == [("warning", "call super().__init__() first")]


def test_ids_that_are_taken(folder: Folder):
    loaded = folder.loaded("components/bad.py", panel(), known_ids=["bad", "bad_2"])
    assert loaded["panels"][0]["id"] == "bad_3"
    assert loaded["panels"][0]["layout"]["props"]["id"] == "bad_3"
    fixed = panel(CREATE.replace("id=component_id", "id='mine'").replace("(component_id,", "('mine',"))
    loaded = folder.loaded("components/bad.py", fixed, known_ids=["mine"])
    assert loaded["panels"][0]["error"]["message"] == "the ids mine are another panel's already"
    assert "component_id" in loaded["panels"][0]["error"]["hint"]


def test_two_that_crash_have_ids_of_their_own(folder: Folder):
    broken = "        raise ValueError('no')\n"
    text = panel(broken, name="One") + panel(broken, name="Two").removeprefix(IMPORTS)
    loaded = folder.loaded("components/bad.py", text)
    assert [each["layout"]["props"]["id"] for each in loaded["panels"]] == ["one", "two"]


def test_what_is_odd_but_works_is_said(folder: Folder):
    create = """        self.properties = [(component_id, "figure")]
        self.signals = [(component_id + "-x", "value")]
        return html.Div([html.Div(id="a"), html.Div(id="a")], id=component_id)
"""
    loaded = folder.loaded("components/bad.py", panel(create, "        return [1]\n"))
    assert [each["text"] for each in loaded["messages"]] == [
        "Bad has two components with the id `a`",
        "`signals` of Bad names `bad-x`, which no component has as its id",
        "`properties` of Bad names `bad.figure`, but Div has no such property",
    ]
    assert all(each["level"] == "warning" and each["line"] == 5 for each in loaded["messages"])
    nothing = folder.loaded("components/none.py", "class Helper:\n    pass\n")
    assert [each["text"] for each in nothing["messages"]] == ["the file has no panel: no class of it derives from PluginInterface"]


def test_an_artifact_that_is_not_there(folder: Folder):
    asked = [update("Bad", "nothing"), update("Bad", "nothing", "graph"), update("Bad", "x", "pipeline")]
    _, *updated = folder.answers("components/bad.py", panel(), *asked)
    assert [each["error"]["message"] for each in updated] == [
        "there is no model `nothing` in the catalog",
        "there is no graph `nothing` in the catalog",
        "a panel cannot be given a `pipeline`: it is one of data_source, feature_set, model, endpoint, graph",
    ]
    assert all(len(each["values"]) == 1 for each in updated)


def test_the_same_findings_from_check(folder: Folder):
    path = folder.write("components/bad.py", panel().replace("def update_properties", "def update_other"))
    (checked,) = folder._parked.ask([["check", {"roots": [str(folder.path)], "file": str(path), "kind": "component"}]])["answers"]
    assert checked["loaded"] == []
    assert [(each["level"], each["text"], each["file"]) for each in checked["findings"]] == [
        ("error", "Bad: Method 'update_properties' is not implemented by Bad", str(path))
    ]
    assert checked["findings"][0]["remedy"] == "write that method, or take a base class that has it"


def test_a_check_needs_no_catalog(folder: Folder):
    """What looks at the catalog while it is made finds an empty one."""
    text = """
import dash
from dash import html
from workbench.cached.cached_meta import CachedMeta
from workbench.cached.cached_model import CachedModel

class Own:
    def __init__(self):
        self.models = CachedMeta().models(details=True)

    def page_setup(self, app):
        shown = f"{len(self.models)} {list(self.models.columns)[:1]} {CachedModel('wine').exists()}"
        if shown != "0 ['Model Group'] False":
            raise ValueError(shown)
        dash.register_page("own", path="/own", layout=html.Div(shown))
"""
    path = folder.write("pages/own.py", text)
    (checked,) = folder._parked.ask([["check", {"roots": [str(folder.path)], "file": str(path), "kind": "page"}]])["answers"]
    assert checked == {"findings": [], "loaded": ["Own"]}
