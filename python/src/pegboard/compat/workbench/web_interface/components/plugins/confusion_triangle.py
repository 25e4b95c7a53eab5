"""Probabilities of three classes as points in a triangle."""

from __future__ import annotations

from typing import Any

from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ConfusionTriangle"]


class ConfusionTriangle(PluginInterface):
    """With more than three classes, the three that are predicted most."""

    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self, height: int = 400) -> None:
        super().__init__()
        self.height = height
        self.df: Any = None
        self.labels: list[str] = []
        self.target: str | None = None

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        waiting = self.display_text("Waiting for Data...", figure_height=self.height)
        dropdown = dcc.Dropdown(id=f"{component_id}-color-dropdown", className="dropdown", clearable=False, options=[])
        self.container = html.Div([dcc.Graph(id=f"{component_id}-graph", figure=waiting), dropdown], id=component_id)
        self.properties = [
            (f"{component_id}-graph", "figure"),
            (f"{component_id}-color-dropdown", "options"),
            (f"{component_id}-color-dropdown", "value"),
        ]
        self.signals = [(f"{component_id}-graph", "hoverData"), (f"{component_id}-graph", "clickData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        run = kwargs.get("inference_run") or "default"
        self.df = data_object.get_inference_predictions(run)
        self.target = data_object.target()
        self.labels = self._corners(data_object.class_labels())
        if len(self.labels) < 3:
            return [self.display_text("Three classes with probabilities are needed", figure_height=self.height), [], None]
        colors = [name for name in (self.target, "prediction", "confidence", "residual") if name in self.df.columns]
        return [self.figure(colors[0] if colors else None), colors, colors[0] if colors else None]

    def _corners(self, labels: list[str] | None) -> list[str]:
        if self.df is None:
            return []
        known = labels or [str(name)[: -len("_proba")] for name in self.df.columns if str(name).endswith("_proba")]
        found = [str(label) for label in known if f"{label}_proba" in self.df.columns]
        if len(found) <= 3 or "prediction" not in self.df.columns:
            return found[:3] if len(found) >= 3 else []
        counts = self.df["prediction"].astype(str).value_counts()
        most = sorted(found, key=lambda label: -int(counts.get(label, 0)))[:3]
        return [label for label in found if label in most]

    def figure(self, color: str | None, chosen: Any = None) -> Any:
        """`chosen`: only these rows."""
        import plotly.graph_objects as go

        frame = self.df if chosen is None else chosen
        figure = self.theme_manager.figure()
        is_number = color is not None and frame[color].dtype.kind in "iuf"
        parts = (
            [(None, frame)] if color is None or is_number else [(str(value), part) for value, part in frame.groupby(color, observed=True)]
        )
        for name, part in parts:
            marker: dict[str, Any] = {"size": 8, "opacity": 0.8}
            if is_number:
                marker |= {"color": part[color], "colorscale": self.theme_manager.colorscale(), "showscale": True}
            corners = dict(zip("abc", (part[f"{label}_proba"] for label in self.labels), strict=True))
            points = go.Scatterternary(mode="markers", marker=marker, name=name, customdata=part.iloc[:, :1].to_numpy(), **corners)
            figure.add_trace(points)
        axes = {f"{axis}axis": {"title": {"text": label}} for axis, label in zip("abc", self.labels, strict=True)}
        return figure.update_layout(ternary={"sum": 1, **axes}, height=self.height, margin={"l": 60, "r": 60, "t": 40, "b": 40})

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        if self.df is None or len(self.labels) < 3:
            return [self.display_text("Waiting for Data...", figure_height=self.height), no_update, no_update]
        color = self.target if self.target in self.df.columns else None
        return [self.figure(color), no_update, no_update]

    def register_internal_callbacks(self) -> None:
        from dash import Input, Output, callback, no_update

        @callback(  # type: ignore[untyped-decorator]
            Output(f"{self.component_id}-graph", "figure", allow_duplicate=True),
            Input(f"{self.component_id}-color-dropdown", "value"),
            prevent_initial_call=True,
        )
        def on_color(color: str | None) -> Any:
            known = self.df is not None and len(self.labels) == 3 and color in self.df.columns
            return self.figure(color) if known else no_update
