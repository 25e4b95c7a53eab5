"""Results as JSON: nothing fails, what has no JSON form is text."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from collections import OrderedDict, namedtuple
from typing import Any

import numpy
import pandas
import pytest

from pegboard._encode import to_json


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: int
    where: pathlib.Path


class Modelled:
    def model_dump(self) -> dict[str, Any]:
        return {"when": datetime.date(2024, 1, 2)}


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Plain:
    def __str__(self) -> str:
        return "plain"


Pair = namedtuple("Pair", "a b")
IDENTITY = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (None, None),
        (True, True),
        (2**63, 2**63),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        ([float("nan"), float("inf"), 1.5], [None, None, 1.5]),
        ((1, 2, 3), [1, 2, 3]),
        ({5}, [5]),
        (Pair(1, 2), [1, 2]),
        ({1: "a", 2.5: "b", None: "c", False: "d", Colour.RED: "e"}, {"1": "a", "2.5": "b", "null": "c", "false": "d", "red": "e"}),
        (OrderedDict(a=1), {"a": 1}),
        (datetime.datetime(2024, 1, 2, 3, 4, 5, 678000), "2024-01-02T03:04:05.678000"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.timedelta(seconds=5), "0:00:05"),
        (IDENTITY, str(IDENTITY)),
        (pathlib.Path("/a/b"), "/a/b"),
        (decimal.Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Number.ONE, 1),
        (b"text", "text"),
        (b"\xff", "\\xff"),
        (Point(1, pathlib.Path("p")), {"x": 1, "where": "p"}),
        (Modelled(), {"when": "2024-01-02"}),
        (Plain(), "plain"),
        (Hostile(), "<Hostile>"),
        ("half \ud800", "half \\ud800"),
        (numpy.float64(2.5), 2.5),
        (numpy.float32("nan"), None),
        (numpy.int64(7), 7),
        (numpy.bool_(True), True),
        (numpy.array([1, 2]), "[1 2]"),
        (pandas.Timestamp("2024-01-02"), "2024-01-02T00:00:00"),
        (pandas.NaT, None),
        (pandas.DataFrame({"a": [1]}), str(pandas.DataFrame({"a": [1]}))),
        (10**5000, hex(10**5000)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: object, json_value: object):
    assert json.loads(to_json(value)) == json_value


def test_cycles_and_depth_end():
    loop: list[Any] = []
    loop.append(loop)
    assert json.loads(to_json(loop)) == ["[[...]]"]
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    found, depth = json.loads(to_json(deep)), 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert depth == 100


def test_long_text_of_an_object_is_cut():
    class Long:
        def __str__(self) -> str:
            return "x" * 1_000_000

    assert len(to_json(Long())) < 20_000
    assert len(to_json("x" * 50_000)) == 50_002
