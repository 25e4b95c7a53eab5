"""A graph: nodes and the edges between them."""

from __future__ import annotations

from typing import Any

from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["GraphPlot"]


class GraphPlot(PluginInterface):
    """Edges have an attribute `weight`; nodes may have `pos`, else they are laid out."""

    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.GRAPH

    def __init__(self) -> None:
        super().__init__()
        self.graph: Any = None

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        names = [f"{component_id}-{each}-dropdown" for each in ("label", "color")]
        choices = [dcc.Dropdown(id=name, className="dropdown", clearable=False, options=[], style={"flex": 1}) for name in names]
        self.container = html.Div(
            [
                dcc.Graph(id=f"{component_id}-graph", figure=self.display_text("Waiting for Data..."), clear_on_unhover=True),
                html.Div(choices, style={"display": "flex", "gap": "10px"}),
            ],
            id=component_id,
        )
        self.properties = [
            (f"{component_id}-graph", "figure"),
            *((name, "options") for name in names),
            *((name, "value") for name in names),
        ]
        self.signals = [(f"{component_id}-graph", "hoverData"), (f"{component_id}-graph", "clickData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        self.graph = data_object
        known = sorted({key for _, facts in data_object.nodes(data=True) for key in facts if key != "pos"})
        labels = known or ["id"]
        numbers = [key for key in known if all(_is_number(facts.get(key)) for _, facts in data_object.nodes(data=True))]
        colors = [*numbers, "degree"]
        label = kwargs.get("labels") if kwargs.get("labels") in labels else labels[0]
        color = kwargs.get("color") if kwargs.get("color") in colors else colors[0]
        return [self.figure(str(label), str(color)), labels, colors, label, color]

    def figure(self, label: str, color: str) -> Any:
        import networkx as nx
        import plotly.graph_objects as go

        graph = self.graph
        placed = nx.get_node_attributes(graph, "pos")
        if len(placed) < len(graph):
            placed = nx.spring_layout(graph, weight="weight", seed=42)
        heaviest = max((abs(facts.get("weight", 1.0)) for *_, facts in graph.edges(data=True)), default=1.0) or 1.0
        figure = self.theme_manager.figure()
        for one, other, facts in graph.edges(data=True):
            share = abs(facts.get("weight", 1.0)) / heaviest
            line = {"width": 0.5 + 3 * share, "color": f"rgba(128, 128, 160, {0.2 + 0.6 * share:.2f})"}
            x, y = zip(placed[one], placed[other], strict=True)
            figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False))
        nodes = list(graph.nodes(data=True))
        degree = dict(graph.degree())
        texts = [str(facts.get(label, node)) for node, facts in nodes]
        shades = [degree[node] if color == "degree" else facts.get(color) for node, facts in nodes]
        marker = {"size": 16, "color": shades, "colorscale": self.theme_manager.colorscale(), "showscale": True}
        across, up = ([placed[node][axis] for node, _ in nodes] for axis in (0, 1))
        hover = ["<br>".join([str(node), *(f"{key}: {value}" for key, value in facts.items() if key != "pos")]) for node, facts in nodes]
        drawn = go.Scatter(x=across, y=up, mode="markers+text", text=texts, textposition="top center", marker=marker, hovertext=hover)
        figure.add_trace(drawn.update(hoverinfo="text", showlegend=False, customdata=[[str(node)] for node, _ in nodes]))
        axis = {"visible": False}
        return figure.update_layout(xaxis=axis, yaxis=axis, height=500, margin={"l": 10, "r": 10, "t": 10, "b": 10})

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        quiet = [no_update] * (len(self.properties) - 1)
        if self.graph is None:
            return [self.display_text("Waiting for Data..."), *quiet]
        return [self.update_properties(self.graph)[0], *quiet]

    def register_internal_callbacks(self) -> None:
        from dash import Input, Output, callback, no_update

        @callback(  # type: ignore[untyped-decorator]
            Output(f"{self.component_id}-graph", "figure", allow_duplicate=True),
            Input(f"{self.component_id}-label-dropdown", "value"),
            Input(f"{self.component_id}-color-dropdown", "value"),
            prevent_initial_call=True,
        )
        def on_choice(label: str | None, color: str | None) -> Any:
            return no_update if self.graph is None or label is None or color is None else self.figure(label, color)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
