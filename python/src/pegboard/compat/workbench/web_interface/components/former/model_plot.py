"""The plot of a model when it was one figure: a confusion matrix, or predictions against targets."""

from __future__ import annotations

from typing import Any

from ....core.artifacts.model_core import ModelType
from ..component_interface import ComponentInterface
from ..plugins.confusion_matrix import ConfusionMatrix

__all__ = ["ModelPlot"]


class ModelPlot(ComponentInterface):
    """`update_properties` returns the figure, not a list."""

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.properties = [(component_id, "figure")]
        return dcc.Graph(id=component_id, figure=self.display_text("Waiting for data"))

    def update_properties(self, data_object: Any, inference_run: str | None = None, **kwargs: Any) -> Any:
        run = inference_run or data_object.default_inference_run()
        if data_object.model_type == ModelType.CLASSIFIER:
            return ConfusionMatrix().update_properties(data_object, inference_run=run)[0]
        return self._predictions(data_object, run)

    def _predictions(self, model: Any, run: str | None) -> Any:
        import plotly.graph_objects as go

        target = model.target()
        frame = None if run is None else model.get_inference_predictions(run)
        if frame is None or not isinstance(target, str) or target not in frame or "prediction" not in frame:
            return self.display_text("No predictions")
        ends = [min(frame[target].min(), frame["prediction"].min()), max(frame[target].max(), frame["prediction"].max())]
        figure = self.theme_manager.figure(
            [
                go.Scattergl(x=frame[target], y=frame["prediction"], mode="markers", name="predictions"),
                go.Scatter(x=ends, y=ends, mode="lines", line={"dash": "dot"}, name="exact"),
            ]
        )
        return figure.update_layout(xaxis_title=target, yaxis_title=f"prediction of {target}", showlegend=False)
