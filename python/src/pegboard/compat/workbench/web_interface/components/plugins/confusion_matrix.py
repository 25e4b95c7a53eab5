"""Which classes a model takes for which."""

from __future__ import annotations

from typing import Any

from ....utils.color_utils import log_scaled_heatmap
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ConfusionMatrix"]


class ConfusionMatrix(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self, height: int | None = None, scroll_zoom: bool = False, log_colorscale: bool = False) -> None:
        super().__init__()
        self.height = height
        self.scroll_zoom = scroll_zoom
        self.log_colorscale = log_colorscale
        self.matrix: Any = None

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        waiting = self.display_text("Waiting for Data...")
        self.container = dcc.Graph(id=component_id, figure=waiting, config={"scrollZoom": self.scroll_zoom})
        self.properties = [(component_id, "figure")]
        self.signals = [(component_id, "clickData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """Takes a model, with `inference_run`, or a matrix."""
        frame = data_object
        if hasattr(data_object, "confusion_matrix"):
            frame = data_object.confusion_matrix(kwargs.get("inference_run") or "default")
        self.matrix = None if frame is None else _by_label(frame)
        return [self._figure()]

    def set_theme(self, theme: str) -> list[Any]:
        return [self._figure()]

    def _figure(self) -> Any:
        import plotly.graph_objects as go

        if self.matrix is None:
            return self.display_text("No Confusion Matrix")
        labels = list(self.matrix.index)
        counts = self.matrix.to_numpy()
        options: dict[str, Any] = {"z": counts}
        if self.log_colorscale:
            scaled, highest, bar = log_scaled_heatmap(counts)
            options = {"z": scaled, "zmin": 0, "zmax": highest, "colorbar": bar}
        heat = go.Heatmap(
            x=[str(name) for name in self.matrix.columns],
            y=[str(label) for label in labels],
            text=counts,
            texttemplate="%{text}",
            hovertemplate="actual %{y}<br>predicted %{x}<br>%{text} rows<extra></extra>",
            colorscale=self.theme_manager.colorscale("heatmap"),
            xgap=2,
            ygap=2,
            **options,
        )
        figure = self.theme_manager.figure(data=heat)
        figure.update_xaxes(title="Predicted", type="category", side="bottom")
        figure.update_yaxes(title="Actual", type="category", autorange="reversed")
        return figure.update_layout(height=self.height, margin={"l": 60, "r": 20, "t": 20, "b": 60})


def _by_label(frame: Any) -> Any:
    """Rows by their label: from the column `labels`, or, in old data, from the index."""
    return frame.set_index("labels") if "labels" in frame.columns else frame
