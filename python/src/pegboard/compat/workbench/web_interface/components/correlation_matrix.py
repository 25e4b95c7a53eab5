"""Which numbers of a table go together."""

from __future__ import annotations

from typing import Any

from .component_interface import ComponentInterface

__all__ = ["CorrelationMatrix"]

MOST = 30
WEAK = 0.2


class CorrelationMatrix(ComponentInterface):
    """`update_properties` takes `correlations()` or the details of a table, and gives one figure, not a list."""

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.properties = [(component_id, "figure")]
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> Any:
        import numpy as np
        import plotly.graph_objects as go

        related = _correlations(data_object)
        strength = {name: max((abs(each) for each in others.values()), default=0.0) for name, others in related.items()}
        names = sorted((name for name in related if strength[name] >= WEAK), key=lambda name: -strength[name])[:MOST]
        if len(names) < 2:
            return self.display_text("No Correlations")
        grid = np.array([[related[row].get(column, np.nan) for column in names] for row in names])
        np.fill_diagonal(grid, 1.0)
        heat = go.Heatmap(z=grid, x=names, y=names, zmin=-1, zmax=1, colorscale=self.theme_manager.colorscale("diverging"))
        figure = self.theme_manager.figure(data=heat)
        figure.update_yaxes(autorange="reversed")
        return figure.update_layout(height=max(400, 22 * len(names) + 120), margin={"l": 10, "r": 10, "t": 20, "b": 10})


def _correlations(said: Any) -> dict[str, dict[str, float]]:
    if hasattr(said, "correlations"):
        return dict(said.correlations())
    if "column_stats" in said:
        return {name: stats["correlations"] for name, stats in said["column_stats"].items() if "correlations" in stats}
    return dict(said)
