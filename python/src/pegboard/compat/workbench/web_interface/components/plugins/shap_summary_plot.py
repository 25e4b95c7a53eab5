"""What each feature adds to the predictions: a swarm of points per feature, coloured by its value."""

from __future__ import annotations

from typing import Any

from ....utils.plot_utils import beeswarm_offsets, short_name
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ShapSummaryPlot"]

PLAIN_POINTS = 1000
FEATURES = 10
# Letters of a feature's name, with one plot and with several side by side.
LONGEST_ALONE = 30
LONGEST_LABEL = 13


class ShapSummaryPlot(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = None

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.container = dcc.Graph(id=component_id, figure=self.display_text("Waiting for Data..."))
        self.properties = [(component_id, "figure")]
        self.signals = [(component_id, "hoverData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        self.model = data_object
        return [self._figure()]

    def set_theme(self, theme: str) -> list[Any]:
        return [self.display_text("Waiting for Data...") if self.model is None else self._figure()]

    def _figure(self) -> Any:
        from plotly.subplots import make_subplots

        found = self.model.shap_values()
        if found is None:
            return self.display_text("No SHAP Values")
        values = self.model.shap_feature_values()
        by_label = found if isinstance(found, dict) else {"": found}
        # Room for the names between the plots.
        spacing = min(0.13, 0.5 / len(by_label))
        titles = [str(label) for label in by_label]
        figure = make_subplots(rows=1, cols=len(by_label), subplot_titles=titles, horizontal_spacing=spacing)
        for column, frame in enumerate(by_label.values(), start=1):
            longest = LONGEST_ALONE if len(by_label) == 1 else LONGEST_LABEL
            self._swarm(figure, frame.drop(columns="bias", errors="ignore"), values, column, longest)
        self.theme_manager.apply_template(figure)
        return figure.update_layout(height=420, showlegend=False, margin={"l": 20, "r": 20, "t": 40, "b": 40})

    def _swarm(self, figure: Any, frame: Any, values: Any, column: int, longest: int) -> None:
        import plotly.graph_objects as go

        identity = frame.columns[0]
        strength = frame.drop(columns=identity).abs().mean().sort_values(ascending=False)
        features = [str(name) for name in strength.index[:FEATURES]][::-1]
        by_id = None if values is None or identity not in values.columns else values.drop_duplicates(identity).set_index(identity)
        for row, name in enumerate(features):
            colors = None
            if by_id is not None and name in by_id.columns and by_id[name].dtype.kind in "iufb":
                colors = frame[identity].map(by_id[name].astype(float).rank(pct=True))
            marker = {"size": 5, "color": colors, "colorscale": self.theme_manager.colorscale("diverging"), "cmin": 0, "cmax": 1}
            # Not every browser has WebGL, and few points need none.
            points = (go.Scatter if len(frame) <= PLAIN_POINTS else go.Scattergl)(
                x=frame[name],
                y=row + beeswarm_offsets(frame[name]),
                mode="markers",
                marker=marker,
                name=name,
                customdata=frame[[identity]].to_numpy(),
                hovertemplate=f"{name}: %{{x:.3f}}<br>{identity}: %{{customdata[0]}}<extra></extra>",
            )
            figure.add_trace(points, row=1, col=column)
        labels = [short_name(name, longest) for name in features]
        figure.update_yaxes(tickvals=list(range(len(features))), ticktext=labels, tickfont={"size": 10}, row=1, col=column)
        figure.update_xaxes(title="SHAP value", row=1, col=column)
