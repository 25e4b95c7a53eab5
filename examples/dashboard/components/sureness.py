"""A panel of the page Models: can one trust a prediction more when the model is surer?

For a classifier: how many rows are left, and how many of them are right, when only predictions above a confidence count. For a
regressor: which share of the rows is off by no more than so much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from dash import Input, Output, callback, dcc, html, no_update
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage

STEPS = np.round(np.linspace(0, 1, 51), 2)
START = 0.8


class Sureness(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id: str) -> html.Div:
        self.component_id = component_id
        self.curve = pd.DataFrame()
        self.threshold = START
        self.properties = [(f"{component_id}-graph", "figure"), (f"{component_id}-verdict", "children")]
        marks = {step / 10: f"{step * 10} %" for step in range(0, 11, 2)}
        return html.Div(
            [
                html.H5("How sure, how right?"),
                dcc.Graph(id=f"{component_id}-graph", figure=self.display_text("Waiting for a model"), style={"height": "280px"}),
                dcc.Slider(0, 1, 0.02, value=START, marks=marks, id=f"{component_id}-threshold", className="confidence-slider"),
                html.Div(id=f"{component_id}-verdict", className="text-center"),
            ],
            id=component_id,
        )

    def update_properties(self, model: Any, **kwargs: Any) -> list[Any]:
        run = kwargs.get("inference_run") or model.default_inference_run()
        frame = model.get_inference_predictions(run) if run else None
        self.curve = curve_of(frame, model.target())
        if self.curve.empty:
            return [self.display_text("No predictions to judge"), ""]
        return [self.figure(), self.verdict(self.threshold)]

    def register_internal_callbacks(self) -> None:
        @callback(
            Output(f"{self.component_id}-verdict", "children", allow_duplicate=True),
            Input(f"{self.component_id}-threshold", "value"),
            prevent_initial_call=True,
        )
        def on_threshold(threshold: float) -> Any:
            self.threshold = threshold
            return no_update if self.curve.empty else self.verdict(threshold)

    def set_theme(self, theme: str) -> list[Any]:
        return [no_update if self.curve.empty else self.figure(), no_update]

    def figure(self) -> go.Figure:
        figure = self.theme_manager.figure()
        for name in ("rows", "right"):
            if name in self.curve:
                figure.add_scatter(x=self.curve["at"], y=self.curve[name], name=LABELS[name], mode="lines")
        figure.update_layout(
            xaxis_title=self.curve.attrs["axis"],
            yaxis={"tickformat": ".0%", "range": [0, 1.03]},
            margin={"l": 50, "r": 10, "t": 10, "b": 40},
            legend={"orientation": "h", "y": 1.2},
        )
        return figure

    def verdict(self, threshold: float) -> str:
        """What the slider's place means."""
        last = float(self.curve["at"].max())
        at = threshold if "right" in self.curve else threshold * last
        row = self.curve.iloc[(self.curve["at"] - at).abs().argmin()]
        if "right" not in self.curve:
            return f"{row['rows']:.0%} of the rows are off by at most {row['at']:.3g}"
        if row["rows"] == 0:
            return f"No prediction is as sure as {threshold:.0%}"
        return f"At least {threshold:.0%} sure: {row['rows']:.0%} of the rows, of which {row['right']:.1%} are right"


LABELS = {"rows": "rows", "right": "right among them"}


def curve_of(frame: pd.DataFrame | None, target: Any) -> pd.DataFrame:
    """Shares by threshold; empty when the predictions do not say enough."""
    if frame is None or not isinstance(target, str) or not {target, "prediction"} <= set(frame.columns):
        return pd.DataFrame()
    if "confidence" in frame:
        sure, right = frame["confidence"].to_numpy(float), (frame[target].astype(str) == frame["prediction"].astype(str)).to_numpy()
        kept = [sure >= step for step in STEPS]
        found = pd.DataFrame(
            {"at": STEPS, "rows": [each.mean() for each in kept], "right": [right[each].mean() if each.any() else None for each in kept]}
        )
        found.attrs["axis"] = "least confidence"
        return found
    if not pd.api.types.is_numeric_dtype(frame[target]):
        return pd.DataFrame()
    error = (frame[target] - frame["prediction"]).abs().dropna().to_numpy()
    if not len(error):
        return pd.DataFrame()
    places = np.linspace(0, error.max(), len(STEPS))
    found = pd.DataFrame({"at": places, "rows": [(error <= place).mean() for place in places]})
    found.attrs["axis"] = f"error of {target}"
    return found


if __name__ == "__main__":
    from workbench.web_interface.components.plugin_unit_test import PluginUnitTest

    PluginUnitTest(Sureness).run()
