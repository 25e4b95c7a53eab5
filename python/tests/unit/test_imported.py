from __future__ import annotations

import sys
from types import ModuleType

from pegboard._imported import last_imported, modules_since


def test_what_came_after_the_mark_and_nothing_else(monkeypatch):
    mark = last_imported()
    assert modules_since(mark) == {}
    one, other = ModuleType("pegboard_test_one"), ModuleType("pegboard_test_other")
    monkeypatch.setitem(sys.modules, one.__name__, one)
    monkeypatch.setitem(sys.modules, "pegboard_test_forbidden", None)
    monkeypatch.setitem(sys.modules, other.__name__, other)
    assert modules_since(mark) == {other.__name__: other, one.__name__: one}
    assert modules_since(one.__name__) == {other.__name__: other}
    assert modules_since("no such module").items() >= {"sys": sys, one.__name__: one}.items()
