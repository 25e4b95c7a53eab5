"""Colours: read, mixed, looked up on a scale."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

__all__ = [
    "add_alpha_to_first_color",
    "blended_colors",
    "color_to_rgba",
    "is_dark",
    "log_scaled_heatmap",
    "remove_middle_colors",
    "rgba_to_tuple",
    "sample_colorscale_rgba",
    "weights_to_colors",
]

Rgba = tuple[int, int, int, float]
Scale = Sequence[Sequence[Any]]


def rgba_to_tuple(color: str) -> Rgba:
    """`rgb(…)`, `rgba(…)` or `#rrggbb` as red, green, blue in 0 to 255 and alpha in 0 to 1."""
    text = color.strip()
    if text.startswith("#"):
        digits = text[1:]
        if len(digits) in (3, 4):
            digits = "".join(digit * 2 for digit in digits)
        red, green, blue = (int(digits[start : start + 2], 16) for start in (0, 2, 4))
        return red, green, blue, round(int(digits[6:8], 16) / 255, 3) if len(digits) == 8 else 1.0
    numbers = re.findall(r"[\d.]+", text)
    if not text.startswith("rgb") or len(numbers) < 3:
        raise ValueError(f"`{color}` is not a colour: use #rrggbb, rgb(…) or rgba(…)")
    red, green, blue = (round(float(number)) for number in numbers[:3])
    return red, green, blue, float(numbers[3]) if len(numbers) > 3 else 1.0


def _text(color: Sequence[float]) -> str:
    red, green, blue = (round(part) for part in color[:3])
    return f"rgba({red}, {green}, {blue}, {round(color[3], 3):g})"


def color_to_rgba(color: str) -> str:
    return _text(rgba_to_tuple(color))


def is_dark(color: str) -> bool:
    red, green, blue, _ = rgba_to_tuple(color)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255 < 0.5


def blended_colors(one: str, other: str, share: float = 0.5) -> str:
    first, second = rgba_to_tuple(one), rgba_to_tuple(other)
    return _text([a + (b - a) * share for a, b in zip(first, second, strict=True)])


def sample_colorscale_rgba(colorscale: Scale, value: float, vmin: float = 0, vmax: float = 1, alpha: float | None = 1) -> str:
    """The colour at a value; outside of the limits, that of the nearer end."""
    place = 0.5 if vmax == vmin else min(1.0, max(0.0, (value - vmin) / (vmax - vmin)))
    before = colorscale[0]
    for stop in colorscale:
        if stop[0] >= place:
            width = stop[0] - before[0]
            found = rgba_to_tuple(blended_colors(before[1], stop[1], (place - before[0]) / width if width else 0.0))
            break
        before = stop
    else:
        found = rgba_to_tuple(colorscale[-1][1])
    return _text([*found[:3], found[3] if alpha is None else alpha])


def weights_to_colors(weights: Sequence[float], colorscale: Scale, muted: bool = True) -> list[str]:
    """One colour per weight, from the least to the greatest."""
    low, high = min(weights, default=0.0), max(weights, default=1.0)
    colors = [sample_colorscale_rgba(colorscale, weight, low, high, alpha=None) for weight in weights]
    if not muted:
        return colors
    return [_text([*(part * 0.8 for part in rgba_to_tuple(color)[:3]), 0.6]) for color in colors]


def add_alpha_to_first_color(colorscale: Scale, alpha: float = 0.5) -> list[list[Any]]:
    first = rgba_to_tuple(colorscale[0][1])
    return [[colorscale[0][0], _text([*first[:3], alpha])], *([*stop] for stop in colorscale[1:])]


def remove_middle_colors(colorscale: Scale, min_threshold: float = 0.3, max_threshold: float = 0.7) -> list[list[Any]]:
    """Without the stops between the two; what is left keeps its place."""
    return [[*stop] for stop in colorscale if stop[0] <= min_threshold or stop[0] >= max_threshold]


def log_scaled_heatmap(counts: Any) -> tuple[Any, float, dict[str, Any]]:
    """Counts on a logarithmic scale, its upper end, and a colour bar that names the counts themselves."""
    import numpy as np

    numbers = np.asarray(counts, dtype=float)
    scaled = np.log10(numbers + 1)
    upper = float(scaled.max()) if scaled.size else 0.0
    highest = math.ceil(upper) if upper else 1
    marks = [mark for mark in (0, *(10**power for power in range(highest + 1))) if math.log10(mark + 1) <= max(upper, 0.31)]
    bar = {"tickvals": [math.log10(mark + 1) for mark in marks], "ticktext": [f"{mark:,}" for mark in marks], "outlinewidth": 0}
    return scaled, max(upper, 1e-9), bar
