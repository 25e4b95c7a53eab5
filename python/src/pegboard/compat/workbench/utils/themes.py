"""The themes that are always there: colours, and a plotly template made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["BUILT_IN", "Palette", "plotly_json"]

COLORWAY = ("#636efa", "#ef6c57", "#2fb992", "#b07cf7", "#f2a65a", "#3cc3dd", "#f2729b", "#a3c644", "#e38ee6", "#e8c547")


@dataclass(frozen=True)
class Palette:
    """Colours of a theme."""

    base: str
    paper: str
    plot: str
    text: str
    grid: str
    sequential: tuple[str, ...]
    heatmap: tuple[str, ...]
    muted: tuple[str, ...]


SEQUENTIAL = ("rgb(36, 71, 158)", "rgb(39, 125, 161)", "rgb(67, 170, 139)", "rgb(249, 199, 79)", "rgb(249, 65, 68)")
BUILT_IN = {
    "dark": Palette(
        "DARKLY",
        "rgba(34, 34, 34, 1)",
        "rgba(44, 44, 44, 1)",
        "#e4e4e8",
        "rgba(110, 110, 120, 0.35)",
        SEQUENTIAL,
        ("rgb(48, 48, 54)", "rgb(58, 92, 160)", "rgb(90, 168, 186)", "rgb(240, 220, 130)"),
        ("rgb(40, 40, 46)", "rgb(52, 70, 104)", "rgb(78, 112, 130)", "rgb(150, 150, 120)"),
    ),
    "light": Palette(
        "FLATLY",
        "rgba(255, 255, 255, 1)",
        "rgba(246, 247, 249, 1)",
        "#22262e",
        "rgba(120, 130, 145, 0.30)",
        SEQUENTIAL,
        ("rgb(244, 246, 250)", "rgb(158, 190, 226)", "rgb(74, 134, 196)", "rgb(24, 62, 120)"),
        ("rgb(246, 246, 248)", "rgb(206, 214, 226)", "rgb(160, 176, 198)", "rgb(112, 130, 158)"),
    ),
    "midnight_blue": Palette(
        "DARKLY",
        "rgba(19, 26, 46, 1)",
        "rgba(27, 36, 62, 1)",
        "#d8def0",
        "rgba(110, 130, 180, 0.30)",
        SEQUENTIAL,
        ("rgb(27, 36, 62)", "rgb(48, 84, 160)", "rgb(84, 164, 196)", "rgb(236, 214, 126)"),
        ("rgb(24, 32, 56)", "rgb(42, 60, 104)", "rgb(66, 100, 136)", "rgb(140, 144, 124)"),
    ),
}
DIVERGING = ("rgb(36, 86, 180)", "rgb(140, 170, 220)", "rgb(226, 226, 230)", "rgb(240, 150, 120)", "rgb(200, 50, 47)")


def plotly_json(palette: Palette) -> dict[str, Any]:
    """The template as its file would say it."""
    axis = {
        "gridcolor": palette.grid,
        "linecolor": palette.grid,
        "zerolinecolor": palette.grid,
        "automargin": True,
        "title": {"standoff": 12},
    }
    heatmap = {"colorscale": _scale(palette.heatmap), "colorbar": {"outlinewidth": 0, "ticks": ""}}
    return {
        "layout": {
            "paper_bgcolor": palette.paper,
            "plot_bgcolor": palette.plot,
            "font": {"color": palette.text},
            "colorway": list(COLORWAY),
            "colorscale": {
                "sequential": _scale(palette.sequential),
                "sequentialminus": _scale(palette.sequential[::-1]),
                "diverging": _scale(DIVERGING),
            },
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"bgcolor": "rgba(0, 0, 0, 0)"},
            "ternary": {
                "bgcolor": palette.plot,
                **{f"{each}axis": {"gridcolor": palette.grid, "linecolor": palette.grid} for each in "abc"},
            },
            "meta": {"custom_colorscales": {"muted_heatmap": _scale(palette.muted)}},
        },
        "data": {"heatmap": [{"type": "heatmap", **heatmap}]},
    }


def _scale(colors: tuple[str, ...]) -> list[list[Any]]:
    return [[round(index / (len(colors) - 1), 4), color] for index, color in enumerate(colors)]
