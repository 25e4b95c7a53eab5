"""What is said of targets when a workflow is applied."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pegboard._targets import UnresolvedTargets, check, describe


def said(*targets: str) -> str:
    with pytest.raises(UnresolvedTargets) as raised:
        check(targets)
    return str(raised.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_package.f", "there is no module `no_such_package`"),
        ("json.nothing.f", "there is no module `json.nothing`"),
        ("json.nothing", "module `json` has no `nothing`"),
        ("math.pi", "not callable, but float"),
        ("math.sqrt", "a built-in function, not a function written in Python"),
        ("builtins.len", "a built-in function"),
        ("builtins.int", "a built-in class"),
        ("datetime.datetime.now", "`datetime.datetime` is a class, not a module"),
        ("os.path", "not callable"),
        ("", "not a dotted path"),
        ("zzz", "not a dotted path"),
    ],
)
def test_what_does_not_resolve(target: str, words: str) -> None:
    line = said(target)
    assert line.startswith(f"target `{target}` does not resolve: ") and words in line


def test_what_resolves_says_nothing() -> None:
    check(["json.loads", "fractions.Fraction", " platform.system "])
    assert said("json.loads", "zzz", "a.b").count("\n") == 1


def test_loose_modules_are_looked_at_anew_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "user_modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    (folder / "m.py").write_text("def f(): ...\n")
    before = set(sys.modules)
    check(["user_modules.m.f"])
    assert not [name for name in set(sys.modules) - before if name.startswith("user_modules")]
    assert not (folder / "__pycache__").exists()
    (folder / "m.py").write_text("def g(): ...\n")
    assert "has no `f`" in said("user_modules.m.f", "user_modules.m.g")


def test_parameters_are_told_for_a_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "described_here.py").write_text(
        "def f(rows: list[int], seed: int | None = 7, *args, mode='<b>', made=object(), **kwargs): ...\nnumber = 1\n"
    )
    target = "described_here.f"
    found = describe([target, "described_here.number", "described_here.gone", "no_such.module", "", "x"])
    assert list(found) == [target]
    assert [(one["name"], one["annotation"], one["default"], one["required"]) for one in found[target]] == [
        ("rows", "list[int]", None, True),
        ("seed", "int | None", "7", False),
        ("mode", "", '"<b>"', False),
        ("made", "", None, False),
    ]
