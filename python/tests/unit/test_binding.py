"""Arguments and their errors, in the words of the recorded exchanges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pegboard._binding import Plan


def no_args():
    pass


def req(x):
    pass


def opt(x=5, y=6):
    pass


def two(a, b):
    pass


def star(*args):
    pass


def others(*rest):
    pass


def starstar(**kwargs):
    pass


def more(**options):
    pass


def kwonly(*, k):
    pass


def positional(a, /, b=1):
    pass


def item(x, extra=None):
    pass


def pair(x, extra):
    pass


def bad(context):
    pass


@pytest.mark.parametrize(
    ("function", "given", "bound"),
    [
        (no_args, {"x": 1}, {}),
        (req, {"x": 3, "y": 1}, {"x": 3}),
        (opt, {"y": 1, "z": 3}, {"y": 1}),
        (star, {"x": 3, "args": 1}, {}),
        (starstar, {"x": 3, "y": [1]}, {"x": 3, "y": [1]}),
        (more, {"x": 3}, {}),
        (kwonly, {"k": 1}, {"k": 1}),
    ],
)
def test_input(function: Callable[..., Any], given: dict[str, Any], bound: dict[str, Any]):
    assert Plan(function).bind_input("a", given) == bound


@pytest.mark.parametrize(
    ("function", "values", "bound"),
    [
        (two, [1, 2], [1, 2]),
        (req, [1, 2], [1]),
        (opt, [1], [1]),
        (star, [1, 2, 3], [1, 2, 3]),
        (positional, [1, 2, 3], [1, 2]),
    ],
)
def test_dependencies(function: Callable[..., Any], values: list[Any], bound: list[Any]):
    assert Plan(function).bind_dependencies("a", values) == bound


@pytest.mark.parametrize(
    ("function", "map_on", "given", "values", "tail", "keywords"),
    [
        (req, None, {}, [], [], {}),
        (item, None, {}, ["k"], ["k"], {}),
        (item, None, {}, ["k", "dropped"], ["k"], {}),
        (star, None, {}, ["k", "l"], ["k", "l"], {}),
        (item, "x", {"x": [1], "extra": "E", "z": 1}, None, [], {"extra": "E"}),
        (item, "x", {}, [[0, 1]], [[0, 1]], {}),
        (starstar, "x", {"x": [1], "y": 2}, None, [], {"y": 2}),
    ],
)
def test_items(
    function: Any, map_on: str | None, given: dict[str, Any], values: list[Any] | None, tail: list[Any], keywords: dict[str, Any]
):
    assert Plan(function).bind_item("a", map_on, given, values, "item") == (tail, keywords)


NO_ARGUMENTS = "Stage `c` takes no arguments but depends on previous stage."


@pytest.mark.parametrize(
    ("bind", "message"),
    [
        (lambda: Plan(req).bind_input("a", {}), "Invalid arguments provided: [], {} for signature: (x)"),
        (lambda: Plan(kwonly).bind_input("a", {"x": 1}), "Invalid arguments provided: [], {} for signature: (*, k)"),
        (lambda: Plan(positional).bind_input("a", {"a": 1}), "Invalid arguments provided: [], {} for signature: (a, /, b=1)"),
        (lambda: Plan(two).bind_dependencies("a", [[0, 1, 2]]), "Invalid arguments provided: [[0, 1, 2]], {} for signature: (a, b)"),
        (lambda: Plan(no_args).bind_dependencies("c", [1]), NO_ARGUMENTS),
        (lambda: Plan(kwonly).bind_dependencies("c", [1]), NO_ARGUMENTS),
        (lambda: Plan(others).bind_dependencies("c", [1]), NO_ARGUMENTS),
        (lambda: Plan(no_args).bind_item("c", None, {}, [], 1), NO_ARGUMENTS),
        (lambda: Plan(req).bind_item("c", "x", {}, [1], 1), NO_ARGUMENTS),
        (lambda: Plan(pair).bind_item("c", None, {}, [], 7), "Invalid arguments provided: [7], {} for signature: (x, extra)"),
        (lambda: Plan(pair).bind_item("c", "x", {"x": [1]}, None, 1), "Invalid arguments provided: [], {} for signature: (x, extra)"),
        (
            lambda: Plan(bad).bind_input("a", {"context": 1}),
            "1 validation error for SimpleStage\n  Value error, Stage `a` cannot have the following parameters: ['context']",
        ),
    ],
)
def test_errors(bind: Callable[[], object], message: str):
    with pytest.raises(ValueError) as caught:
        bind()
    assert str(caught.value) == message
    assert type(caught.value).__name__ == ("ValidationError" if "validation" in message else "ValueError")


def test_large_arguments_are_shown_cut():
    with pytest.raises(ValueError) as caught:
        Plan(two).bind_dependencies("a", [list(range(1_000_000))])
    assert len(str(caught.value)) < 3000


def test_arguments_that_cannot_be_shown():
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ValueError, match=r"Invalid arguments provided: \[Hostile\]"):
        Plan(two).bind_dependencies("a", [Hostile()])
