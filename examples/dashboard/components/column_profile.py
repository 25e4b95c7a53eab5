"""Panels of the pages Data Sources and Feature Sets: one column, its values and what is odd about it.

The second class is the first one on another page: a panel may derive from a panel.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from dash import Input, Output, callback, dcc, html, no_update
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage

# Rows that are looked at; a table may have any number.
SAMPLE = 2000
MOST_BARS = 30


class DataSourceProfile(PluginInterface):
    auto_load_page = PluginPage.DATA_SOURCE
    plugin_input_type = PluginInputType.DATA_SOURCE

    def create_component(self, component_id: str) -> html.Div:
        self.component_id = component_id
        self.sample = pd.DataFrame()
        self.column: str | None = None
        self.properties = [
            (f"{component_id}-column", "options"),
            (f"{component_id}-column", "value"),
            (f"{component_id}-graph", "figure"),
            (f"{component_id}-words", "children"),
        ]
        return html.Div(
            [
                html.H5("Profile of a column"),
                dcc.Dropdown(id=f"{component_id}-column", clearable=False, className="dropdown"),
                dcc.Graph(id=f"{component_id}-graph", figure=self.display_text("Waiting for a table"), style={"height": "280px"}),
                dcc.Markdown(id=f"{component_id}-words"),
            ],
            id=component_id,
        )

    def update_properties(self, source: Any, **kwargs: Any) -> list[Any]:
        self.sample = source.sample(SAMPLE)
        names = list(self.sample.columns)
        if not names:
            self.column = None
            return [[], None, self.display_text("This table has no columns"), ""]
        # What was chosen stays, if the other table has it, too.
        self.column = self.column if self.column in names else names[0]
        return [names, self.column, self.figure(self.column), self.words(self.column)]

    def register_internal_callbacks(self) -> None:
        @callback(
            Output(f"{self.component_id}-graph", "figure", allow_duplicate=True),
            Output(f"{self.component_id}-words", "children", allow_duplicate=True),
            Input(f"{self.component_id}-column", "value"),
            prevent_initial_call=True,
        )
        def on_column(column: str | None) -> Any:
            if column not in self.sample.columns:
                return no_update, no_update
            self.column = column
            return self.figure(column), self.words(column)

    def set_theme(self, theme: str) -> list[Any]:
        return [no_update, no_update, no_update if self.column is None else self.figure(self.column), no_update]

    def figure(self, column: str) -> go.Figure:
        """A histogram of numbers, bars of anything else."""
        values = self.sample[column].dropna()
        if is_measured(values):
            figure = self.theme_manager.figure(go.Histogram(x=values, nbinsx=40, name=column))
        else:
            counts = values.astype(str).value_counts().head(MOST_BARS)
            figure = self.theme_manager.figure(go.Bar(x=counts.index, y=counts.to_numpy(), name=column))
        return figure.update_layout(xaxis_title=column, yaxis_title="rows", bargap=0.05, margin={"l": 50, "r": 10, "t": 10, "b": 40})

    def words(self, column: str) -> str:
        """The same in Markdown."""
        values = self.sample[column]
        known = values.dropna()
        lines = [f"- **{known.nunique():,}** different values in {len(values):,} rows", f"- **{values.isna().mean():.1%}** missing"]
        if is_measured(known) and len(known):
            low, middle, high = known.quantile([0.25, 0.5, 0.75])
            far = ((known < low - 1.5 * (high - low)) | (known > high + 1.5 * (high - low))).sum()
            lines += [f"- from **{known.min():.4g}** to **{known.max():.4g}**, median **{middle:.4g}**", f"- **{far:,}** far from the rest"]
        elif len(known):
            first = known.astype(str).value_counts()
            lines.append(f"- most frequent: **{first.index[0]}** ({first.iloc[0] / len(known):.0%})")
        return "\n".join(lines)


class FeatureSetProfile(DataSourceProfile):
    auto_load_page = PluginPage.FEATURE_SET
    plugin_input_type = PluginInputType.FEATURE_SET


def is_measured(values: pd.Series) -> bool:
    """Numbers that are no codes."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values) and values.nunique() > 10


if __name__ == "__main__":
    from workbench.web_interface.components.plugin_unit_test import PluginUnitTest

    PluginUnitTest(DataSourceProfile).run()
