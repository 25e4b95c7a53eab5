"""Parts of plots."""

from __future__ import annotations

from typing import Any

__all__ = ["beeswarm_offsets", "molecule_hover_tooltip", "prediction_intervals"]


def short_name(name: Any, longest: int) -> str:
    """A name that fits beside a small plot; the plot's hover text has the whole one."""
    text = str(name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def beeswarm_offsets(values: Any, point_size: float = 0.05, precision: int = 2, max_offset: float = 0.3) -> Any:
    """How far each point stands from the axis, so that points of about the same value stand beside one another."""
    import numpy as np

    rounded = np.round(np.asarray(values, dtype=float), precision)
    offsets = np.zeros(rounded.shape)
    for value in np.unique(rounded[~np.isnan(rounded)]):
        places = np.flatnonzero(rounded == value)
        # 0, +1, -1, +2, -2, …
        steps = np.arange(1, len(places) + 1)
        pattern = np.where(steps % 2 == 0, steps // 2, -(steps // 2)) * point_size
        offsets[places] = np.clip(pattern, -max_offset, max_offset)
    return offsets


def prediction_intervals(df: Any, fig: Any, x_col: str) -> Any:
    """Two bands below the points, from quantiles or from the standard deviation of the predictions."""
    import plotly.graph_objects as go

    if {"q_025", "q_25", "q_75", "q_975"} <= set(df.columns):
        bands = [("q_025", "q_975"), ("q_25", "q_75")]
        sides = [(df[low], df[high]) for low, high in bands]
    elif {"prediction", "prediction_std"} <= set(df.columns):
        sides = [
            (df["prediction"] - width * df["prediction_std"], df["prediction"] + width * df["prediction_std"]) for width in (1.96, 0.67)
        ]
    else:
        return fig
    order = df[x_col].argsort()
    x = df[x_col].iloc[order]
    for (low, high), color in zip(sides, ("rgba(99, 110, 250, 0.15)", "rgba(99, 110, 250, 0.25)"), strict=True):
        quiet = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        fig.add_trace(go.Scatter(x=x, y=low.iloc[order], **quiet))
        fig.add_trace(go.Scatter(x=x, y=high.iloc[order], fill="tonexty", fillcolor=color, **quiet))
    return fig


def molecule_hover_tooltip(*arguments: Any, **named: Any) -> Any:
    from .chem_utils.vis import molecule_hover_tooltip as tooltip

    return tooltip(*arguments, **named)
