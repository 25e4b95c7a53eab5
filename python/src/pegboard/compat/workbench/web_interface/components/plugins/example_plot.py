"""A pie, to begin with."""

from __future__ import annotations

from typing import Any

from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ExamplePlot"]


class ExamplePlot(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        self.properties = [(component_id, "figure")]
        self.signals = [(component_id, "hoverData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """How many of the model's predictions are of each class, or in each quarter of their range."""
        import pandas as pd
        import plotly.graph_objects as go

        frame = data_object.get_inference_predictions(kwargs.get("inference_run") or "default")
        if frame is None or "prediction" not in frame.columns:
            return [self.display_text("No Predictions")]
        predictions = frame["prediction"]
        if predictions.dtype.kind in "iuf" and predictions.nunique() > 10:
            predictions = pd.cut(predictions, 4).astype(str)
        counts = predictions.value_counts()
        return [self.theme_manager.figure(data=go.Pie(labels=[str(name) for name in counts.index], values=counts.to_numpy()))]
