"""A panel of the page Models: one metric of a model, for all its runs side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from dash import Input, Output, callback, dcc, html, no_update
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage

# Columns of a table of metrics that are none.
NOT_METRICS = ("run", "group", "support")


class RunMetrics(PluginInterface):
    """A dropdown chooses the metric; classifiers have a bar per class and run, other models one per run."""

    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id: str) -> html.Div:
        self.component_id = component_id
        self.table = pd.DataFrame()
        self.metric: str | None = None
        self.properties = [
            (f"{component_id}-metric", "options"),
            (f"{component_id}-metric", "value"),
            (f"{component_id}-graph", "figure"),
        ]
        self.signals = [(f"{component_id}-graph", "clickData")]
        return html.Div(
            [
                html.H5("Metrics of all runs"),
                dcc.Dropdown(id=f"{component_id}-metric", clearable=False, className="dropdown"),
                dcc.Graph(id=f"{component_id}-graph", figure=self.display_text("Waiting for a model"), style={"height": "320px"}),
            ],
            id=component_id,
        )

    def update_properties(self, model: Any, **kwargs: Any) -> list[Any]:
        self.table = metrics_of(model)
        names = [name for name in self.table.columns if name not in NOT_METRICS]
        if not names:
            self.metric = None
            return [[], None, self.display_text("This model has no metrics")]
        if self.metric not in names:
            self.metric = "f1" if "f1" in names else names[0]
        return [names, self.metric, self.figure(self.metric)]

    def register_internal_callbacks(self) -> None:
        @callback(
            Output(f"{self.component_id}-graph", "figure", allow_duplicate=True),
            Input(f"{self.component_id}-metric", "value"),
            prevent_initial_call=True,
        )
        def on_metric(metric: str | None) -> Any:
            if metric is None or metric not in self.table.columns:
                return no_update
            self.metric = metric
            return self.figure(metric)

    def set_theme(self, theme: str) -> list[Any]:
        return [no_update, no_update, no_update if self.metric is None else self.figure(self.metric)]

    def figure(self, metric: str) -> go.Figure:
        """Groups along the axis, a colour per run."""
        figure = self.theme_manager.figure()
        for run, rows in self.table.groupby("run", sort=False):
            values = rows[metric]
            figure.add_bar(x=rows["group"], y=values, name=str(run), text=values.map("{:.3f}".format), textposition="auto")
        figure.update_layout(
            barmode="group", yaxis_title=metric, margin={"l": 50, "r": 10, "t": 10, "b": 30}, legend={"orientation": "h", "y": 1.15}
        )
        # Classes may be called 0 to 9.
        figure.update_xaxes(type="category")
        return figure


def metrics_of(model: Any) -> pd.DataFrame:
    """Rows of all runs, with the columns `run` and `group`: a class, or the word `all`."""
    tables = []
    for run in model.list_inference_runs():
        found = model.get_inference_metrics(run)
        if found is None or found.empty:
            continue
        found = found.reset_index(drop=True)
        texts = [name for name in found.columns if not pd.api.types.is_numeric_dtype(found[name])]
        group = found[texts[0]].astype(str) if texts else pd.Series(["all"] * len(found))
        tables.append(found.drop(columns=texts).assign(run=run, group=group))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


if __name__ == "__main__":
    from workbench.web_interface.components.plugin_unit_test import PluginUnitTest

    PluginUnitTest(RunMetrics).run()
