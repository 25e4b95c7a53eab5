"""Whether the targets of a model with several of them go together."""

from __future__ import annotations

from typing import Any

from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["MultiTaskAlignmentMap"]


class MultiTaskAlignmentMap(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        self.properties = [(component_id, "figure")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """Rank correlation of the targets over the rows of the run."""
        import plotly.graph_objects as go

        targets = data_object.target()
        frame = data_object.get_inference_predictions(kwargs.get("inference_run") or "default")
        names = [name for name in targets if frame is not None and name in frame.columns] if isinstance(targets, list) else []
        if len(names) < 2:
            return [self.display_text("A model with several targets is needed")]
        # Of the ranks, so that no further library is needed.
        related = frame[names].rank().corr()
        heat = go.Heatmap(z=related.to_numpy(), x=names, y=names, zmin=-1, zmax=1, text=related.round(2).to_numpy(), texttemplate="%{text}")
        heat.colorscale = self.theme_manager.colorscale("diverging")
        return [self.theme_manager.figure(data=heat)]
