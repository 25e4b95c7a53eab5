"""What the table says of given figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from measuring.report import Comparison, Row, Series, markdown


def times(*values: float) -> Series:
    return Series("peer", "ms", list(values))


def test_a_ratio_says_how_much_better_whichever_way_is_up() -> None:
    assert Row("t", times(0.001, 0.002, 0.009), times(0.01)).ratio == pytest.approx(5.0)
    rates = Series("", "items/s", [100.0]), Series("p", "items/s", [20.0])
    assert Row("r", *rates, higher_is_better=True).ratio == pytest.approx(5.0)
    assert Row("alone", times(1.0)).ratio is None


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Comparison(factor=2), True),
        (Comparison(factor=2.1), False),
        (Comparison(limit=0.0011), True),
        (Comparison(limit=0.001), False),
        (Comparison(factor=2, limit=0.001), False),
        (None, None),
    ],
)
def test_a_target_is_met_or_not(target: Comparison | None, met: bool | None) -> None:
    assert Row("x", times(0.001), times(0.002), target).met is met


def test_a_factor_without_a_peer_is_not_met() -> None:
    assert Row("x", times(0.001), None, Comparison(factor=2)).met is False


def test_the_table_shows_median_range_ratio_and_target() -> None:
    row = Row("x", times(0.001, 0.002, 0.003), times(0.01), Comparison(factor=5), notes=["a word"])

    assert markdown([row]).splitlines()[2:] == [
        "| x | 2.00 ms (1.00–3.00) | peer: 10.00 ms | **5.0×** | ≥ 5× | yes |",
        "",
        "- x: a word",
    ]
