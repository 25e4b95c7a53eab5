"""How the numbers of a table are spread: one violin per column."""

from __future__ import annotations

from typing import Any

from .component_interface import ComponentInterface

__all__ = ["ViolinPlots"]

MOST = 60
COLUMNS = 8
# Letters that fit below one of so many plots in a row.
LONGEST_LABEL = 11


class ViolinPlots(ComponentInterface):
    """`update_properties` gives one figure, not a list."""

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.properties = [(component_id, "figure")]
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        return self.container

    def update_properties(
        self,
        data_object: Any,
        figure_args: dict[str, Any] | None = None,
        max_plots: int = MOST,
        xaxis_args: dict[str, Any] | None = None,
        yaxis_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        from ...utils.pandas_utils import subplot_positions
        from ...utils.plot_utils import short_name

        frame = data_object.smart_sample() if hasattr(data_object, "smart_sample") else data_object
        numbers = frame.select_dtypes("number").iloc[:, :max_plots]
        if numbers.shape[1] == 0:
            return self.display_text("No numeric columns")
        columns = min(COLUMNS, numbers.shape[1])
        rows = -(-numbers.shape[1] // columns)
        figure = make_subplots(rows=rows, cols=columns, vertical_spacing=min(0.1, 0.5 / rows))
        given = {"points": "all", "jitter": 0.3, "box_visible": True, "meanline_visible": True} | (figure_args or {})
        for name, (row, column) in zip(numbers.columns, subplot_positions(numbers, columns), strict=True):
            figure.add_trace(go.Violin(y=numbers[name], name=str(name), showlegend=False, **given), row=row, col=column)
        self.theme_manager.apply_template(figure)
        for name, (row, column) in zip(numbers.columns, subplot_positions(numbers, columns), strict=True):
            label = short_name(name, LONGEST_LABEL)
            figure.update_xaxes(tickvals=[str(name)], ticktext=[label], tickfont={"size": 10}, row=row, col=column)
        figure.update_xaxes(**(xaxis_args or {}))
        figure.update_yaxes(**(yaxis_args or {}))
        return figure.update_layout(height=140 * rows + 60, margin={"l": 10, "r": 10, "t": 10, "b": 10})
