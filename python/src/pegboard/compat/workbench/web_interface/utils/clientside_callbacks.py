"""JavaScript for callbacks in the browser; the graph's id is in it as text."""

from __future__ import annotations

import json

__all__ = ["circle_overlay_callback", "external_highlight_callback", "hover_ring_overlay_callback"]

FIND = """const holder = document.getElementById(%(graph)s);
    const plot = holder && holder.querySelector(".js-plotly-plot");
    if (!plot || !plot.data) { return dash_clientside.no_update; }"""
RING = """const draw = (x, y) => {
        const index = plot.data.findIndex((trace) => trace.name === %(name)s);
        const ring = {x: [x], y: [y], mode: "markers", name: %(name)s, showlegend: false, hoverinfo: "skip",
            marker: {symbol: "circle-open", size: 20, color: "rgba(255, 255, 255, 0.9)", line: {width: 3}}};
        if (index >= 0) { window.Plotly.restyle(plot, {x: [[x]], y: [[y]]}, [index]); } else { window.Plotly.addTraces(plot, ring); }
    };"""


def hover_ring_overlay_callback(graph_id: str, overlay_name: str = "__hover_overlay__") -> str:
    """A ring around the point that the pointer is on; takes `hoverData`."""
    words = {"graph": json.dumps(graph_id), "name": json.dumps(overlay_name)}
    return (
        "function(hover) {\n    "
        + FIND % words
        + "\n    if (!hover || !hover.points || !hover.points.length) { return dash_clientside.no_update; }\n    "
        + RING % words
        + "\n    draw(hover.points[0].x, hover.points[0].y);\n    return dash_clientside.no_update;\n}"
    )


def external_highlight_callback(graph_id: str) -> str:
    """A ring around the point whose first piece of `customdata` is the given id; takes that id."""
    words = {"graph": json.dumps(graph_id), "name": json.dumps("__highlight_overlay__")}
    return (
        "function(wanted) {\n    "
        + FIND % words
        + "\n    "
        + RING % words
        + """
    for (const trace of plot.data) {
        const position = (trace.customdata || []).findIndex((each) => String(Array.isArray(each) ? each[0] : each) === String(wanted));
        if (position >= 0) { draw(trace.x[position], trace.y[position]); break; }
    }
    return dash_clientside.no_update;
}"""
    )


# As it was called before.
circle_overlay_callback = hover_ring_overlay_callback
