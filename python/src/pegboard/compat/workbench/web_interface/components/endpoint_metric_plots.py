"""What was measured of an endpoint, one line per measure."""

from __future__ import annotations

from typing import Any

from .component_interface import ComponentInterface

__all__ = ["EndpointMetricPlots"]

COLUMNS = 2


class EndpointMetricPlots(ComponentInterface):
    """`update_properties` takes an endpoint, its details or its metrics, and gives one figure, not a list."""

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.properties = [(component_id, "figure")]
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> Any:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        from ...utils.pandas_utils import subplot_positions

        frame = data_object
        if hasattr(data_object, "endpoint_metrics"):
            frame = data_object.endpoint_metrics()
        elif isinstance(data_object, dict):
            frame = data_object.get("endpoint_metrics")
        if frame is None or "timestamps" not in frame.columns:
            return self.display_text("No Metrics", figure_height=200)
        measures = frame.drop(columns="timestamps")
        rows = -(-measures.shape[1] // COLUMNS)
        figure = make_subplots(rows=rows, cols=COLUMNS, subplot_titles=list(measures.columns))
        for name, (row, column) in zip(measures.columns, subplot_positions(measures, COLUMNS), strict=True):
            line = go.Scatter(x=frame["timestamps"], y=measures[name], fill="tozeroy", name=name, showlegend=False)
            figure.add_trace(line, row=row, col=column)
        self.theme_manager.apply_template(figure)
        return figure.update_layout(height=200 * rows + 40, margin={"l": 10, "r": 10, "t": 30, "b": 10})
