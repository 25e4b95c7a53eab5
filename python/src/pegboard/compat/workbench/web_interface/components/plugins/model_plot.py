"""A model's predictions: points for numbers, confusion for classes."""

from __future__ import annotations

from typing import Any

from ....core.artifacts.model_core import ModelType
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage
from .confusion_explorer import ConfusionExplorer
from .scatter_plot import ScatterPlot

__all__ = ["ModelPlot"]

SHOWN = {"display": "block"}
HIDDEN = {"display": "none"}


class ModelPlot(PluginInterface):
    """`scatter_plot` and `confusion_explorer` may be replaced by those who derive from it."""

    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self) -> None:
        super().__init__()
        self.scatter_plot: Any = ScatterPlot()
        self.confusion_explorer: Any = ConfusionExplorer()

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import html

        self.component_id = component_id
        scatter = self.scatter_plot.create_component(f"{component_id}-scatter")
        confusion = self.confusion_explorer.create_component(f"{component_id}-confusion")
        self.container = html.Div(
            [
                html.Div(scatter, id=f"{component_id}-scatter-container", style=SHOWN),
                html.Div(confusion, id=f"{component_id}-confusion-container", style=HIDDEN),
            ],
            id=component_id,
        )
        self.properties = [
            (f"{component_id}-scatter-container", "style"),
            (f"{component_id}-confusion-container", "style"),
            *self.scatter_plot.properties,
            *self.confusion_explorer.properties,
        ]
        self.signals = [*self.scatter_plot.signals, *self.confusion_explorer.signals]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        from dash import no_update

        run = kwargs.get("inference_run") or "default"
        if data_object.model_type == ModelType.CLASSIFIER:
            quiet = [no_update] * len(self.scatter_plot.properties)
            return [HIDDEN, SHOWN, *quiet, *self.confusion_explorer.update_properties(data_object, inference_run=run)]
        quiet = [no_update] * len(self.confusion_explorer.properties)
        frame = data_object.get_inference_predictions(run)
        target = data_object.target()
        target = target[0] if isinstance(target, list) else target
        color = None
        if frame is not None:
            color = next((name for name in ("prediction_std", "confidence", "residual") if name in frame.columns), None)
        drawn = self.scatter_plot.update_properties(frame, x=target, y="prediction", color=color, regression_line=True)
        return [SHOWN, HIDDEN, *drawn, *quiet]

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        return [no_update, no_update, *self.scatter_plot.set_theme(theme), *self.confusion_explorer.set_theme(theme)]

    def register_internal_callbacks(self) -> None:
        self.scatter_plot.register_internal_callbacks()
        self.confusion_explorer.register_internal_callbacks()
