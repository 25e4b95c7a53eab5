"""A confusion matrix and the triangle of its classes: a cell, or a least confidence, chooses the points."""

from __future__ import annotations

from typing import Any

from ..plugin_interface import PluginInputType, PluginInterface, PluginPage
from .confusion_matrix import ConfusionMatrix
from .confusion_triangle import ConfusionTriangle

__all__ = ["ConfusionExplorer"]


class ConfusionExplorer(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self) -> None:
        super().__init__()
        self.matrix = ConfusionMatrix(height=400)
        self.triangle = ConfusionTriangle(height=400)

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        import dash_bootstrap_components as dbc
        from dash import dcc, html

        self.component_id = component_id
        matrix = self.matrix.create_component(f"{component_id}-matrix")
        triangle = self.triangle.create_component(f"{component_id}-triangle")
        slider = dcc.Slider(id=f"{component_id}-confidence-slider", className="confidence-slider", min=0, max=1, value=0, step=0.01)
        self.container = html.Div(
            [
                dbc.Row([dbc.Col(matrix, xs=12, md=6), dbc.Col(triangle, xs=12, md=6)]),
                html.Div([html.Label("Least confidence"), slider]),
                dcc.Store(id=f"{component_id}-selected-cell"),
            ],
            id=component_id,
        )
        self.properties = [
            *self.matrix.properties,
            *self.triangle.properties,
            *((f"{component_id}-confidence-slider", name) for name in ("marks", "min", "value")),
        ]
        self.signals = [*self.matrix.signals, *self.triangle.signals]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        values = [*self.matrix.update_properties(data_object, **kwargs), *self.triangle.update_properties(data_object, **kwargs)]
        least = self._least_confidence()
        marks = {str(round(least + (1 - least) * step / 4, 2)): str(round(least + (1 - least) * step / 4, 2)) for step in range(5)}
        return [*values, marks, least, least]

    def _least_confidence(self) -> float:
        frame = self.triangle.df
        if frame is None or "confidence" not in frame.columns or frame["confidence"].isna().all():
            return 0.0
        return max(0.0, round(float(frame["confidence"].min()) - 0.005, 2))

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        return [*self.matrix.set_theme(theme), *self.triangle.set_theme(theme), no_update, no_update, no_update]

    def register_internal_callbacks(self) -> None:
        from dash import Input, Output, State, callback, clientside_callback

        self.triangle.register_internal_callbacks()
        cell = f"{self.component_id}-selected-cell"
        clientside_callback(
            """function(click, before) {
    if (!click || !click.points || !click.points.length) { return dash_clientside.no_update; }
    const cell = {actual: click.points[0].y, predicted: click.points[0].x};
    return before && before.actual === cell.actual && before.predicted === cell.predicted ? null : cell;
}""",
            Output(cell, "data"),
            Input(f"{self.component_id}-matrix", "clickData"),
            State(cell, "data"),
            prevent_initial_call=True,
        )

        @callback(  # type: ignore[untyped-decorator]
            Output(f"{self.component_id}-triangle-graph", "figure", allow_duplicate=True),
            Input(cell, "data"),
            Input(f"{self.component_id}-confidence-slider", "value"),
            State(f"{self.component_id}-triangle-color-dropdown", "value"),
            prevent_initial_call=True,
        )
        def on_choice(chosen: dict[str, str] | None, least: float | None, color: str | None) -> Any:
            return self.chosen_figure(chosen, least, color)

    def chosen_figure(self, cell: dict[str, str] | None, least: float | None, color: str | None) -> Any:
        """The triangle with the points of a cell that are sure enough."""
        from dash import no_update

        triangle = self.triangle
        if triangle.df is None or len(triangle.labels) < 3:
            return no_update
        frame = triangle.df
        if least and "confidence" in frame.columns:
            frame = frame[frame["confidence"] >= least]
        if cell and triangle.target in frame.columns:
            is_cell = (frame[triangle.target].astype(str) == cell["actual"]) & (frame["prediction"].astype(str) == cell["predicted"])
            frame = frame[is_cell]
        return triangle.figure(color if color in frame.columns else None, frame)
