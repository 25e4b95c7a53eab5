"""What the pages of data sources and feature sets show: the table in words, a sample of its rows, how its numbers are spread."""

from __future__ import annotations

from typing import Any

from dash import html
from workbench.web_interface.components import correlation_matrix, violin_plots
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage
from workbench.web_interface.components.plugins import ag_table, data_details


class DataSourceDetails(data_details.DataDetails):
    auto_load_page = PluginPage.DATA_SOURCE


class FeatureSetDetails(data_details.DataDetails):
    auto_load_page = PluginPage.FEATURE_SET
    plugin_input_type = PluginInputType.FEATURE_SET


class DataSourceTable(PluginInterface):
    """Sample, spread and correlations of a table. Only a sample ever leaves the catalog."""

    auto_load_page = PluginPage.DATA_SOURCE
    plugin_input_type = PluginInputType.DATA_SOURCE

    def __init__(self) -> None:
        super().__init__()
        self.rows = ag_table.AGTable()
        self.violins = violin_plots.ViolinPlots()
        self.correlations = correlation_matrix.CorrelationMatrix()
        self.artifact: Any = None

    def create_component(self, component_id: str) -> Any:
        self.component_id = component_id
        self.container = html.Div(
            [
                html.H5("Sample rows", id=f"{component_id}-sample-header"),
                self.rows.create_component(f"{component_id}-rows", max_height=300),
                self.violins.create_component(f"{component_id}-violins"),
                self.correlations.create_component(f"{component_id}-correlations"),
            ],
            id=component_id,
        )
        self.properties = [
            (f"{component_id}-sample-header", "children"),
            *self.rows.properties,
            (f"{component_id}-violins", "figure"),
            (f"{component_id}-correlations", "figure"),
        ]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        self.artifact = data_object
        sample = data_object.smart_sample()
        header = f"Sample rows: {len(sample):,} of {data_object.num_rows():,}"
        return [header, *self.rows.update_properties(sample), *self._figures()]

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        if self.artifact is None:
            return [no_update] * len(self.properties)
        return [no_update] * (len(self.properties) - 2) + self._figures()

    def _figures(self) -> list[Any]:
        return [self.violins.update_properties(self.artifact), self.correlations.update_properties(self.artifact)]


class FeatureSetTable(DataSourceTable):
    auto_load_page = PluginPage.FEATURE_SET
    plugin_input_type = PluginInputType.FEATURE_SET
